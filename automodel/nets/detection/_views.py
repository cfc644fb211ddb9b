"""Change images in training together with their boxes, each image in its own way."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from automodel.nets.detection._canvas import GREY
from automodel.nets.image._pixels import to_bytes

CROPPED_RATIO = 4 / 3  # the largest change of the aspect ratio by a crop
LEAST_SIDE = 1.0  # pixels of a box that can be learned


@dataclass(frozen=True, kw_only=True)
class BoxAugmentation:
    """Random changes of images with boxes; 0 turns each of them off.

    Parameters
    ----------
    horizontal_flip, vertical_flip : float, default=0.0
        Probability of a reflection that swaps left and right, or top and bottom.
    scale : float, default=0.0
        Largest change of the size, as a logarithm: 0.2 stands for 82 to 122 percent.
    crop : float, default=0.0
        Largest share of the area that is cut off, before the rest is enlarged.
    brightness : float, default=0.0
        Largest change of the factor by which pixels are multiplied.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    scale: float = 0.0
    crop: float = 0.0
    brightness: float = 0.0


BOX_AUGMENTATIONS = tuple(field.name for field in fields(BoxAugmentation))


class View(NamedTuple):
    """An image on a canvas, as a training step sees it.

    Attributes
    ----------
    pixels : Tensor of shape (height, width, 3)
        Bytes of the canvas.
    extent : tuple of int
        Height and width of the image, which lies at the top left.
    boxes : Tensor of shape (n_boxes, 4)
        In pixels of the canvas.
    labels : Tensor of shape (n_boxes,)
        Numbers of their classes.
    ignored : Tensor of shape (n_boxes,)
        Whether each box is ignored.
    """

    pixels: torch.Tensor
    extent: tuple[int, int]
    boxes: torch.Tensor
    labels: torch.Tensor
    ignored: torch.Tensor


class ViewChanger:
    """Change images as a `BoxAugmentation` says.

    Boxes whose centre is cut off are dropped, and others are clipped.

    Parameters
    ----------
    augmentation : BoxAugmentation
        What is changed, and how strongly.
    generator : torch.Generator
        The source of all draws.
    """

    def __init__(self, augmentation: BoxAugmentation, generator: torch.Generator):
        self.augmentation = augmentation
        self.generator = generator

    def __call__(self, view: View) -> View:
        """Return a changed view."""
        own = self.augmentation
        if own.crop or own.scale:
            view = self._zoomed(view)
        for probability, axis in ((own.horizontal_flip, 1), (own.vertical_flip, 0)):
            if probability and self._draw() < probability:
                view = flipped(view, axis)
        if own.brightness:
            factor = 1 + own.brightness * self._spread()
            view = view._replace(pixels=_brighter(view, factor))
        return view

    def _zoomed(self, view: View) -> View:
        height, width = view.extent
        area = 1 - self.augmentation.crop * self._draw()
        zoom = math.exp(self.augmentation.scale * self._spread())
        ratio = CROPPED_RATIO ** (self._spread() if self.augmentation.crop else 0.0)
        shares = (min(math.sqrt(area * r), 1.0) for r in (ratio, 1 / ratio))
        inside = [
            max(round(side * share / max(zoom, 1.0)), 1)
            for side, share in zip(view.extent, shares, strict=True)
        ]
        start = [
            int(self._draw() * (side - part + 1))
            for side, part in zip(view.extent, inside, strict=True)
        ]
        smaller = min(zoom, 1.0)
        extent = max(round(height * smaller), 1), max(round(width * smaller), 1)
        return zoomed(view, (start[0], start[1]), (inside[0], inside[1]), extent)

    def _draw(self) -> float:
        own = self.generator
        return float(torch.rand((), generator=own, device=own.device))

    def _spread(self) -> float:
        """Draw between -1 and 1."""
        return 2 * self._draw() - 1


def flipped(view: View, axis: int) -> View:
    """Return a view that is reversed (axis 1) or upside down (axis 0)."""
    height, width = view.extent
    pixels = view.pixels.clone()
    pixels[:height, :width] = view.pixels[:height, :width].flip(axis)
    low, high = (0, 2) if axis else (1, 3)
    boxes = view.boxes.clone()
    boxes[:, low] = view.extent[axis] - view.boxes[:, high]
    boxes[:, high] = view.extent[axis] - view.boxes[:, low]
    return view._replace(pixels=pixels, boxes=boxes)


def zoomed(
    view: View, start: tuple[int, int], inside: tuple[int, int], extent: tuple[int, int]
) -> View:
    """Return a view of a part of an image, which gets another size.

    Parameters
    ----------
    view : View
        The image.
    start, inside : tuple of int
        Top and left edge, and height and width, of the part.
    extent : tuple of int
        Height and width that it gets.
    """
    (top, left), (height, width) = start, inside
    part = view.pixels[top : top + height, left : left + width]
    part = part.permute(2, 0, 1)[None].float()
    shrinks = extent[0] < height or extent[1] < width
    options: dict[str, Any] = {"antialias": True} if shrinks else {}
    part = F.interpolate(part, size=extent, mode="bilinear", **options)
    pixels = torch.full_like(view.pixels, GREY)
    pixels[: extent[0], : extent[1]] = to_bytes(part[0].permute(1, 2, 0))
    shift = view.boxes.new_tensor([left, top, left, top])
    factors = extent[1] / width, extent[0] / height
    boxes = (view.boxes - shift) * view.boxes.new_tensor(factors * 2)
    sides = boxes.new_tensor([extent[1], extent[0]])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    is_seen = ((centres >= 0) & (centres <= sides)).all(1)
    boxes = torch.minimum(boxes.clamp_min(0), sides.repeat(2))
    is_seen &= ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_SIDE).all(1)
    kept = boxes[is_seen], view.labels[is_seen], view.ignored[is_seen]
    return View(pixels, extent, *kept)


def _brighter(view: View, factor: float) -> torch.Tensor:
    height, width = view.extent
    pixels = view.pixels.clone()
    pixels[:height, :width] = to_bytes(factor * pixels[:height, :width].float())
    return pixels
