"""Random changes of images: each image in its own way, and only as allowed."""

import numpy as np
import pytest
import torch

from automodel.nets.image._transforms import Augmenter
from automodel.nets.image.augment import AUGMENTATIONS, ImageAugmentation

STRONG = {
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "translate": 0.3,
    "rotate": 90.0,
    "scale": 0.5,
    "crop": 0.7,
    "noise": 0.2,
    "brightness": 0.5,
    "contrast": 0.8,
    "erase": 0.5,
    "trivial": 1.0,
    "mixup": 1.0,
    "cutmix": 1.0,
}
WITHOUT_MIXES = [name for name in AUGMENTATIONS if name not in ("mixup", "cutmix")]


def augmenter(seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return Augmenter(ImageAugmentation(**changes), generator)


def equal_images(n_images=64, height=12, width=10, seed=0):
    """Return many copies of an image of noise, which shows each change."""
    image = np.random.default_rng(seed).integers(30, 226, (1, height, width, 3))
    return torch.from_numpy(np.repeat(image, n_images, 0).astype(np.uint8))


def test_every_change_is_tested():
    assert tuple(STRONG) == AUGMENTATIONS


@pytest.mark.parametrize("name", WITHOUT_MIXES)
def test_each_image_of_a_batch_is_changed_in_its_own_way(name):
    images = equal_images()
    changed = augmenter(**{name: STRONG[name]}).changed(images)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    distinct = {image.numpy().tobytes() for image in changed}
    assert len(distinct) == 2 if "flip" in name else len(distinct) > 20
    assert torch.equal(images, equal_images())  # those given are left alone


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_seed_gives_the_same_changes(name):
    images = equal_images()
    first, second, other = (
        augmenter(seed, **{name: STRONG[name]})(images)[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert name in ("mixup", "cutmix") or not torch.equal(first, other)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_flip_reverses_an_axis_of_some_images(axis):
    images = equal_images()
    name = {1: "vertical_flip", 2: "horizontal_flip"}[axis]
    changed = augmenter(**{name: 0.5}).changed(images)
    are_flipped = (changed == images.flip(axis)).all((1, 2, 3))
    are_same = (changed == images).all((1, 2, 3))
    assert (are_flipped | are_same).all()
    assert 16 < are_flipped.sum() < 48


def test_a_flip_that_is_not_allowed_is_not_made():
    own = augmenter(horizontal_flip=1.0, vertical_flip=1.0)
    own.flips = ("vertical_flip",)
    images = equal_images()
    assert torch.equal(own.changed(images), images.flip(1))


def centre(images):
    """Return the mean place of the light in each image, from -1 to 1."""
    light = images[..., 0].double()
    places = torch.linspace(-1, 1, images.shape[1], dtype=torch.float64)
    total = light.sum((1, 2))
    x = (light.sum(1) * places).sum(1) / total
    return torch.stack([x, (light.sum(2) * places).sum(1) / total], 1)


def spots(n_images=200, side=31):
    """Return black images with a light square in the middle."""
    images = torch.zeros(n_images, side, side, 3, dtype=torch.uint8)
    images[:, 13:18, 13:18] = 200
    return images


def test_images_are_shifted_by_at_most_a_share_of_the_side():
    moved = centre(augmenter(translate=0.2).changed(spots()))
    assert moved.abs().max() <= 0.42
    assert (moved.max(0).values > 0.3).all()
    assert (moved.min(0).values < -0.3).all()
    assert abs(np.corrcoef(moved.T.numpy())[0, 1]) < 0.3


def test_images_are_rotated_around_the_middle_whatever_their_shape():
    images = torch.zeros(100, 20, 40, 3, dtype=torch.uint8)
    images[:, 9:11, 30:34] = 200  # at the right, 12 pixels from the middle
    changed = augmenter(rotate=90.0).changed(images)[..., 0].double()
    rows, columns = torch.meshgrid(
        torch.arange(20) - 9.5, torch.arange(40) - 19.5, indexing="ij"
    )
    seen = changed.sum((1, 2)) > 0.9 * 200 * 8  # the others are outside
    total = changed.sum((1, 2))
    y, x = ((changed * own).sum((1, 2)) / total for own in (rows, columns))
    distance = torch.hypot(x, y)[seen]
    assert seen.sum() > 20
    torch.testing.assert_close(
        distance, torch.full_like(distance, 12.0), atol=0.7, rtol=0
    )
    angles = torch.rad2deg(torch.atan2(y, x))[seen]
    assert angles.max() > 20
    assert angles.min() < -20


def test_images_are_enlarged_and_made_smaller():
    areas = (augmenter(scale=0.5).changed(spots())[..., 0] > 100).sum((1, 2))
    assert areas.min() < 15
    assert areas.max() > 50
    assert centre(augmenter(scale=0.5).changed(spots())).abs().max() < 0.02


def test_crops_enlarge_what_they_keep():
    areas = (augmenter(crop=0.7).changed(spots())[..., 0] > 100).sum((1, 2)).float()
    assert areas.mean() > 30
    images = torch.full((50, 12, 12, 3), 77, dtype=torch.uint8)
    assert torch.equal(augmenter(crop=0.7).changed(images), images)


@pytest.mark.parametrize("name", ["translate", "rotate", "scale"])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (10, 200, 30)])
def test_what_comes_into_view_has_the_colour_of_the_edge(name, colour):
    images = torch.tensor(colour, dtype=torch.uint8).expand(30, 16, 16, 3).clone()
    images[:, 6:10, 6:10] = 128
    changed = augmenter(**{name: STRONG[name]}).changed(images)
    corner = changed[:, 0, 0].float() - torch.tensor(colour)
    assert corner.abs().max() <= 1


def test_noise_grows_with_its_strength():
    images = torch.full((100, 16, 16, 3), 128, dtype=torch.uint8)
    weak, strong = (
        augmenter(noise=noise).changed(images).float().std(dim=(1, 2, 3))
        for noise in (0.02, 0.2)
    )
    assert weak.max() < 0.02 * 255 * 1.1
    assert strong.max() > 4 * weak.max()
    assert strong.min() < 10  # each image has a strength of its own


def test_contrast_leaves_the_mean_and_brightness_does_not():
    images = equal_images()
    mean = images.float().mean()
    contrast = augmenter(contrast=0.3).changed(images).float()
    assert (contrast.mean((1, 2, 3)) - mean).abs().max() < 2
    assert contrast.std(dim=(1, 2, 3)).std() > 2
    brightness = augmenter(brightness=0.3).changed(images).float().mean((1, 2, 3))
    assert (brightness - mean).abs().max() > 20


def test_a_rectangle_of_some_images_is_erased():
    images = torch.full((200, 24, 24, 3), 128, dtype=torch.uint8)
    changed = augmenter(erase=0.5).changed(images)
    is_other = (changed != images).any(3)
    shares = is_other.float().mean((1, 2))
    assert 60 < (shares > 0).sum() < 140
    assert shares.max() < 0.4
    for image, mask in zip(changed, is_other, strict=True):
        if mask.any():
            rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
            box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert (box == box[0, 0]).all()


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixtures_have_the_share_that_they_tell(kind):
    images = torch.zeros(6, 20, 20, 3, dtype=torch.uint8)
    images += (torch.arange(6, dtype=torch.uint8) * 40)[:, None, None, None]
    own = augmenter(**{kind: 1.0})
    for _ in range(5):
        mixed, mixture = own(images)
        means = images.float().mean((1, 2, 3))
        expected = mixture.share * means
        expected += (1 - mixture.share) * means[mixture.order]
        torch.testing.assert_close(
            mixed.float().mean((1, 2, 3)), expected, atol=0.6, rtol=0
        )


def test_mixup_and_cutmix_take_turns():
    images = equal_images(4)
    images[1] = 0
    own = augmenter(mixup=1.0, cutmix=1.0)
    kinds = set()
    for _ in range(20):
        mixed, _ = own(images)
        kinds.add(bool(((mixed[1] == 0) | (mixed[1] == images[0])).all()))
    assert kinds == {True, False}


def test_a_batch_of_one_image_is_not_mixed():
    assert augmenter(mixup=1.0)(equal_images(1))[1] is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2)])
def test_odd_shapes_are_changed(shape):
    images = torch.randint(256, (4, *shape, 3), dtype=torch.uint8)
    changed, _ = augmenter(**STRONG)(images)
    assert changed.shape == images.shape
