"""What a detector is trained on: views of images, and maps that are kept."""

import numpy as np
import pytest
import torch
from torch import nn

from automodel.nets.detection._batches import (
    DetectionBatches,
    DetectionDataset,
    Feeder,
    FrozenMaps,
)
from automodel.nets.detection._canvas import as_canvases
from automodel.nets.detection._views import BoxAugmentation, ViewChanger
from automodel.targets.boxes import Boxes
from tests.nets.detection.shapes import canvases_of, make_shapes

IMAGES, BOXES = make_shapes(10)


def dataset(images=IMAGES, boxes=BOXES, short_side=32):
    return DetectionDataset(as_canvases(canvases_of(images, short_side), "Net"), boxes)


class Halves(nn.Module):
    """A backbone that counts the images that it sees."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def maps(self, images):
        self.seen.append(len(images))
        return [images.permute(0, 3, 1, 2)[:, :1, ::2, ::2].float()]


def feeder(**changes):
    generator = torch.Generator().manual_seed(0)
    changer = ViewChanger(BoxAugmentation(**changes), generator)
    return Feeder(dataset(), Halves(), changer, "cpu")


def test_boxes_are_in_pixels_of_the_canvas():
    views = dataset().views(torch.tensor([3, 1]))
    for view, row in zip(views, (3, 1), strict=True):
        own = BOXES[[row]]
        np.testing.assert_allclose(view.boxes, own.coordinates / 2)
        assert view.labels.tolist() == (own.classes + 1).tolist()
        assert view.extent == (32, 48)
        assert view.pixels.shape == (32, 64, 3)  # multiples of the stride


def test_an_image_without_boxes_has_none():
    (view,) = dataset().views(torch.tensor([0]))
    assert view.boxes.shape == (0, 4)


def test_boxes_that_are_tiny_on_the_canvas_are_ignored():
    boxes = [([[0, 0, 40, 40], [10, 10, 11, 30], [200, 9, 210, 20]], [0, 1, 1])]
    own = Boxes.of(boxes)
    (view,) = dataset(IMAGES[:1], own).views(torch.tensor([0]))
    assert view.ignored.tolist() == [False, True]  # the last one is outside
    assert not own.ignored.any()


def test_a_pass_takes_each_image_once_in_any_order():
    generator = torch.Generator().manual_seed(0)
    batches = DetectionBatches(dataset(), 4, generator, n_parts=2)
    first, second = list(batches), list(batches)
    rows = [row for batch in first + second for row in batch[1].tolist()]
    assert sorted(rows) == list(range(10))
    assert rows != sorted(rows)
    assert {len(batch[1]) for batch in first + second} == {3, 4}


def test_the_maps_of_a_frozen_backbone_are_computed_once():
    own = feeder(horizontal_flip=0.5)
    first = own(torch.tensor([1, 2, 3]), True)
    second = own(torch.tensor([3, 4, 1]), True)
    assert own.module.seen == [3, 1]
    for now, before in ((0, 2), (2, 0)):
        torch.testing.assert_close(second["maps"][0][now], first["maps"][0][before])
        for name in ("boxes", "labels", "ignored"):
            one, two = second["targets"][now][name], first["targets"][before][name]
            assert torch.equal(one, two)


def test_all_layers_see_each_image_changed_anew():
    own = feeder(horizontal_flip=0.5)
    rows = torch.arange(8)
    maps = [own(rows, False)["maps"][0] for _ in range(2)]
    assert own.module.seen == [8, 8]
    assert not torch.equal(*maps)


def test_maps_that_do_not_fit_into_memory_are_computed_again():
    own = feeder()
    own.frozen = FrozenMaps(most_bytes=3 * 16 * 32 * 2)
    rows = torch.arange(5)
    first, second = (own(rows, True)["maps"][0] for _ in range(2))
    assert own.module.seen == [5, 2]
    torch.testing.assert_close(first, second)


def test_the_memory_of_maps_is_free_in_the_second_phase():
    own = feeder()
    own(torch.arange(3), True)
    assert own.frozen.of(0) is not None
    own(torch.arange(3), False)
    assert own.frozen.of(0) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_maps_keep_their_precision_or_half_of_it(dtype):
    kept = FrozenMaps()
    (view,) = dataset().views(torch.tensor([1]))
    kept.keep(1, view, [torch.randn(2, 3, 3).to(dtype)])
    _, (own,) = kept.of(1)
    assert own.dtype == (torch.float16 if dtype == torch.float32 else dtype)
