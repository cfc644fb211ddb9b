"""Objective: the loss that models learn, which follows from the score asked for.

A search that scores absolute errors and trains squared ones selects among models that
have all learned something else. So the objective is decided here, once, by the scorer.
`Task` carries it to the families, and the baseline, early stopping, stacking and the
tests of gain follow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator

LEAST_SHARE = 1e-3  # of the least positive target: what a prediction of a mean may be
MOST_TIMES = 1e3  # the largest target: how far an exponential may go beyond
LEAST_LOG_TARGET = -1 + 1e-12
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
