"""TrivialAugment: one random change of random strength for each image.

Müller, Hutter (2021), *TrivialAugment: Tuning-free Yet State-of-the-Art Data
Augmentation*, with the "wide" strengths.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from automodel.nets.image._pixels import rotations, to_bytes, warped, wide

SHEAR = 0.99
# NOTE[DIFF] A share of the side, instead of 32 pixels at any size (table 5).
TRANSLATION = 0.3
ROTATION = 135.0  # degrees
COLOUR = 0.99  # change of the factor of brightness, colour, contrast and sharpness
POSITIONS = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
COLOURS = (
    *("brightness", "color", "contrast", "sharpness"),
    *("posterize", "solarize", "autocontrast", "equalize"),
)
LUMINANCE = 0.299, 0.587, 0.114


class TrivialAugment:
    """Change batches of images, each image in one way.

    Parameters
    ----------
    generator : torch.Generator
        The source of all draws, on the device of the images.
    """

    names = ("identity", *POSITIONS, *COLOURS)

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed images, as bytes of shape (n, height, width, 3)."""
        n = len(images)
        draw: dict[str, Any] = {"generator": self.generator, "device": images.device}
        kinds = torch.randint(len(self.names), (n,), **draw)
        strengths = torch.rand(n, **draw)
        signs = torch.randint(2, (n,), **draw) * 2.0 - 1
        return self.applied(images, kinds, strengths, signs)

    def applied(self, images, kinds, strengths, signs) -> torch.Tensor:
        """Return images after the changes of the given numbers and strengths.

        Parameters
        ----------
        images : Tensor of shape (n, height, width, 3)
            Bytes.
        kinds : Tensor of shape (n,)
            Positions in `names`.
        strengths, signs : Tensor of shape (n,)
            From 0 to 1, and -1 or 1.
        """
        changed = images.clone()
        for kind in kinds.unique().tolist():
            name = self.names[kind]
            if name == "identity":
                continue
            rows = kinds == kind
            own, strength, sign = images[rows], strengths[rows], signs[rows]
            change = _moved if name in POSITIONS else _recoloured
            changed[rows] = change(name, own, strength, sign)
        return changed


def _moved(name: str, images, strength, sign):
    """Return images that are sheared, shifted or rotated."""
    n, (height, width) = len(images), images.shape[1:3]
    matrices = torch.eye(2, device=images.device).repeat(n, 1, 1)
    shifts = torch.zeros(n, 2, device=images.device)
    size = strength * sign
    if name == "shear_x":
        matrices[:, 0, 1] = SHEAR * size * height / width
    elif name == "shear_y":
        matrices[:, 1, 0] = SHEAR * size * width / height
    elif name == "rotate":
        matrices = rotations(math.radians(ROTATION) * size, width / height)
    else:
        shifts[:, int(name == "translate_y")] = 2 * TRANSLATION * size
    return warped(images, matrices, shifts)


def _recoloured(name: str, images, strength, sign):
    """Return images with other colours."""
    if name == "posterize":
        dropped = (6 * strength).round().to(torch.uint8)
        mask = 255 - ((1 << dropped.int()) - 1)
        return images & wide(mask.to(torch.uint8))
    if name == "solarize":
        is_bright = images >= wide(255 * (1 - strength))
        return torch.where(is_bright, 255 - images, images)
    pixels = images.float()
    if name == "autocontrast":
        return to_bytes(_stretched(pixels))
    if name == "equalize":
        return _equalized(images)
    other = {
        "brightness": torch.zeros_like,
        "color": _grey,
        "contrast": lambda own: _grey(own).mean((1, 2, 3), keepdim=True),
        "sharpness": _blurred,
    }[name](pixels)
    return to_bytes(other + wide(1 + COLOUR * strength * sign) * (pixels - other))


def _grey(pixels):
    weights = torch.tensor(LUMINANCE, device=pixels.device)
    return (pixels * weights).sum(3, keepdim=True).expand_as(pixels)


def _blurred(pixels):
    """Return the mean of each pixel and its neighbours; edges stay as they are."""
    if min(pixels.shape[1:3]) < 3:
        return pixels
    kernel = torch.ones(3, 1, 3, 3, device=pixels.device)
    kernel[:, :, 1, 1] = 5
    blurred = pixels.clone()
    found = F.conv2d(pixels.permute(0, 3, 1, 2), kernel / 13, groups=3)
    blurred[:, 1:-1, 1:-1] = found.permute(0, 2, 3, 1)
    return blurred


def _stretched(pixels):
    """Return images whose colours each reach from 0 to 255."""
    low = pixels.amin((1, 2), keepdim=True)
    spread = pixels.amax((1, 2), keepdim=True) - low
    stretched = (pixels - low) * (255 / spread.clamp_min(1))
    return torch.where(spread > 0, stretched, pixels)


def _equalized(images):
    """Return images in which all values of a colour are about equally frequent."""
    values = images.permute(0, 3, 1, 2).flatten(2).long()
    counts = torch.zeros(*values.shape[:2], 256, device=images.device)
    counts.scatter_add_(2, values, torch.ones_like(values, dtype=counts.dtype))
    last = counts.gather(2, values.amax(2, keepdim=True))
    step = ((values.shape[2] - last) / 255).floor()
    before = counts.cumsum(2) - counts
    table = ((before + (step / 2).floor()) / step.clamp_min(1)).floor().clamp(0, 255)
    found = table.gather(2, values)
    equalized = torch.where(step > 0, found, values.float()).to(torch.uint8)
    n, height, width, _ = images.shape
    return equalized.view(n, 3, height, width).permute(0, 2, 3, 1)
