"""Weighted quantiles of the rows of a matrix."""

from __future__ import annotations

import numpy as np


def weighted_quantile(
    values: np.ndarray, weights: np.ndarray, quantile: float
) -> np.ndarray:
    """Return a weighted quantile of each row.

    It is interpolated between neighbouring values. If all weights are equal, it is the
    quantile of `numpy.quantile` with `method="hazen"`. Values of weight zero are
    ignored.

    Parameters
    ----------
    values, weights : ndarray of shape (n_rows, n_values)
        The values and their weights. Each row must have a positive weight.
    quantile : float
        The quantile, between 0 and 1.

    Returns
    -------
    ndarray of shape (n_rows,)
        The quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.families._weighted_quantile import weighted_quantile
    >>> weighted_quantile(np.array([[3.0, 1.0, 9.0]]), np.array([[1, 1, 0]]), 0.5)
    array([2.])
    """
    values = np.where(weights > 0, values, np.inf)
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    weights = np.take_along_axis(weights, order, axis=1)
    total = np.cumsum(weights, axis=1)
    level = (total - weights / 2) / total[:, -1:]
    last = np.count_nonzero(weights > 0, axis=1) - 1
    above = np.minimum(np.count_nonzero(level < quantile, axis=1), last)
    below = np.maximum(above - 1, 0)
    rows = np.arange(len(values))
    low, high = level[rows, below], level[rows, above]
    step = np.where(high > low, high - low, 1.0)
    share = np.clip((quantile - low) / step, 0.0, 1.0)
    low, high = values[rows, below], values[rows, above]
    return low + share * (high - low)
