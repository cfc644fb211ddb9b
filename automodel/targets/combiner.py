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
        total = 0.0
        mean = squares = np.zeros(1)
        for model in np.flatnonzero(self.weights > 0).tolist():  # West (1979)
            part, weight = self._member(predictions[model], model), self.weights[model]
            total += weight
            change = part - mean
            mean = mean + change * (weight / total)
            squares = squares + weight * change * (part - mean)
        return np.sqrt(np.maximum(squares / total, 0.0))

    def _member(self, prediction: Any, model: int) -> np.ndarray:
        """Return the prediction of a model as it takes part in the mean."""
        return np.asarray(prediction, dtype=np.float64)

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
    def is_subtracted(self) -> np.ndarray:
        """Whether the stack subtracts more of each model than the mean adds."""
        return self.weights + self.stacking_coefficients < 0

    @property
    def is_stacked(self) -> bool:
        """Whether there is a stack on top of the mean."""
        return False

    def unstacked(self) -> Self:
        """Return the combiner without its stack."""
        return self
