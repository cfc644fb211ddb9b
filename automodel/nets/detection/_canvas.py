"""Canvases: arrays of one shape that hold images of any shape, with their sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.some_rows import SomeRows

GREY = 127  # of what an image leaves free
STRIDE = 32  # pixels of a cell of the coarsest map, by which nets divide the sides
PIXELS, SIZE = "pixels", "size"  # the fields of a canvas
CANVAS = (
    "Use ImageCanvas of automodel.preprocessing.image.canvas, such as in front of the "
    "detector in a pipeline."
)


def canvas_dtype(height: int, width: int) -> np.dtype:
    """Return the type of canvases of a height and a width in pixels."""
    return np.dtype(
        [(PIXELS, np.uint8, (int(height), int(width), 3)), (SIZE, np.int32, 2)]
    )


def extents_of(sizes: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Return the height and width that images have on a canvas.

    An image is scaled, with its aspect ratio kept, until it fills one of both sides.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_images, 2)
        Height and width of each original image.
    canvas : tuple of int
        Height and width of the canvas.

    Returns
    -------
    ndarray of int of shape (n_images, 2)
        At least one pixel each.
    """
    sizes, sides = np.asarray(sizes, dtype=float).reshape(-1, 2), np.asarray(canvas)
    factors = (sides / sizes).min(axis=1, keepdims=True, initial=np.inf)
    return np.clip(np.rint(sizes * factors), 1, sides).astype(int)


def on_canvas(
    coordinates: np.ndarray, sizes: np.ndarray, extents: np.ndarray
) -> np.ndarray:
    """Return boxes in pixels of the canvas, clipped to their images.

    Parameters
    ----------
    coordinates : ndarray of shape (n_boxes, 4)
        In pixels of the original images.
    sizes, extents : ndarray of shape (n_boxes, 2)
        Height and width of the image of each box, as it was and on the canvas.
    """
    scales = np.tile(extents[:, ::-1] / sizes[:, ::-1], 2)
    limits = np.tile(extents[:, ::-1], 2)
    return np.clip(coordinates * scales, 0, limits).astype(np.float32)


def as_canvases(X: Any, name: str, *, least: int = 1) -> SomeRows:
    """Return canvases as rows of an array.

    Parameters
    ----------
    X : ndarray or SomeRows
        What `ImageCanvas` returns.
    name : str
        The class that an error names.
    least : int, default=1
        The fewest images that are accepted.

    Raises
    ------
    ValueError
        If X does not hold canvases.
    """
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "names", None) != (PIXELS, SIZE) or X.ndim != 1:
        raise ValueError(
            f"{name} expects images on canvases of one shape, with their original "
            f"sizes. Got {type(X).__name__} of shape {getattr(X, 'shape', '()')}. "
            f"{CANVAS}"
        )
    if len(X) < least:
        raise ValueError(
            f"Found array with {len(X)} sample(s) while a minimum of {least} is "
            f"required by {name}."
        )
    return SomeRows.of(X)


def canvas_of(X: SomeRows) -> tuple[int, int]:
    """Return the height and width of canvases."""
    height, width, _ = X.dtype[PIXELS].shape
    return height, width


def sizes_of(X: SomeRows) -> np.ndarray:
    """Return the original height and width of each image, of shape (n, 2)."""
    return X.array[SIZE][X.rows]


def rounded_up(sides: Any) -> tuple[int, int]:
    """Return a height and a width as multiples of the coarsest stride."""
    height, width = (-(-int(side) // STRIDE) * STRIDE for side in sides)
    return height, width


def pixels_of(X: SomeRows, rows: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    """Return the top left part of some canvases, with grey beyond their edges.

    Parameters
    ----------
    X : SomeRows
        The canvases.
    rows : ndarray of int
        The positions of those that are needed.
    sides : tuple of int
        Height and width of the part.

    Returns
    -------
    ndarray of shape (n, height, width, 3), uint8
        A copy.
    """
    height, width = sides
    found = X.array[PIXELS][X.rows[rows]][:, :height, :width]
    missing = height - found.shape[1], width - found.shape[2]
    padding = (0, 0), (0, missing[0]), (0, missing[1]), (0, 0)
    if any(missing):
        return np.pad(found, padding, constant_values=GREY)
    return np.ascontiguousarray(found)
