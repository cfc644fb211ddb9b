"""Confidence intervals of a statistic of rows, from bootstraps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from automodel.clock import NO_DEADLINE, Deadline

N_RESAMPLES = 1000
LEAST_RESAMPLES = 200  # with fewer, their outer quantiles are too uncertain
N_BLOCKS = 20  # of the jackknife
MOST_BELOW = 0.999  # share of resamples, of which a bias is estimated
LEAST_FACTOR = 0.1


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float],
    n_rows: int,
    groups: np.ndarray | None = None,
    *,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return a confidence interval of a statistic of rows.

    It is the bias-corrected and accelerated interval [1]_, whose coverage is correct to
    the second order: it allows for the bias and the skewness of the statistic. Its
    quantiles are those of Student's distribution, which makes it wide enough for few
    rows or groups [2]_. If there are fewer than 200 bootstraps, the interval is
    symmetric, with the standard error of a jackknife.

    Parameters
    ----------
    statistic : callable
        Returns the statistic of the rows of the given numbers, of which some may be
        repeated, or NaN if these rows have none.
    n_rows : int
        Number of rows.
    groups : ndarray of shape (n_rows,), default=None
        Groups that are drawn as a whole, since their rows are alike.
    level : float, default=0.95
        Confidence level.
    n_resamples : int, default=1000
        Number of bootstraps.
    deadline : Deadline, default=NO_DEADLINE
        Moment at which no further bootstrap is drawn.
    random_state : int, default=0
        Seed of the bootstraps.

    Returns
    -------
    tuple of float
        The limits, which are NaN if there are fewer than two rows or groups, if most
        bootstraps have no such statistic, or if the deadline came first.

    References
    ----------
    .. [1] Efron (1987), Better Bootstrap Confidence Intervals.
    .. [2] Hesterberg (2015), What Teachers Should Know About the Bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.sampling.bootstrap_interval import bootstrap_interval
    >>> values = np.random.default_rng(0).exponential(size=50)
    >>> low, high = bootstrap_interval(lambda rows: values[rows].mean(), 50)
    >>> bool(low < values.mean() < high)
    True
    """
    rng = np.random.default_rng(random_state)
    units = _Units.of(n_rows, groups)
    n_units = len(units.starts)
    if n_units < 2:
        return math.nan, math.nan
    found = statistic(np.arange(n_rows))
    blocks = _blocks(n_units, rng)
    left_out = _left_out(statistic, units, blocks, deadline)
    draws = (rng.integers(n_units, size=n_units) for _ in range(n_resamples))
    resampled = _statistics(statistic, map(units.rows, draws), deadline)
    known = resampled[np.isfinite(resampled)]
    if not math.isfinite(found) or 2 * len(known) < len(resampled):
        return math.nan, math.nan
    if len(known) >= LEAST_RESAMPLES:
        quantile = float(t.ppf((1 + level) / 2, n_units - 1))
        quantile *= math.sqrt(n_units / (n_units - 1))
        return _accelerated(found, known, left_out, quantile)
    if len(left_out) < len(blocks):
        return math.nan, math.nan
    return _symmetric(found, left_out, level)


def standard_error(
    statistic: Callable[[np.ndarray], float],
    n_rows: int,
    groups: np.ndarray | None = None,
    *,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> float:
    """Return the standard error of a statistic of rows, by a jackknife of blocks [1]_.

    The parameters are those of `bootstrap_interval`.

    Returns
    -------
    float
        The standard error. It is NaN if there are fewer than two rows or groups, if the
        rows without a block have no such statistic, or if the deadline came first.

    References
    ----------
    .. [1] Shao, Tu (1995), The Jackknife and Bootstrap.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.sampling.bootstrap_interval import standard_error
    >>> values = np.random.default_rng(0).normal(size=400)
    >>> bool(0.03 < standard_error(lambda rows: values[rows].mean(), 400) < 0.08)
    True
    """
    units = _Units.of(n_rows, groups)
    if len(units.starts) < 2:
        return math.nan
    blocks = _blocks(len(units.starts), np.random.default_rng(random_state))
    left_out = _left_out(statistic, units, blocks, deadline)
    return _error(left_out) if len(left_out) == len(blocks) else math.nan


@dataclass(frozen=True)
class _Units:
    """Rows, or groups of rows, that are drawn as a whole."""

    order: np.ndarray  # the rows, group by group
    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, n_rows: int, groups: np.ndarray | None) -> _Units:
        if groups is None:
            numbers = np.arange(n_rows)
            return cls(numbers, numbers, np.ones(n_rows, dtype=np.intp))
        order = np.argsort(groups, kind="stable")
        _, starts, counts = np.unique(
            groups[order], return_index=True, return_counts=True
        )
        return cls(order, starts, counts)

    def rows(self, units: np.ndarray) -> np.ndarray:
        """Return the rows of some units, one after the other."""
        counts = self.counts[units]
        ends = np.cumsum(counts)
        shifts = self.starts[units] - ends + counts
        return self.order[np.repeat(shifts, counts) + np.arange(ends[-1])]


def _blocks(n_units: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return random blocks of units, for a jackknife."""
    return np.array_split(rng.permutation(n_units), min(n_units, N_BLOCKS))


def _left_out(statistic, units, blocks, deadline) -> np.ndarray:
    """Return the statistics of the rows without each block, before the deadline."""
    n_units = len(units.starts)
    others = (np.setdiff1d(np.arange(n_units), block) for block in blocks)
    return _statistics(statistic, map(units.rows, others), deadline)


def _error(left_out: np.ndarray) -> float:
    """Return the standard error by statistics that each leave out one block."""
    n_blocks, changes = len(left_out), left_out - left_out.mean()
    return math.sqrt((n_blocks - 1) / n_blocks * np.sum(changes**2))


def _statistics(
    statistic: Callable[[np.ndarray], float],
    samples: Iterable[np.ndarray],
    deadline: Deadline,
) -> np.ndarray:
    """Return the statistics of the samples that come before the deadline."""
    before = itertools.takewhile(lambda _: not deadline.is_over, samples)
    return np.array([statistic(rows) for rows in before], dtype=np.float64)


def _accelerated(
    found: float, resampled: np.ndarray, left_out: np.ndarray, quantile: float
) -> tuple[float, float]:
    """Return the quantiles of the resamples between which the statistic is."""
    below = np.mean(resampled < found) + 0.5 * np.mean(resampled == found)
    bias = norm.ppf(np.clip(below, 1 - MOST_BELOW, MOST_BELOW))
    known = left_out[np.isfinite(left_out)]
    changes = known.mean() - known if len(known) else np.zeros(1)
    scale = np.sum(changes**2) ** 1.5
    acceleration = np.sum(changes**3) / (6 * scale) if scale > 0 else 0.0
    moved = bias + quantile * np.array([-1.0, 1.0])
    # Beyond the pole, the formula of a large acceleration would turn around.
    shares = norm.cdf(bias + moved / np.maximum(1 - acceleration * moved, LEAST_FACTOR))
    low, high = np.quantile(resampled, shares)
    return float(low), float(high)


def _symmetric(found: float, left_out: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval of a jackknife, which leaves out one block at a time."""
    width = float(t.ppf((1 + level) / 2, len(left_out) - 1)) * _error(left_out)
    return found - width, found + width
