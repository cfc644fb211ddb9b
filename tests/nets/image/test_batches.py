"""Batches of images."""

import numpy as np
import pytest
import torch

from automodel.nets.image._batches import (
    ImageBatches,
    ImageDataset,
    outputs_of,
)
from automodel.nets.image._transforms import Augmenter
from automodel.nets.image.augment import ImageAugmentation
from automodel.some_rows import SomeRows


def make_dataset(n_images=50, weight=None, rows=None):
    images = np.zeros((200, 4, 4, 3), dtype=np.uint8)
    images += np.arange(200, dtype=np.uint8)[:, None, None, None]
    target = torch.arange(200) if rows is None else torch.from_numpy(rows)
    if rows is None:
        rows = np.arange(n_images)
        target = target[:n_images]
    return ImageDataset(SomeRows(images, rows), target, weight)


@pytest.mark.parametrize("n_parts", [1, 3, 100])
def test_the_parts_of_a_pass_hold_each_image_once(n_parts):
    batches = ImageBatches(make_dataset(), 8, torch.Generator(), n_parts)
    parts = [list(batches) for _ in range(batches.n_parts)]
    targets = torch.cat([target for part in parts for _, target in part])
    assert sorted(targets.tolist()) == list(range(50))
    for part in parts:
        for X, target in part:
            assert X["images"].dtype == torch.uint8
            torch.testing.assert_close(X["images"][:, 0, 0, 0].long(), target)


@pytest.mark.parametrize("n_images", [2, 3, 17, 33])
def test_no_batch_has_a_single_image(n_images):
    batches = ImageBatches(make_dataset(n_images), 16, torch.Generator())
    assert min(len(target) for _, target in batches) >= 2


def test_images_are_read_where_the_data_set_says():
    rows = np.array([120, 7, 44])
    dataset = make_dataset(rows=rows)
    assert dataset.inputs(torch.tensor([2, 0]))["images"][:, 0, 0, 0].tolist() == [
        44,
        120,
    ]
    some = dataset.take(np.array([1]))
    assert some.y.tolist() == [7]
    assert some.inputs([0])["images"].unique().tolist() == [7]


def test_images_of_a_file_are_read_batch_by_batch(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.full((30, 4, 4, 3), 9, dtype=np.uint8))
    images = np.load(path, mmap_mode="r")
    dataset = ImageDataset(images, torch.zeros(30))
    assert dataset.X.array is images
    X, _ = next(iter(ImageBatches(dataset, 4, torch.Generator())))
    assert X["images"].unique().tolist() == [9]


def test_weights_go_with_their_images():
    dataset = make_dataset(weight=torch.arange(50.0))
    for X, target in ImageBatches(dataset, 8, torch.Generator()):
        torch.testing.assert_close(X["weight"], target.float())


def test_batches_are_changed_and_tell_their_mixture():
    own = Augmenter(ImageAugmentation(mixup=1.0), torch.Generator().manual_seed(0))
    batches = ImageBatches(make_dataset(), 8, torch.Generator(), augmenter=own)
    X, target = next(iter(batches))
    mixture = X["mixture"]
    expected = mixture.share * target + (1 - mixture.share) * target[mixture.order]
    torch.testing.assert_close(
        X["images"][:, 0, 0, 0].float(), expected, atol=0.51, rtol=0
    )


def test_outputs_are_in_the_order_of_the_images():
    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.float().mean((1, 2, 3))[:, None]

    dataset = make_dataset(rows=np.random.default_rng(0).permutation(200))
    found = outputs_of(Mean(), dataset, "float32")
    torch.testing.assert_close(found[:, 0], dataset.y.float())
    flipped = outputs_of(Mean(), dataset.flipped(2), "float32")
    torch.testing.assert_close(flipped, found)
