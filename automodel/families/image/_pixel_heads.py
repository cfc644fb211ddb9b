"""Models of pixels and gradients: one of several heads, which a trial chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.families._embedding_heads import (
    EmbeddingClassifier,
    EmbeddingHead,
    EmbeddingRegressor,
)


class CommonScaler(TransformerMixin, BaseEstimator):
    """Center each column, and divide all of them by the same number.

    Pixels at the border of images vary little. Scaled one by one, they would count as
    much as those in the middle.

    Attributes
    ----------
    mean_ : ndarray of shape (n_columns,)
        Mean of each column.
    scale_ : float
        Root of the mean variance of the columns.
    """

    def fit(self, X: Any, y: Any = None):
        """Learn the means and the common scale."""
        X = np.asarray(X, dtype=np.float64)
        self.mean_ = X.mean(axis=0)
        self.scale_ = float(np.sqrt(X.var(axis=0).mean())) or 1.0
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the scaled columns."""
        return (np.asarray(X, dtype=np.float64) - self.mean_) / self.scale_


class PixelHead(EmbeddingHead):
    """A model of pixels or gradients, which is one of several kinds.

    Parameters
    ----------
    linear, kernel, mlp, boosting
        As in `EmbeddingHead`.
    forest : estimator
        A forest of trees.
    head : {"linear", "kernel", "mlp", "boosting", "forest"}, default="kernel"
        Which of them is used.
    columns : str, default="pixels-8"
        The columns that it learns from: their kind, and the size of the images.
    gamma, n_landmarks, random_state
        As in `EmbeddingHead`.
    """

    def __init__(
        self,
        linear: BaseEstimator,
        kernel: BaseEstimator,
        mlp: BaseEstimator,
        boosting: BaseEstimator,
        forest: BaseEstimator,
        *,
        head: str = "kernel",
        columns: str = "pixels-8",
        gamma: float = 0.5,
        n_landmarks: int = 500,
        random_state: int = 0,
    ):
        self.linear = linear
        self.kernel = kernel
        self.mlp = mlp
        self.boosting = boosting
        self.forest = forest
        self.head = head
        self.columns = columns
        self.gamma = gamma
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def new_scaler(self) -> BaseEstimator:
        """Return the scaler of the columns of linear models and kernels."""
        return CommonScaler()


class PixelClassifier(PixelHead, EmbeddingClassifier):
    """A classifier of pixels or gradients; see `PixelHead`."""


class PixelRegressor(PixelHead, EmbeddingRegressor):
    """A regressor of pixels or gradients; see `PixelHead`."""
