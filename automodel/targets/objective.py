"""Objective: the loss that models learn, which follows from the score asked for.

A search that scores absolute errors and trains squared ones selects among models that
have all learned something else. So the objective is decided here, once, by the scorer.
`Task` carries it to the families, and the baseline, early stopping, stacking and the
tests of gain follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import (
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
    explained_variance_score,
    max_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_squared_log_error,
    mean_tweedie_deviance,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
    root_mean_squared_log_error,
)

from automodel.scorers import ScorerParts, parts_of

LEAST_SHARE = 1e-3  # of the least positive target: what a prediction of a mean may be
MOST_TIMES = 1e3  # the largest target: how far an exponential may go beyond
LEAST_LOG_TARGET = -1 + 1e-12
LEAST_QUANTILE = 1e-3  # that a model can learn: the ends are no loss
LEAST_TARGET = 1e-3  # of the median, by which a relative error is divided at least


@dataclass(frozen=True)
class Objective:
    """A loss of values, and where predictions have to lie for it.

    Parameters
    ----------
    loss : str, default="squared_error"
        "squared_error", "absolute_error", "quantile", or a deviance of a positive
        mean: "poisson", "gamma", "tweedie".
    quantile : float, default=0.5
        The one that "quantile" asks for; that of "absolute_error" is the median.
    power : float, default=0.0
        Of the variance function of a deviance: 1 for "poisson", 2 for "gamma",
        between 1 and 2 for "tweedie".
    is_relative : bool, default=False
        Whether errors are divided by the target, as in a percentage.
    is_log : bool, default=False
        Whether the logarithm of one plus the target is what is learned: the target of
        the search is then encoded.
    domain : tuple of (float, bool), default=None
        What the score refuses: the least target, and whether it may be reached.
    limits : tuple of float
        Where predictions are kept, in the units that are learned.
    """

    loss: str = "squared_error"
    quantile: float = 0.5
    power: float = 0.0
    is_relative: bool = False
    is_log: bool = False
    domain: tuple[float, bool] | None = None
    limits: tuple[float, float] = (-np.inf, np.inf)

    @property
    def is_quantile(self) -> bool:
        """Whether a quantile makes the loss small, such as the median."""
        return self.loss in ("absolute_error", "quantile")

    @property
    def is_deviance(self) -> bool:
        """Whether it is a deviance of a positive mean, whose logarithm is learned."""
        return self.loss in ("poisson", "gamma", "tweedie")

    def learning(self, loss: str) -> Objective:
        """Return the objective of models that learn another loss for the same score."""
        if loss == self.loss:
            return self
        return replace(
            Objective(loss), is_relative=self.is_relative, limits=self.limits
        )

    def of_target(
        self, y: np.ndarray, name: str = "the score", counted: np.ndarray | None = None
    ) -> Objective:
        """Return the objective with the limits that a target sets.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            The target, not encoded.
        name : str
            That of the score, for messages.
        counted : ndarray of bool of shape (n_samples,), default=None
            Which rows count; None is all.

        Raises
        ------
        ValueError
            If a value is outside the domain of the score; names the row.
        """
        if self.domain is not None:
            least, may_reach = self.domain
            refused = y < least if may_reach else y <= least
            if counted is not None:
                refused &= counted
            if refused.any():
                row = int(refused.argmax())
                bound = "at least" if may_reach else "above"
                raise ValueError(
                    f"scoring={name!r} cannot score this regression target: it needs "
                    f"values {bound} {least:g}, and row {row} of y is {y[row]:g}. Use "
                    "another score, such as 'neg_root_mean_squared_error'."
                )
        y = y if counted is None else y[counted]
        if self.is_log:
            encoded = np.log1p(y)
            low = min(0.0, float(encoded.min()))
            return replace(
                self, limits=(low, float(encoded.max()) + np.log(MOST_TIMES))
            )
        if not self.has_positive_predictions:
            return self
        size = np.abs(y)[y != 0]
        least, most = (size.min(), size.max()) if len(size) else (1.0, 1.0)
        mean = float(size.sum() / len(y)) or 1.0
        return replace(
            self, limits=(LEAST_SHARE * min(least, mean), MOST_TIMES * float(most))
        )

    @property
    def has_positive_predictions(self) -> bool:
        """Whether the score takes positive predictions alone."""
        return self.is_deviance or self.power < 0

    @property
    def decodes(self) -> bool:
        """Whether predictions are not left as models make them."""
        return self.is_log or bool(np.isfinite(self.limits).any())

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return what is learned in place of the target.

        Values outside the domain, of rows that do not count, are brought into it.
        """
        return np.log1p(np.maximum(y, LEAST_LOG_TARGET)) if self.is_log else y

    def decode(self, prediction: np.ndarray) -> np.ndarray:
        """Return predictions in the units of the target, within the domain."""
        prediction = np.clip(prediction, *self.limits)
        return np.expm1(prediction) if self.is_log else prediction

    def decode_target(self, y: np.ndarray) -> np.ndarray:
        """Return an encoded target as it was."""
        return np.expm1(y) if self.is_log else y

    def weights(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights that rows are trained with; their mean stays."""
        if not self.is_relative or not len(y):
            return sample_weight
        size = np.abs(np.asarray(y, dtype=np.float64))
        given = size[size > 0]
        least = LEAST_TARGET * float(np.median(given)) if len(given) else 1.0
        weight = 1.0 / np.maximum(size, least)
        weight = weight / weight.mean()
        if sample_weight is None:
            return weight
        weight = weight * sample_weight
        return weight * (np.mean(sample_weight) / max(weight.mean(), 1e-300))

    def losses(self, y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Return the loss of each row, of what is learned."""
        y, prediction = np.asarray(y, np.float64), np.asarray(prediction, np.float64)
        if self.is_deviance:
            return _unit_deviance(y, np.clip(prediction, *self.limits), self.power)
        error = y - prediction
        if self.is_quantile:
            return np.maximum(self.quantile * error, (self.quantile - 1) * error)
        return error * error

    def baseline(self) -> BaseEstimator:
        """Return the constant that is best by the loss, not fitted."""
        from sklearn.dummy import DummyRegressor

        if self.loss == "absolute_error":
            return DummyRegressor(strategy="median")
        if self.loss == "quantile":
            return DummyRegressor(strategy="quantile", quantile=self.quantile)
        return DummyRegressor()


def objective_of(scorer: Any) -> Objective:
    """Return the objective of a scorer: squared errors where nothing else is known.

    The coefficient of determination, the explained variance and the largest error are
    learned by squares. The median of absolute errors is learned by their mean, and
    each D2 by the loss that it compares.

    Examples
    --------
    >>> from sklearn.metrics import get_scorer, make_scorer, mean_pinball_loss
    >>> from automodel.objective import objective_of
    >>> objective_of(get_scorer("neg_median_absolute_error")).loss
    'absolute_error'
    >>> tenth = make_scorer(mean_pinball_loss, alpha=0.1, greater_is_better=False)
    >>> objective_of(tenth).quantile
    0.1
    """
    parts = parts_of(scorer)
    if parts is None or not _is_known(parts):
        return Objective()
    return _OBJECTIVES[parts.function](parts)


def is_own_loss(scorer: Any) -> bool:
    """Tell whether a score is best where the mean loss of its objective is least."""
    parts = parts_of(scorer)
    if parts is None or not _is_known(parts):
        return False
    return parts.function not in _NEAR_LOSSES


def _is_known(parts: ScorerParts) -> bool:
    """Tell whether a score has an objective, and does not ask for the worst."""
    function = parts.function
    if not isinstance(function, Hashable) or function not in _OBJECTIVES:
        return False
    return parts.sign == (1 if function in _GAINS else -1)


def _squares(parts: ScorerParts) -> Objective:
    return Objective()


def _absolute(parts: ScorerParts) -> Objective:
    return Objective("absolute_error")


def _relative(parts: ScorerParts) -> Objective:
    return Objective("absolute_error", is_relative=True)


def _pinball(parts: ScorerParts) -> Objective:
    quantile = float(parts.options.get("alpha", 0.5))
    quantile = min(max(quantile, LEAST_QUANTILE), 1 - LEAST_QUANTILE)
    if quantile == 0.5:
        return Objective("absolute_error")
    return Objective("quantile", quantile=quantile)


def _log_squares(parts: ScorerParts) -> Objective:
    return Objective(is_log=True, domain=(-1.0, False))


def _poisson(parts: ScorerParts) -> Objective:
    return Objective("poisson", power=1.0, domain=(0.0, True))


def _gamma(parts: ScorerParts) -> Objective:
    return Objective("gamma", power=2.0, domain=(0.0, False))


def _tweedie(parts: ScorerParts) -> Objective:
    power = float(parts.options.get("power", 0.0))
    if power == 0:
        return Objective()
    if power < 0:  # of a stable distribution, which no library learns
        return Objective(power=power)
    if power == 1:
        return _poisson(parts)
    if power < 2:
        return Objective("tweedie", power=power, domain=(0.0, True))
    return replace(_gamma(parts), power=power)  # learned by the nearest that there is


_OBJECTIVES: dict[Callable[..., Any], Callable[[ScorerParts], Objective]] = {
    mean_squared_error: _squares,
    root_mean_squared_error: _squares,
    r2_score: _squares,
    explained_variance_score: _squares,
    max_error: _squares,
    mean_absolute_error: _absolute,
    median_absolute_error: _absolute,
    d2_absolute_error_score: _absolute,
    mean_absolute_percentage_error: _relative,
    mean_pinball_loss: _pinball,
    d2_pinball_score: _pinball,
    mean_squared_log_error: _log_squares,
    root_mean_squared_log_error: _log_squares,
    mean_poisson_deviance: _poisson,
    mean_gamma_deviance: _gamma,
    mean_tweedie_deviance: _tweedie,
    d2_tweedie_score: _tweedie,
}
_GAINS = (
    r2_score,
    explained_variance_score,
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
)
_NEAR_LOSSES = (explained_variance_score, max_error, median_absolute_error)


def _unit_deviance(y, mean, power: float) -> np.ndarray:
    """Return the deviance of each row of a Tweedie distribution."""
    from scipy.special import xlogy

    if power == 1:
        return 2 * (xlogy(y, y / mean) - y + mean)
    if power == 2:
        return 2 * (np.log(mean / y) + y / mean - 1)
    own = np.maximum(y, 0) ** (2 - power) / ((1 - power) * (2 - power))
    cross = y * mean ** (1 - power) / (1 - power)
    return 2 * (own - cross + mean ** (2 - power) / (2 - power))
