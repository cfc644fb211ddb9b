"""Links: the scales on which predictions are added up."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

LEAST_PROBABILITY = 1e-7  # of out-of-fold predictions, which are float32
LEAST_MEAN = 1e-300
MOST_LOG_CHANGE = 5.0


class Link(ABC):
    """The scale on which predictions are added up, such as that of log odds.

    Attributes
    ----------
    has_temperature : bool
        Whether predictions can be made more or less sure of themselves.
    """

    has_temperature = False

    @abstractmethod
    def forward(self, prediction: np.ndarray) -> np.ndarray:
        """Return predictions on this scale, as float64."""

    @abstractmethod
    def moved(self, base: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return the predictions that a change on this scale leads to."""


class Identity(Link):
    """Values as they are."""

    def forward(self, prediction):
        """Return the values."""
        return np.asarray(prediction, np.float64)

    def moved(self, base, change):
        """Return the sum."""
        return base + change


class Log(Link):
    """Logarithms of positive values."""

    def forward(self, prediction):
        """Return the logarithms."""
        return np.log(np.maximum(prediction, LEAST_MEAN, dtype=np.float64))

    def moved(self, base, change):
        """Return values that a bounded factor leads to."""
        return np.exp(base + np.clip(change, -MOST_LOG_CHANGE, MOST_LOG_CHANGE))


class Softmax(Link):
    """Logarithms of the probabilities of classes, of which each row has one."""

    has_temperature = True

    def forward(self, prediction):
        """Return the logarithms."""
        return log_proba(prediction)

    def moved(self, base, change):
        """Return probabilities that sum to 1."""
        return softmax(base + change)


def log_proba(proba: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, which softmax turns back."""
    return np.log(np.clip(proba, LEAST_PROBABILITY, None, dtype=np.float64))


def softmax(log_odds: np.ndarray) -> np.ndarray:
    """Return the probabilities of each row whose logarithms differ by these."""
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
