"""Nearest neighbours that predict a quantile instead of the mean."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils import column_or_1d, gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from automodel.families._weighted_quantile import weighted_quantile

POOLED = 2**20  # targets that are sorted at a time


class QuantileNeighborsRegressor(KNeighborsRegressor):
    """Predict a quantile of the targets of the nearest rows.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours.
    quantile : float, default=0.5
        The quantile that is predicted; 0.5 is the median.
    weights : {"uniform", "distance"}, default="uniform"
        Whether all neighbours have the same weight, or near ones have more.
    p : float, default=2
        Power of the Minkowski distance.
    n_jobs : int, default=None
        Number of threads that search for neighbours.

    Examples
    --------
    >>> from automodel.families._quantile_neighbors import QuantileNeighborsRegressor
    >>> X, y = [[0], [1], [2], [9]], [1.0, 2.0, 90.0, 5.0]
    >>> QuantileNeighborsRegressor(n_neighbors=3).fit(X, y).predict([[1]])
    array([2.])
    """

    _parameter_constraints: dict = {
        **KNeighborsRegressor._parameter_constraints,
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "weights": [StrOptions({"uniform", "distance"})],
    }

    def __init__(
        self, n_neighbors=5, *, quantile=0.5, weights="uniform", p=2, n_jobs=None
    ):
        super().__init__(n_neighbors, weights=weights, p=p, n_jobs=n_jobs)
        self.quantile = quantile

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags

    def fit(self, X, y):
        """Store the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their targets.

        Returns
        -------
        self : object
            The fitted model.
        """
        if y is not None:
            y = column_or_1d(y, warn=True)
        return super().fit(X, y)

    def predict(self, X):
        """Predict a quantile of the targets of the neighbours of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The quantiles.
        """
        distances, neighbors = self.kneighbors(X)
        n_rows = max(1, POOLED // neighbors.shape[1])
        return np.concatenate(
            [
                weighted_quantile(
                    self._y[neighbors[rows]],
                    self._weigh(distances[rows]),
                    self.quantile,
                )
                for rows in gen_batches(len(neighbors), n_rows)
            ]
        )

    def _weigh(self, distances: np.ndarray) -> np.ndarray:
        """Return the weights of neighbours, those at distance 0 alone if any are."""
        if self.weights == "uniform":
            return np.ones_like(distances)
        is_same = distances == 0
        weight = 1.0 / np.where(is_same, 1.0, distances)
        return np.where(is_same.any(axis=1, keepdims=True), is_same, weight)
