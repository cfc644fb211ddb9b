"""Predict the boxes of images with the weights of a fitted detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from automodel.nets._device import (
    has_bfloat16,
    one_thread,
    precision_context,
    prediction_device,
    seeded_draws,
)
from automodel.nets.detection._canvas import (
    canvas_of,
    extents_of,
    pixels_of,
    rounded_up,
    sizes_of,
)
from automodel.quiet import no_warnings
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes

MOST_PIXELS = 2**20  # of a batch


class DetectionPredictor:
    """A module that predicts boxes.

    The boxes of an image do not depend on the others, but for rounding.

    Parameters
    ----------
    build : callable
        Returns a new module.
    state : dict of ndarray
        Its weights, which are not copied.
    device : str
        The device that the net trains on.
    precision : str
        That of the training. Processors without bfloat16 predict in float32.
    """

    def __init__(
        self,
        build: Callable[[], Any],
        state: dict[str, np.ndarray],
        device: str,
        precision: str,
    ):
        self.device = prediction_device(device)
        is_fast = self.device != "cpu" or has_bfloat16()
        self.precision = precision if is_fast else "float32"
        with seeded_draws(0):
            self.module = build()
        self.load(state)

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Predict with these weights, and otherwise with those of before."""
        with no_warnings():  # about arrays that are read-only, and stay as they are
            tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        self.module.load_state_dict(tensors, strict=False, assign=True)
        self.module.to(self.device, memory_format=torch.channels_last)

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
