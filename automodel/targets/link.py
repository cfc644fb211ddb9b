"""Links: the scales on which predictions are added up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from scipy.special import expit

LEAST_PROBABILITY = 1e-7  # because out-of-fold predictions are float32
LEAST_MEAN = 1e-300
MOST_LOG_CHANGE = 5.0


class Link(ABC):
    """The scale on which predictions are added up, such as that of log odds.

    Attributes
    ----------
    has_temperature : bool
        Whether a temperature can make predictions more or less confident.
    """

    has_temperature = False

    @abstractmethod
    def forward(self, prediction: np.ndarray) -> np.ndarray:
        """Return predictions on this scale, as float64."""

    @abstractmethod
    def inverse(self, base: np.ndarray) -> np.ndarray:
        """Return the predictions for values on this scale."""

    def moved(self, base: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return the predictions after a change on this scale."""
        return self.inverse(base + change)

    def sharpened(self, prediction: np.ndarray, temperature: float) -> np.ndarray:
        """Return predictions that are more confident if the temperature is below 1.

        Values on this scale are divided by the temperature, so this is only for links
        that have a temperature.
        """
        if temperature == 1.0:
            return prediction
        return self.inverse(self.forward(prediction) / temperature)

    def temperature_derivatives(
        self, y: Any, base: np.ndarray, factor: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivatives of each row's loss by the inverse temperature.

        Parameters
        ----------
        y : sequence of length n_samples
            Encoded y.
        base : ndarray of shape (n_samples, n_outputs)
            Predictions on this scale.
        factor : float
            The inverse temperature.

        Returns
        -------
        tuple of ndarray of shape (n_samples,)
            First and second derivative.
        """
        raise NotImplementedError(f"{type(self).__name__} has no temperature.")


class Identity(Link):
    """The scale of the values themselves."""

    def forward(self, prediction):
        """Return the values."""
        return np.asarray(prediction, np.float64)

    def inverse(self, base):
        """Return the values."""
        return base


IDENTITY = Identity()


class Log(Link):
    """The scale of the logarithms of positive values."""

    def forward(self, prediction):
        """Return the logarithms."""
        return np.log(np.maximum(prediction, LEAST_MEAN, dtype=np.float64))

    def inverse(self, base):
        """Return the values."""
        return np.exp(base)

    def moved(self, base, change):
        """Return the values, changed by a bounded factor."""
        return np.exp(base + np.clip(change, -MOST_LOG_CHANGE, MOST_LOG_CHANGE))


class Softmax(Link):
    """The scale of the logarithms of class probabilities."""

    has_temperature = True

    def forward(self, prediction):
        """Return the logarithms."""
        return log_proba(prediction)

    def inverse(self, base):
        """Return probabilities that sum to 1."""
        return softmax(base)

    def temperature_derivatives(self, y, base, factor):
        """Return the derivatives of the log loss."""
        proba = softmax(factor * base)
        mean = (proba * base).sum(axis=1)
        slope = mean - base[np.arange(len(y)), y]
        return slope, (proba * base**2).sum(axis=1) - mean**2


def log_proba(proba: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, the inverse of softmax."""
    return np.log(np.clip(proba, LEAST_PROBABILITY, None, dtype=np.float64))


def softmax(log_odds: np.ndarray) -> np.ndarray:
    """Return the probabilities of each row for log odds."""
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


class Logistic(Link):
    """The scale of the log odds of labels, of which each row may have several."""

    has_temperature = True

    def forward(self, prediction):
        """Return the log odds."""
        most = 1.0 - LEAST_PROBABILITY
        proba = np.clip(prediction, LEAST_PROBABILITY, most, dtype=np.float64)
        return np.log(proba) - np.log1p(-proba)

    def inverse(self, base):
        """Return the probability of each label."""
        return expit(base)

    def temperature_derivatives(self, y, base, factor):
        """Return the derivatives of the sum of the log losses of all labels."""
        proba = expit(factor * base)
        slope = ((proba - y) * base).sum(axis=1)
        return slope, (proba * (1.0 - proba) * base**2).sum(axis=1)
