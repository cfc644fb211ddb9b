"""Predict the boxes of images with the weights of a fitted detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from automodel.nets._device import one_thread, precision_context
from automodel.nets.detection._canvas import (
    canvas_of,
    extents_of,
    pixels_of,
    rounded_up,
    sizes_of,
)
from automodel.nets.image._prediction import StatePredictor
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes

MOST_PIXELS = 2**20  # of a batch


class DetectionPredictor(StatePredictor):
    """A module that predicts boxes, with the parameters of `StatePredictor`.

    The boxes of an image do not depend on the others, but for rounding.
    """

    @one_thread()
    @torch.no_grad()
    def boxes(self, images: SomeRows, check: Callable[[], None]) -> Boxes:
        """Return the boxes of images, computed in bounded memory.

        Parameters
        ----------
        images : SomeRows
            The canvases.
        check : callable
            It is called before each batch, and may raise an exception to end the work.
        """
        self.module.eval()
        sizes = sizes_of(images)
        extents = extents_of(sizes, canvas_of(images))
        found: list[Any] = [None] * len(images)
        for rows, sides in _batches(extents):
            check()
            pixels = torch.from_numpy(pixels_of(images, rows, sides)).to(self.device)
            with precision_context(self.precision, self.device):
                maps = self.module.maps(pixels)
                each = self.module(maps, list(map(tuple, extents[rows].tolist())))
            for row, own in zip(rows, each, strict=True):
                found[row] = _original(own, extents[row], sizes[row])
        return Boxes.of(found) if found else Boxes.empty(0)


def _batches(extents: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Yield images of one shape, and the sides of the canvas that they need."""
    needed = np.array([rounded_up(own) for own in extents]).reshape(-1, 2)
    shapes, numbers = np.unique(needed, axis=0, return_inverse=True)
    for number, sides in enumerate(shapes.tolist()):
        rows = np.flatnonzero(numbers.ravel() == number)
        n_rows = max(MOST_PIXELS // (sides[0] * sides[1]), 1)
        for start in range(0, len(rows), n_rows):
            yield rows[start : start + n_rows], (sides[0], sides[1])


def _original(found: dict[str, torch.Tensor], extent, size) -> tuple[np.ndarray, ...]:
    """Return coordinates in pixels of the original image, classes and scores."""
    boxes = found["boxes"].cpu().numpy().astype(np.float64)
    limits = np.tile(size[::-1], 2)
    boxes = np.clip(boxes * limits / np.tile(extent[::-1], 2), 0, limits)
    boxes = boxes.astype(np.float32)
    is_valid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    classes, scores = found["labels"].cpu().numpy() - 1, found["scores"].cpu().numpy()
    return boxes[is_valid], classes[is_valid], scores[is_valid]
