"""ImagePixels: pixels and gradients of images as the columns of a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.clock import NO_DEADLINE, Deadline
from automodel.preprocessing.image.images import Images
from automodel.preprocessing.image.reader import read_images
from automodel.preprocessing.image.resize import resized
from automodel.preprocessing.parts import PART_ROWS

GREY = (0.299, 0.587, 0.114)
MOST_CELLS = 8  # of the side of an image
LEAST_CELL = 4  # pixels
N_ANGLES = 9
N_COLOURS = 6  # pixels of the side on which gradients are joined by colours
LARGEST = 0.2  # share of a gradient in a block
LEAST = 1e-3
BLOCK = ((0, 0), (0, 1), (1, 0), (1, 1))  # cells of a block
VIEWS = ("pixels", "gradients")


class ImagePixels(TransformerMixin, BaseEstimator):
    """Turn images into columns: the pixels of a small copy, or histograms of gradients.

    Nothing is learned from the images, so that `transform` works without `fit`.

    Parameters
    ----------
    size : int, default=16
        Side in pixels to which images are resized.
    view : {"pixels", "gradients"}, default="pixels"
        The columns: pixels, or histograms of oriented gradients [1]_ in 8 x 8 cells,
        or fewer of at least 4 pixels, joined by the colours of 6 x 6 areas.
    color : bool, default=True
        Whether there are columns for red, green and blue, or grey alone.

    References
    ----------
    .. [1] N. Dalal and B. Triggs, Histograms of oriented gradients for human
       detection, CVPR 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.image.pixels import ImagePixels
    >>> ImagePixels(8, color=False).transform(np.zeros((2, 28, 28))).shape
    (2, 64)
    """

    def __init__(self, size: int = 16, view: str = "pixels", color: bool = True):
        self.size = size
        self.view = view
        self.color = color

    def fit(self, X: Any = None, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X, y : None
            Ignored.
        """
        return self

    def transform(self, X: Any, deadline: Deadline = NO_DEADLINE) -> np.ndarray:
        """Return the columns.

        Parameters
        ----------
        X : sequence of images, or Images
            The images, as in `AutoImageClassifier`.
        deadline : Deadline, default=NO_DEADLINE
            Checked between images.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), float32
            The columns.
        """
        if self.view not in VIEWS:
            raise ValueError(
                f"view must be one of {', '.join(VIEWS)}. Got {self.view!r} instead."
            )
        images = read_images(X)
        starts = range(0, max(len(images), 1), PART_ROWS)
        parts = (images.take(slice(start, start + PART_ROWS)) for start in starts)
        return np.concatenate([self._columns(part, deadline) for part in parts])

    def _columns(self, images: Images, deadline: Deadline) -> np.ndarray:
        squares = resized(images, self.size, deadline)
        if self.view == "pixels":
            return _pixels(squares, self.color)
        columns = gradients(squares)
        if not self.color:
            return columns
        small = _pixels(resized(squares, N_COLOURS, deadline), color=True)
        return np.hstack([columns, small])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def n_columns(size: int, view: str, color: bool) -> int:
    """Return the number of columns of `ImagePixels`."""
    if view == "pixels":
        return size * size * (3 if color else 1)
    n_cells = _n_cells(size)
    side = max(n_cells - 1, 1) * min(n_cells, 2)  # of all blocks, in cells
    columns = N_ANGLES * side**2
    return columns + (3 * N_COLOURS**2 if color else 0)


def gradients(squares: np.ndarray) -> np.ndarray:
    """Return histograms of oriented gradients, of shape (n_samples, n_columns).

    Parameters
    ----------
    squares : ndarray of shape (n_samples, size, size, 3), uint8
        Images. If the size is no multiple of a cell's, the last pixels are left out.
    """
    n_rows, size = squares.shape[:2]
    n_cells = _n_cells(size)
    cell = size // n_cells
    side = cell * n_cells
    grey: np.ndarray = _grey(squares.astype(np.float32)) / 255
    both = np.gradient(grey, axis=(1, 2))
    down, right = (part[:, :side, :side] for part in both)
    strength = np.hypot(down, right)
    angle = np.arctan2(down, right) / np.pi * N_ANGLES  # of a line, without direction
    lower = np.floor(angle)
    place, rows = np.arange(side) // cell, np.arange(n_rows)[:, None, None]
    cells = (rows * n_cells + place[:, None]) * n_cells + place
    shape = n_rows, n_cells, n_cells, N_ANGLES
    histograms = np.zeros(math.prod(shape))
    for bins in (lower, lower + 1):  # each gradient belongs to both, by its distance
        index = cells * N_ANGLES + np.mod(bins, N_ANGLES).astype(np.intp)
        weights = strength * (1 - np.abs(angle - bins))
        histograms += np.bincount(index.ravel(), weights.ravel(), len(histograms))
    return _normalized_blocks(histograms.reshape(shape))


def _n_cells(size: int) -> int:
    return min(max(size // LEAST_CELL, 1), MOST_CELLS)


def _normalized_blocks(cells: np.ndarray) -> np.ndarray:
    """Return overlapping blocks of 2 x 2 cells, each divided by its length."""
    n_rows, size = cells.shape[:2]
    if size > 1:
        parts = [cells[:, i : size - 1 + i, j : size - 1 + j] for i, j in BLOCK]
        cells = np.concatenate(parts, axis=-1)
    for _ in range(2):  # the second time after the largest have been cut
        length = np.sqrt(np.sum(cells**2, axis=-1, keepdims=True) + LEAST**2)
        cells = np.minimum(cells / length, LARGEST)
    return np.ascontiguousarray(cells.reshape(n_rows, -1), dtype=np.float32)


def _grey(values: np.ndarray) -> np.ndarray:
    red, green, blue = (np.float32(GREY[i]) * values[..., i] for i in range(3))
    return red + green + blue


def _pixels(squares: np.ndarray, color: bool) -> np.ndarray:
    values = squares.astype(np.float32)
    values = values if color else _grey(values)
    return values.reshape(len(squares), -1) / 255
