"""Change batches of images at random, each image in its own way.

Images are tensors of bytes of shape (n, height, width, 3), before and after.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from automodel.nets._augmentation import Mixture, beta_share
from automodel.nets.image._pixels import rotations, to_bytes, warped, wide
from automodel.nets.image._trivial import TrivialAugment
from automodel.nets.image.augment import FLIPS, MIXES, ImageAugmentation

ERASED_AREA = 0.02, 0.33
ERASED_RATIO = 0.3, 3.3
CROPPED_RATIO = 3 / 4, 4 / 3


class Augmenter:
    """Change batches as an `ImageAugmentation` says.

    Parameters
    ----------
    augmentation : ImageAugmentation
        What is changed, and how strongly.
    generator : torch.Generator
        The source of all draws, on the device of the images.

    Attributes
    ----------
    flips : tuple of str
        Names of the flips that are allowed.
    """

    def __init__(self, augmentation: ImageAugmentation, generator: torch.Generator):
        self.augmentation = augmentation
        self.generator = generator
        self.flips: tuple[str, ...] = FLIPS
        self._trivial = TrivialAugment(generator)

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, Mixture | None]:
        """Return changed images, and how they were mixed, if they were."""
        return self._mixed(self.changed(images))

    def changed(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed images that are not mixed."""
        own = self.augmentation
        if own.trivial:
            chosen = self._rand(len(images)) < own.trivial
            images = torch.where(wide(chosen), self._trivial(images), images)
        images = self._flipped(images)
        if own.translate or own.rotate or own.scale or own.crop:
            images = warped(images, *self._matrices(images))
        if own.brightness or own.contrast or own.noise:
            images = self._recoloured(images)
        return self._erased(images) if own.erase else images

    def _flipped(self, images):
        for name, axis in zip(FLIPS, (2, 1), strict=True):
            probability = getattr(self.augmentation, name)
            if probability and name in self.flips:
                chosen = self._rand(len(images)) < probability
                images = torch.where(wide(chosen), images.flip(axis), images)
        return images

    def _matrices(self, images):
        """Return matrices and shifts from places in the output to those in the input.

        Places are in units of half a side, from the centre.
        """
        own, n = self.augmentation, len(images)
        height, width = images.shape[1:3]
        turn = rotations(self._spread(n) * math.radians(own.rotate), width / height)
        zoom = torch.exp(-own.scale * self._spread(n, 1)).expand(n, 2)
        shift = 2 * own.translate * self._spread(n, 2)
        if own.crop:
            sides, offsets = self._crops(n)
            zoom, shift = zoom * sides, shift + offsets
        return turn * zoom[:, None, :], shift

    def _crops(self, n: int):
        """Return the sides of random crops, and the places of their centres."""
        area = 1 - self.augmentation.crop * self._rand(n)
        low, high = map(math.log, CROPPED_RATIO)
        ratio = torch.exp(low + (high - low) * self._rand(n))
        sides = torch.stack([area * ratio, area / ratio], 1).sqrt().clamp_max(1.0)
        return sides, (1 - sides) * self._spread(n, 2)

    def _recoloured(self, images):
        own, n = self.augmentation, len(images)
        pixels = images.float()
        if own.brightness:
            pixels = pixels * wide(1 + own.brightness * self._spread(n))
        if own.contrast:
            mean = pixels.mean((1, 2, 3), keepdim=True)
            factor = wide(1 + own.contrast * self._spread(n))
            pixels = mean + factor * (pixels - mean)
        if own.noise:
            deviation = wide(255 * own.noise * self._rand(n))
            draw = {"generator": self.generator, "device": images.device}
            pixels = pixels + deviation * torch.randn(pixels.shape, **draw)
        return to_bytes(pixels)

    def _erased(self, images):
        n, (height, width) = len(images), images.shape[1:3]
        chosen = self._rand(n) < self.augmentation.erase
        area = ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * self._rand(n)
        low, high = map(math.log, ERASED_RATIO)
        ratio = torch.exp(low + (high - low) * self._rand(n))
        share_x, share_y = (area * ratio).sqrt(), (area / ratio).sqrt()
        inside = _rectangles(height, width, share_x, share_y, self._rand(n, 2))
        colour = (256 * self._rand(n, 3)).floor().to(torch.uint8)[:, None, None]
        return torch.where((inside & chosen[:, None, None])[..., None], colour, images)

    def _mixed(self, images):
        own = self.augmentation
        kinds = [kind for kind in MIXES if getattr(own, kind)]
        if not kinds or len(images) < 2:
            return images, None
        kind = kinds[int(self._rand(1) * len(kinds))]
        share = beta_share(getattr(own, kind), self.generator)
        draw: dict[str, Any] = {"generator": self.generator, "device": images.device}
        order = torch.randperm(len(images), **draw)
        if kind == "mixup":
            mixed = torch.lerp(images[order].float(), images.float(), share)
            return to_bytes(mixed), Mixture(order, share)
        side = torch.full((1,), math.sqrt(1 - share), device=images.device)
        height, width = images.shape[1:3]
        inside = _rectangles(height, width, side, side, self._rand(1, 2))
        mixed = torch.where(inside[..., None], images[order], images)
        return mixed, Mixture(order, 1 - float(inside.float().mean()))

    def _rand(self, *shape: int) -> torch.Tensor:
        device = self.generator.device
        return torch.rand(shape, generator=self.generator, device=device)

    def _spread(self, *shape: int) -> torch.Tensor:
        """Draw between -1 and 1."""
        return 2 * self._rand(*shape) - 1


def _rectangles(height, width, share_x, share_y, place) -> torch.Tensor:
    """Return masks of rectangles with random places inside of images."""
    masks = []
    for side, share, at in (
        (height, share_y, place[:, 1]),
        (width, share_x, place[:, 0]),
    ):
        size = (share * side).round().clamp(1, side)[:, None]
        start = (at[:, None] * (side - size + 1)).floor()
        pixels = torch.arange(side, device=share.device)
        masks.append((pixels >= start) & (pixels < start + size))
    return masks[0][:, :, None] & masks[1][:, None, :]
