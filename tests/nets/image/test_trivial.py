"""TrivialAugment, whose changes of colour are those of Pillow."""

import numpy as np
import pytest
import torch

from automodel.nets.image._trivial import TrivialAugment

OWN = TrivialAugment(torch.Generator())


def photograph(n_images=1, side=16):
    """Return smooth images with different colours."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(20, 200, (n_images, 3, 4, 4)))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return fine.permute(0, 2, 3, 1).round().to(torch.uint8)


def changed(name, images, strength, sign=1.0):
    n = len(images)
    kinds = torch.full((n,), OWN.names.index(name))
    return OWN.applied(
        images, kinds, torch.full((n,), strength), torch.full((n,), sign)
    )


@pytest.mark.parametrize("name", OWN.names)
def test_each_change_keeps_shape_and_type(name):
    for shape in [(5, 16, 16, 3), (2, 1, 1, 3), (2, 1, 9, 3)]:
        images = torch.randint(256, shape, dtype=torch.uint8)
        found = changed(name, images, 0.7)
        assert found.dtype == torch.uint8
        assert found.shape == images.shape
    assert torch.equal(changed("identity", images, 0.7), images)


@pytest.mark.parametrize(
    "name", [n for n in OWN.names if n not in ("identity", "autocontrast", "equalize")]
)
def test_no_strength_is_no_change(name):
    images = photograph(3)
    difference = changed(name, images, 0.0).float() - images.float()
    assert difference.abs().max() <= 1


def of_pillow(name, image, strength, sign):
    pil = pytest.importorskip("PIL.Image")
    from PIL import ImageEnhance, ImageOps

    own = pil.fromarray(image.numpy())
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "color": ImageEnhance.Color,
        "contrast": ImageEnhance.Contrast,
        "sharpness": ImageEnhance.Sharpness,
    }
    if name in enhancers:
        return enhancers[name](own).enhance(1 + 0.99 * strength * sign)
    if name == "posterize":
        return ImageOps.posterize(own, 8 - round(6 * strength))
    if name == "solarize":
        return ImageOps.solarize(own, 255 * (1 - strength))
    return {"autocontrast": ImageOps.autocontrast, "equalize": ImageOps.equalize}[name](
        own
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "name",
    ["brightness", "color", "contrast", "sharpness", "posterize", "solarize"]
    + ["autocontrast", "equalize"],
)
def test_changes_of_colour_are_those_of_pillow(name, sign):
    image = photograph()
    for strength in (0.3, 0.8):
        expected = np.asarray(of_pillow(name, image[0], strength, sign)).astype(int)
        found = changed(name, image, strength, sign)[0].numpy().astype(int)
        assert np.abs(found - expected).max() <= 2


def test_positions_move_to_both_sides():
    images = torch.zeros(1, 21, 21, 3, dtype=torch.uint8)
    images[:, 9:12, 9:12] = 200
    columns = torch.arange(21.0)

    def place(sign):
        found = changed("translate_x", images, 1.0, sign)[0, ..., 0].float()
        return float((found.sum(0) * columns).sum() / found.sum())

    assert abs(place(1.0) - (10 - 0.3 * 21)) < 0.2
    assert abs(place(-1.0) - (10 + 0.3 * 21)) < 0.2


def test_all_changes_are_drawn():
    images = photograph().repeat(400, 1, 1, 1)
    own = TrivialAugment(torch.Generator().manual_seed(0))
    found = own(images)
    assert len({image.numpy().tobytes() for image in found}) > 200
    are_same = (found == images).all((1, 2, 3)).float().mean()
    assert 0.02 < are_same < 0.25
