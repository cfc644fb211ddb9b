"""Models on top of embeddings: one of several heads, which the search chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

STANDARDIZED = ("linear", "kernel")


class EmbeddingHead(BaseEstimator):
    """A model of embeddings, which is one of several kinds.

    Parameters
    ----------
    linear : estimator
        A linear model of standardized embeddings.
    kernel : estimator
        A linear model of the distances to some rows, by which it approximates a machine
        with a Gaussian kernel. It gives probabilities, unlike a support vector machine.
    mlp : estimator
        A multilayer perceptron.
    boosting : estimator
        A gradient boosting model.
    joint : estimator, default=None
        A linear model of embeddings and, beside them, counts of n-grams.
    head : {"linear", "kernel", "mlp", "boosting", "joint"}, default="linear"
        Which of them is used.
    embedding : str, default=""
        Name of the weights of the embedding, or "all" for those of all of them.
    gamma : float, default=0.5
        Width of the kernel, relative to one column.
    n_landmarks : int, default=500
        Number of rows that the distances are measured from.
    random_state : int, default=0
        Seed of the choice of these rows.

    Attributes
    ----------
    steps_ : list
        Fitted transformers of the embeddings.
    model_ : estimator
        The fitted model.
    """

    def __init__(
        self,
        linear: BaseEstimator,
        kernel: BaseEstimator,
        mlp: BaseEstimator,
        boosting: BaseEstimator,
        joint: BaseEstimator | None = None,
        *,
        head: str = "linear",
        embedding: str = "",
        gamma: float = 0.5,
        n_landmarks: int = 500,
        random_state: int = 0,
    ):
        self.linear = linear
        self.kernel = kernel
        self.mlp = mlp
        self.boosting = boosting
        self.joint = joint
        self.head = head
        self.embedding = embedding
        self.gamma = gamma
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None):
        """Fit the chosen model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            The embeddings.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : EmbeddingHead
            The fitted model.
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.model_ = self.chosen().fit(self.fit_steps(X), y, **weights)
        return self

    def chosen(self) -> BaseEstimator:
        """Return a new estimator of the chosen kind."""
        return clone(getattr(self, self.head))

    def new_scaler(self) -> BaseEstimator:
        """Return the scaler of the columns of linear models and kernels."""
        return StandardScaler()

    def new_kernel(self, gamma: float, n_rows: int) -> BaseEstimator:
        """Return the approximation of a Gaussian kernel by this number of rows."""
        seed = self.random_state
        return Nystroem(gamma=gamma, n_components=n_rows, random_state=seed)

    def fit_steps(self, X: Any) -> Any:
        """Fit the transformers that the chosen model needs, and return their output."""
        self.steps_: list[Any] = []
        if self.head in STANDARDIZED:
            self.steps_.append(self.new_scaler())
        if self.head == "kernel":
            gamma, n_rows = self.gamma / X.shape[1], min(self.n_landmarks, X.shape[0])
            self.steps_.append(self.new_kernel(gamma, n_rows))
        if self.steps_:
            X = np.asarray(X, dtype=np.float64)
        for step in self.steps_:
            X = step.fit_transform(X)
        return X

    def mapped(self, X: Any) -> Any:
        """Return the input of the chosen model."""
        if self.steps_:
            X = np.asarray(X, dtype=np.float64)
        for step in self.steps_:
            X = step.transform(X)
        return X

    def predict(self, X: Any) -> np.ndarray:
        """Return the classes or values of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            The embeddings.
        """
        check_is_fitted(self)
        return self.model_.predict(self.mapped(X))


class EmbeddingClassifier(ClassifierMixin, EmbeddingHead):
    """A classifier of embeddings; see `EmbeddingHead`."""

    @property
    def classes_(self) -> Any:
        """The classes, or a list of those of each label."""
        return self.model_.classes_

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of the classes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            The embeddings.
        """
        check_is_fitted(self)
        return self.model_.predict_proba(self.mapped(X))


class EmbeddingRegressor(RegressorMixin, EmbeddingHead):
    """A regressor of embeddings; see `EmbeddingHead`."""
