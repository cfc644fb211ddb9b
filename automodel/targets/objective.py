"""Objective: the loss that regressors learn, which follows from the score.

If a search scored absolute errors but trained squared errors, all of its models would
have learned something else than what is scored. The objective therefore depends on the
scorer. `Task` passes it to the families, and the baseline, early stopping and stacking
follow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator

LEAST_SHARE = 1e-3  # of the smallest positive target: the smallest positive prediction
MOST_TIMES = 1e3  # the largest target: the largest prediction of an exponential
LEAST_LOG_TARGET = -1 + 1e-12
LEAST_TARGET = 1e-3  # of the median: the smallest divisor of a relative error


@dataclass(frozen=True)
class Objective:
    """Define a loss of values, and the range of its predictions.

    Parameters
    ----------
    loss : str, default="squared_error"
        Loss to learn: "squared_error", "absolute_error", "quantile", or one of the
        deviances of a positive mean, "poisson", "gamma" and "tweedie".
    quantile : float, default=0.5
        Quantile to predict if the loss is "quantile"; 0.5, the median, for
        "absolute_error".
    power : float, default=0.0
        Power of the variance function of a deviance: 1 for "poisson", 2 for "gamma",
        and between 1 and 2 for "tweedie".
    is_relative : bool, default=False
        Whether errors are divided by the target, as in a percentage.
    is_log : bool, default=False
        Whether models learn the logarithm of one plus the target.
    domain : tuple of (float, bool), default=None
        Lower bound of the targets that the score accepts, and whether the bound itself
        is accepted. None accepts all targets.
    limits : tuple of float
        Smallest and largest prediction, in the units that are learned.
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
        """Whether a quantile, such as the median, minimises the loss."""
        return self.loss in ("absolute_error", "quantile")

    @property
    def is_deviance(self) -> bool:
        """Whether the loss is a deviance of a positive mean."""
        return self.loss in ("poisson", "gamma", "tweedie")

    def learning(self, loss: str) -> Objective:
        """Return the objective with another loss to learn for the same score."""
        if loss == self.loss:
            return self
        return replace(
            Objective(loss), is_relative=self.is_relative, limits=self.limits
        )

    def of_target(
        self, y: np.ndarray, name: str = "the score", counted: np.ndarray | None = None
    ) -> Objective:
        """Return the objective with the limits that follow from a target.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            The target, before it is encoded.
        name : str
            Name of the score, for messages.
        counted : ndarray of bool of shape (n_samples,), default=None
            Whether each row counts; None means all rows.

        Raises
        ------
        ValueError
            If a value is outside the domain of the score. The message names its row.
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
    def least_target(self) -> float:
        """Lower bound of new targets, in the units that are learned.

        If logarithms are learned, it is that of predictions.
        """
        if self.is_log:
            return self.limits[0]
        return -np.inf if self.domain is None else self.domain[0]

    @property
    def is_central(self) -> bool:
        """Whether predictions are in the middle of the targets: a mean or a median."""
        return not self.is_quantile or self.quantile == 0.5

    @property
    def has_positive_predictions(self) -> bool:
        """Whether the score accepts only positive predictions."""
        return self.is_deviance or self.power < 0

    @property
    def decodes(self) -> bool:
        """Whether `decode` changes the predictions of models."""
        return self.is_log or bool(np.isfinite(self.limits).any())

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the values that models learn for a target.

        Values outside the domain, which belong to rows that do not count, are clipped.
        """
        return np.log1p(np.maximum(y, LEAST_LOG_TARGET)) if self.is_log else y

    def decode(self, prediction: np.ndarray) -> np.ndarray:
        """Return predictions in the units of the target, within the domain."""
        prediction = np.clip(prediction, *self.limits)
        return np.expm1(prediction) if self.is_log else prediction

    def decode_target(self, y: np.ndarray) -> np.ndarray:
        """Convert an encoded target back to its units."""
        return np.expm1(y) if self.is_log else y

    def weights(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights of the rows in training, with the mean of those given."""
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
        """Return the loss that models learn, for each row."""
        y, prediction = np.asarray(y, np.float64), np.asarray(prediction, np.float64)
        if self.is_deviance:
            return _unit_deviance(y, np.clip(prediction, *self.limits), self.power)
        error = y - prediction
        if self.is_quantile:
            return np.maximum(self.quantile * error, (self.quantile - 1) * error)
        return error * error

    def baseline(self) -> BaseEstimator:
        """Return an unfitted estimator of the constant that minimises the loss."""
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
