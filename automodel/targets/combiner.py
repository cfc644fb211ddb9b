"""Combiner: what turns the predictions of several models into one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np


class Combiner(ABC):
    """Turns one prediction of each model into one of all.

    Attributes
    ----------
    weights : ndarray of shape (n_models,)
        Weight of each model; 0 for one that is not used.
    """

    weights: np.ndarray

    @abstractmethod
    def predict(self, predictions: Sequence[Any]) -> Any:
        """Return the prediction of all from one of each model."""

    @abstractmethod
    def take(self, models: Any) -> Self:
        """Return the same for some of the models, or in another order.

        Parameters
        ----------
        models : ndarray of int
            Their positions.
        """

    @property
    def importances(self) -> np.ndarray:
        """By how much each model moves the result; 0 for one that has no say."""
        return self.weights

    @property
    def stacking_coefficients(self) -> np.ndarray:
        """Coefficients of the models in the linear model on top."""
        return np.zeros(len(self.weights))

    @property
    def is_stacked(self) -> bool:
        """Whether a linear model on top of it has a say."""
        return False

    def unstacked(self) -> Self:
        """Return the same without the linear model on top."""
        return self
