"""Calibration of probabilities by a single temperature."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.sampling.clusters import variance_of_mean
from automodel.targets.base import AveragedTarget

MOST_CELLS = 50_000  # rows times classes that are used
N_STEPS, TOLERANCE = 20, 1e-4
MOST_CHANGE = 3.0  # of the inverse temperature in one step
PRIOR_ROWS = 10.0  # of a prior at 1, without which few rows may have no best value


def best_temperature(
    target: AveragedTarget,
    y: Any,
    prediction: np.ndarray,
    sample_weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    most_cells: int = MOST_CELLS,
) -> float:
    """Choose the temperature that minimizes the log loss, shrunk towards 1.

    The mean of several models is underconfident, since they err in different rows. This
    matters most if there are many classes, or if these are well separated. The
    logarithm of the best temperature [1]_ is shrunk as by James and Stein: it is
    multiplied by the share of its square that its standard error does not explain. If
    there are few or noisy rows, the temperature stays near 1.

    Parameters
    ----------
    target : AveragedTarget
        A target whose link has a temperature.
    y : sequence of length n_samples
        Encoded by the target.
    prediction : ndarray of shape (n_samples, n_outputs)
        Out-of-fold probabilities. Rows of NaN are ignored, and if there are very many
        rows, only every n-th row is used.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows. A row of weight 2 counts as two rows.
    groups : ndarray of shape (n_samples,), default=None
        Groups of the rows, whose errors are correlated.
    most_cells : int
        Largest number of rows times classes that are used.

    Returns
    -------
    float
        The temperature, greater than 0. 1 does not change the probabilities.

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
    factor = 1.0  # the inverse temperature, in which the loss is convex
    for _ in range(N_STEPS):  # of Newton's method
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
