"""Combiner: combines the predictions of several models into one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np


class Combiner(ABC):
    """Combine the predictions of several models into one.

    Attributes
    ----------
    weights : ndarray of shape (n_models,)
        Weight of each model; 0 for a model that is not used.
    """

    weights: np.ndarray

    @abstractmethod
    def predict(self, predictions: Sequence[Any]) -> Any:
        """Combine the predictions, one of each model."""

    def spread(self, predictions: Sequence[Any]) -> np.ndarray:
        """Return the standard deviation among predictions that can be averaged.

        Parameters
        ----------
        predictions : sequence of ndarray of shape (n_samples, n_outputs)
            One of each model. They count by their weights.
        """
        used = np.flatnonzero(self.weights > 0).tolist()
        shares = self.weights[used] / self.weights[used].sum()
        parts = [np.asarray(predictions[i], dtype=np.float64) for i in used]
        mean = sum(share * part for share, part in zip(shares, parts, strict=True))
        squares = ((part - mean) ** 2 for part in parts)
        variance = sum(s * square for s, square in zip(shares, squares, strict=True))
        return np.sqrt(variance)

    @abstractmethod
    def take(self, models: Any) -> Self:
        """Return a combiner of some of the models, or in another order.

        Parameters
        ----------
        models : ndarray of int
            Positions of the models.
        """

    @property
    def importances(self) -> np.ndarray:
        """How much each model influences the result; 0 if it is not used."""
        return self.weights

    @property
    def stacking_coefficients(self) -> np.ndarray:
        """Coefficients of the models in the stack, the linear model on top."""
        return np.zeros(len(self.weights))

    @property
    def is_stacked(self) -> bool:
        """Whether there is a stack on top of the mean."""
        return False

    def unstacked(self) -> Self:
        """Return the combiner without its stack."""
        return self
