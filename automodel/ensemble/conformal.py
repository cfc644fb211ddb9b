"""Conformal prediction: intervals and sets from the errors of honest predictions.

Conformal prediction [1]_ takes the errors of rows that a model has not seen for those
of new rows. If the rows are exchangeable, a new error is as likely to have any rank
among n + 1, which gives the level of a quantile for any finite n. Here the errors are
those of out-of-fold predictions, as in the cross-conformal predictors of [2]_, by an
ensemble that other rows have chosen.

References
----------
.. [1] Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World.
.. [2] Vovk (2015), Cross-conformal Predictors.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-10  # of a share
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEAST_SPREAD = 0.3  # is added to the spread, in units of its mean
LEAST_SIZE = 0.05  # is added to the size of predictions, in units of its mean
LEAST_GAIN = 2.0  # of the log-likelihood, for an exponent above zero


def effective_size(weight: np.ndarray, groups: np.ndarray | None) -> float:
    """Return the number of equal, independent rows that tell as much as these.

    This is the effective sample size of Kish (1965), Survey Sampling, where a group
    counts as one row with the sum of its weights.
    """
    if groups is not None:
        weight = np.bincount(np.unique(groups, return_inverse=True)[1], weight)
    return float(weight.sum() ** 2 / np.sum(weight**2))


@dataclass(frozen=True)
class Ranks:
    """Scores of known rows, in ascending order, among which a new one has some rank.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
        The sorted scores.
    shares : ndarray of shape (n_rows,)
        Share of the new scores up to each of them. The last one is below 1, since a new
        score may be the largest of all.
    """

    scores: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(
        cls,
        scores: np.ndarray,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> Ranks:
        """Sort scores.

        n rows leave the share 1 / (n + 1) for what is above all of them. If the rows
        have weights [1]_ or groups [2]_, n is their effective size. The level is then
        exact for new rows of a new group if all groups are of the same size, and nearly
        so otherwise.

        Parameters
        ----------
        scores : ndarray of shape (n_rows,)
            Scores in any order.
        sample_weight, groups : ndarray of shape (n_rows,), default=None
            Weights and groups of the rows.

        References
        ----------
        .. [1] Tibshirani, Barber, Candes and Ramdas (2019), Conformal Prediction under
           Covariate Shift.
        .. [2] Lee, Barber and Willett (2023), Distribution-free Inference with
           Hierarchical Data.
        """
        order = np.argsort(scores, kind="stable")
        if not len(order):
            return cls(scores, np.zeros(0))
        weight = np.ones(len(order)) if sample_weight is None else sample_weight
        n_rows = effective_size(weight, groups)
        shares = np.cumsum(weight[order]) / weight.sum() * n_rows / (n_rows + 1)
        return cls(scores[order], shares)

    def upper(self, level: float) -> float:
        """Return the score that at least this share of new ones does not exceed.

        It is infinite if there are too few rows to tell.
        """
        place = int(np.searchsorted(self.shares, level - ROUNDING))
        return float(self.scores[place]) if place < len(self.scores) else math.inf

    def lower(self, level: float) -> float:
        """Return the score below which at most this share of new ones is."""
        above = Ranks(-self.scores[::-1], self._shares_from_above())
        return -above.upper(1.0 - level)

    def _shares_from_above(self) -> np.ndarray:
        if not len(self.shares):
            return self.shares
        return (self.shares[-1] - np.append(0.0, self.shares[:-1]))[::-1]


@dataclass(frozen=True)
class ErrorScale:
    """The scale of errors, as a function of what is known of a prediction.

    Errors are often larger where the members of an ensemble disagree, and where
    predictions are large. The scale is the product of powers of both, from which the
    data choose.

    Parameters
    ----------
    spread_floor, size_floor : float
        What is added to the spread and the size, so that the scale is never zero.
    exponents : tuple of float
        The powers of the spread and of the size; 0 if it tells nothing.
    """

    spread_floor: float
    size_floor: float
    exponents: tuple[float, ...] = (0.0, 0.0)

    @classmethod
    def fit(
        cls,
        errors: np.ndarray,
        spread: np.ndarray,
        size: np.ndarray,
        weight: np.ndarray,
        n_effective: float,
    ) -> ErrorScale:
        """Choose the powers of largest likelihood for errors of a Laplace distribution.

        A power above zero has to raise the log-likelihood by `LEAST_GAIN`, which keeps
        the scale constant unless the data say otherwise.

        Parameters
        ----------
        errors : ndarray of shape (n_rows,)
            Honest errors.
        spread, size : ndarray of shape (n_rows,)
            Standard deviation among the members, and size of the predictions.
        weight : ndarray of shape (n_rows,)
            Weights of the rows.
        n_effective : float
            How many independent rows tell as much.
        """
        share, error = weight / weight.sum(), np.abs(errors)
        floors = LEAST_SPREAD * float(share @ spread), LEAST_SIZE * float(share @ size)
        best, found = cls(*floors), math.inf
        powers = [EXPONENTS if floor > 0 else EXPONENTS[:1] for floor in floors]
        if not share @ error > 0:
            return best
        for exponents in itertools.product(*powers):
            scale = cls(*floors, exponents)
            log_scale = scale._log(spread, size)
            mean = math.log(share @ (error * np.exp(-log_scale)))
            loss = n_effective * (share @ log_scale + mean)
            loss += LEAST_GAIN * np.count_nonzero(exponents)
            if loss < found:
                best, found = scale, loss
        return best

    def of(self, spread: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return the scale for new predictions."""
        return np.exp(self._log(spread, size))

    def _log(self, spread, size) -> np.ndarray:
        log_scale = np.zeros(len(spread))
        floors = self.spread_floor, self.size_floor
        for power, values, floor in zip(
            self.exponents, (spread, size), floors, strict=True
        ):
            if power > 0:
                log_scale += power * np.log(values + floor)
        return log_scale


@dataclass(frozen=True)
class ConformalRegressor:
    """Intervals and quantiles of one target.

    Parameters
    ----------
    scale : ErrorScale
        The scale of errors.
    errors : Ranks
        Honest errors in units of the scale.
    sizes : Ranks
        Their absolute values.
    """

    scale: ErrorScale
    errors: Ranks
    sizes: Ranks

    @classmethod
    def fit(
        cls,
        errors: np.ndarray,
        spread: np.ndarray,
        size: np.ndarray,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> ConformalRegressor:
        """Choose the scale of honest errors, and sort them.

        Parameters
        ----------
        errors : ndarray of shape (n_rows,)
            True values minus honest predictions.
        spread, size : ndarray of shape (n_rows,)
            Standard deviation among the members, and size of the predictions.
        sample_weight, groups : ndarray of shape (n_rows,), default=None
            Weights and groups of the rows.
        """
        weight = np.ones(len(errors)) if sample_weight is None else sample_weight
        n_effective = effective_size(weight, groups)
        scale = ErrorScale.fit(errors, spread, size, weight, n_effective)
        scaled = errors / scale.of(spread, size)
        ranks = [Ranks.of(s, sample_weight, groups) for s in (scaled, np.abs(scaled))]
        return cls(scale, *ranks)

    def interval(
        self, prediction: np.ndarray, spread: np.ndarray, size: np.ndarray, level: float
    ) -> np.ndarray:
        """Return intervals around predictions, of shape (n_samples, 2)."""
        width = self.sizes.upper(level) * self.scale.of(spread, size)
        return np.column_stack([prediction - width, prediction + width])

    def quantiles(
        self,
        prediction: np.ndarray,
        spread: np.ndarray,
        size: np.ndarray,
        q: np.ndarray,
    ) -> np.ndarray:
        """Return quantiles of the target, of shape (n_samples, n_quantiles).

        At least a share q of the targets is up to a quantile of one half or more, and
        at most a share q is below a smaller one.
        """
        ranks = [
            self.errors.upper(each) if each >= 0.5 else self.errors.lower(each)
            for each in q
        ]
        scale = self.scale.of(spread, size)
        return prediction[:, None] + np.outer(scale, ranks)


def least_probabilities(
    categories: np.ndarray,
    probabilities: np.ndarray,
    sample_weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    n_categories: int,
    level: float,
) -> np.ndarray:
    """Return the probability from which on each class belongs to a prediction set.

    The level holds for the rows of each class by themselves [1]_. Classes with too few
    rows have a common threshold, for which it holds on the average of their rows. If
    they are too few even together, these classes are in every set.

    Parameters
    ----------
    categories : ndarray of int of shape (n_rows,)
        True classes.
    probabilities : ndarray of shape (n_rows,)
        Honest probabilities of these classes.
    sample_weight, groups : ndarray of shape (n_rows,), default=None
        Weights and groups of the rows.
    n_categories : int
        Number of classes.
    level : float
        Share of the rows of a class whose sets are to contain it.

    Returns
    -------
    ndarray of shape (n_categories,)
        Thresholds; -inf for a class that is in every set.

    References
    ----------
    .. [1] Vovk (2013), Conditional Validity of Inductive Conformal Predictors.
    """

    def threshold(chosen: np.ndarray) -> float:
        facts = (
            None if fact is None else fact[chosen] for fact in (sample_weight, groups)
        )
        return -Ranks.of(-probabilities[chosen], *facts).upper(level)

    order = np.argsort(categories, kind="stable")
    ends = np.cumsum(np.bincount(categories, minlength=n_categories))
    found = np.array([threshold(rows) for rows in np.split(order, ends[:-1])])
    is_rare = np.isinf(found)
    if is_rare.any():
        found[is_rare] = threshold(np.flatnonzero(is_rare[categories]))
    return found
