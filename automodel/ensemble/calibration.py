"""Probabilities that are as sure as the ensemble is right: one temperature for all."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.sampling.clusters import variance_of_mean
from automodel.targets.base import AveragedTarget

MOST_CELLS = 50_000  # rows x classes that take part
N_STEPS, TOLERANCE = 20, 1e-4
MOST_CHANGE = 3.0  # of the inverse temperature in one step
PRIOR_ROWS = 10.0  # that speak for 1: rows without an error would be never sure enough


def best_temperature(
    target: AveragedTarget,
    y: Any,
    prediction: np.ndarray,
    sample_weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    most_cells: int = MOST_CELLS,
) -> float:
    """Choose the temperature of the least log loss, nearer to 1 the less is known.

    The mean of several models is less sure than it may be, since they err in
    different rows; more so where classes are many or well separated. The logarithm of
    the best temperature [1]_ is multiplied by the share of its square that its
    standard error does not explain, the estimate of James and Stein: on few or noisy
    rows it stays near 0.

    Parameters
    ----------
    target : AveragedTarget
        One whose link has a temperature.
    y : sequence of length n_samples
        Encoded by the target.
    prediction : ndarray of shape (n_samples, n_outputs)
        Out-of-fold probabilities; rows of NaN are left out, and of very many rows
        every n-th takes part.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows; one of 2 counts as two rows.
    groups : ndarray of shape (n_samples,), default=None
        Rows of one group have errors in common, and tell less than others.
    most_cells : int
        Rows x classes that take part at most.

    Returns
    -------
    float
        Greater than 0; 1 leaves the probabilities as they are.

    References
    ----------
    .. [1] Guo et al. (2017), On Calibration of Modern Neural Networks.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.targets.classes import ClassTarget
    >>> y = np.repeat([0, 1], 500)
    >>> modest = np.where(y[:, None] == [0, 1], 0.6, 0.4)
    >>> modest[::10] = modest[::10, ::-1]  # nine of ten are right, and it says six
    >>> bool(best_temperature(ClassTarget([0, 1]), y, modest) < 0.3)
    True
    """
    link = target.link
    known = np.flatnonzero(target.is_predicted(prediction))
    most = max(most_cells // target.n_outputs, 1)
    if len(known) > most:
        known = known[np.linspace(0, len(known) - 1, most).astype(int)]
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    y, base, weight = y[known], link.forward(prediction[known]), weight[known]
    n_rows = weight.sum()
    if not n_rows > 0:
        return 1.0
    weight, prior = weight / n_rows, PRIOR_ROWS / n_rows
    factor = 1.0  # the inverse temperature, by Newton's method on a convex function
    for _ in range(N_STEPS):
        slope, curvature = link.temperature_derivatives(y, base, factor)
        bend = weight @ curvature + prior
        step = (weight @ slope + prior * (factor - 1.0)) / bend
        before = factor
        factor = min(max(factor - step, before / MOST_CHANGE), before * MOST_CHANGE)
        if abs(factor - before) < TOLERANCE * before:
            break
    groups = None if groups is None else groups[known]
    variance = variance_of_mean(slope, n_rows * weight, groups) / (bend * before) ** 2
    log = -np.log(factor)
    return float(np.exp(log**3 / (log**2 + variance))) if log else 1.0
