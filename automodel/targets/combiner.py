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
