"""Anchors: the boxes from which a detector starts, as the training boxes suggest."""

from __future__ import annotations

import numpy as np

STRIDES = (8, 16, 32)  # pixels between the cells of a pyramid's levels
FINE_STRIDE = 4  # of one more level, for boxes that are smaller than SMALL
SMALL = 12.0  # pixels
ENDS = (0.05, 0.95)  # quantiles of the sizes that the anchors span
LEAST_SPAN = 2.0  # ratio of the largest anchor to the smallest
USUAL_SIZES = (16.0, 160.0)  # if there are no boxes
ROUND = 1.5  # aspect ratio up to which anchors are squares


def strides_of(sides: np.ndarray, classes: np.ndarray) -> tuple[int, ...]:
    """Return the strides of the levels on which the boxes are found.

    Parameters
    ----------
    sides : ndarray of shape (n_boxes, 2)
        Width and height of the training boxes, in pixels of the canvas.
    classes : ndarray of int of shape (n_boxes,)
        Their classes.
    """
    smallest, _ = _span(sides, classes)
    return (FINE_STRIDE, *STRIDES) if smallest < SMALL else STRIDES


def anchors_of(
    sides: np.ndarray,
    classes: np.ndarray,
    n_levels: int,
    n_sizes: int = 2,
    n_ratios: int | str = "auto",
) -> np.ndarray:
    """Return the anchors of each level of a pyramid.

    Their sizes are spread evenly, on a logarithmic scale, between a low and a high
    quantile of the square roots of the areas. All classes count the same in quantiles,
    however many boxes they have.

    Parameters
    ----------
    sides : ndarray of shape (n_boxes, 2)
        Width and height of the training boxes, in pixels of the canvas.
    classes : ndarray of int of shape (n_boxes,)
        Their classes.
    n_levels : int
        Levels of the pyramid, from the finest to the coarsest.
    n_sizes : int, default=2
        Sizes of each level.
    n_ratios : int or "auto", default="auto"
        Aspect ratios of each size, which are quantiles of those of the boxes. "auto"
        stands for squares if most boxes are nearly square, and for three ratios
        otherwise.

    Returns
    -------
    ndarray of shape (n_levels, n_sizes * n_ratios, 2)
        Width and height of the anchors in pixels.
    """
    low, high = _span(sides, classes)
    missing = max(LEAST_SPAN / (high / low), 1.0) ** 0.5
    n_all = n_levels * n_sizes
    sizes = np.geomspace(low / missing, high * missing, n_all).reshape(n_levels, -1)
    roots = np.sqrt(_ratios(sides, classes, n_ratios))
    widths = sizes[:, :, None] / roots
    heights = sizes[:, :, None] * roots
    return np.stack([widths, heights], axis=-1).reshape(n_levels, -1, 2)


def _span(sides: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    if not len(sides):
        return USUAL_SIZES
    low, high = _quantiles(np.sqrt(sides.prod(axis=1)), classes, ENDS)
    return low, high


def _ratios(sides: np.ndarray, classes: np.ndarray, n_ratios) -> np.ndarray:
    """Return ratios of height to width."""
    if not len(sides):
        return np.ones(1) if n_ratios == "auto" else np.geomspace(0.5, 2, n_ratios)
    ratios = sides[:, 1] / sides[:, 0]
    if n_ratios == "auto":
        low, high = _quantiles(ratios, classes, (0.1, 0.9))
        if low > 1 / ROUND and high < ROUND:
            return np.ones(1)
        n_ratios = 3
    places = (np.arange(n_ratios) + 0.5) / n_ratios
    return np.array(_quantiles(ratios, classes, places))


def _quantiles(values: np.ndarray, classes: np.ndarray, places) -> list[float]:
    """Return quantiles, in which all classes have the same weight."""
    weights = 1 / np.bincount(classes)[classes]
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(places, below / weights.sum(), values[order]).tolist()
