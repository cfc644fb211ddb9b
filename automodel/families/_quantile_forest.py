"""Forests that predict a quantile in place of the mean."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.utils import column_or_1d, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

# A leaf keeps so many of its targets, evenly spaced: a power of two, so that in leaves
# of few rows none of these levels falls between two rows.
N_KEPT = 8
LEVELS = (np.arange(N_KEPT) + 0.5) / N_KEPT
POOLED = 2**22  # targets of all trees whose quantiles are taken at a time


class _Leaves(NamedTuple):
    """Targets of the training rows in each leaf of a tree."""

    number: np.ndarray  # (n_nodes,): which leaf a node is
    targets: np.ndarray  # (n_leaves, N_KEPT)


class _QuantileForest:
    """Quantile regression forest (Meinshausen, 2006), mixed into a forest.

    The trees grow by squared errors. The answer for a row is a quantile of the targets
    of all training rows that share a leaf with it, in which each tree has one vote.
    Other than in the paper a leaf keeps `N_KEPT` order statistics in place of all its
    targets, and the rows that a bootstrap sample leaves out count as well.

    References
    ----------
    Meinshausen, N. (2006). Quantile Regression Forests. Journal of Machine Learning
    Research, 7, 983-999.
    """

    bytes_per_node = 4 + 8 * N_KEPT // 2  # half of the nodes are leaves
    estimators_: Any
    _validate_X_predict: Any
    leaves_: list[_Leaves]
    warm_start: bool
    quantile: float

    def fit(self, X, y, sample_weight=None):
        """Grow the trees and keep targets of their leaves."""
        if y is not None:
            y = column_or_1d(y, warn=True)
        kept = self.leaves_ if self.warm_start and hasattr(self, "leaves_") else []
        super().fit(X, y, sample_weight)  # type: ignore[misc]
        X = self._validate_X_predict(X)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        order = np.argsort(y, kind="stable")
        new = [
            _leaves_of(tree.tree_, X, y, weight, order)
            for tree in self.estimators_[len(kept) :]
        ]
        self.leaves_ = kept + new
        return self

    def predict(self, X):
        """Predict the quantile of the targets in the leaves of each row."""
        check_is_fitted(self)
        X = self._validate_X_predict(X)
        n_rows = max(1, POOLED // (N_KEPT * len(self.leaves_)))
        batches = gen_batches(X.shape[0], n_rows)
        return np.concatenate([self._predict_rows(X[rows]) for rows in batches])

    def _predict_rows(self, X) -> np.ndarray:
        pool = np.empty((X.shape[0], len(self.leaves_), N_KEPT))
        for i, (tree, leaves) in enumerate(
            zip(self.estimators_, self.leaves_, strict=True)
        ):
            pool[:, i] = leaves.targets[leaves.number[tree.tree_.apply(X)]]
        return np.quantile(
            pool.reshape(len(pool), -1),
            self.quantile,
            axis=1,
            method="hazen",
            overwrite_input=True,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.multi_output = False
        return tags


class QuantileExtraTreesRegressor(_QuantileForest, ExtraTreesRegressor):
    """Extremely randomised trees that predict a quantile.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    quantile : float, default=0.5
        The quantile that is predicted; 0.5 is the median.
    max_features, min_samples_split, min_samples_leaf, min_impurity_decrease
        See `sklearn.ensemble.ExtraTreesRegressor`.
    random_state, n_jobs, warm_start
        See `sklearn.ensemble.ExtraTreesRegressor`.

    Attributes
    ----------
    leaves_ : list
        Targets that the leaves of each tree keep.

    Examples
    --------
    >>> from automodel.families._quantile_forest import QuantileExtraTreesRegressor
    >>> X, y = [[0], [0], [0], [1]], [1.0, 2.0, 90.0, 5.0]
    >>> QuantileExtraTreesRegressor(random_state=0).fit(X, y).predict([[0], [1]])
    array([2., 5.])
    """

    _parameter_constraints: dict = {
        **ExtraTreesRegressor._parameter_constraints,
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_estimators=100,
        *,
        quantile=0.5,
        max_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        min_impurity_decrease=0.0,
        random_state=None,
        n_jobs=None,
        warm_start=False,
    ):
        super().__init__(
            n_estimators,
            max_features=max_features,
            min_samples_split=min_samples_split,
            min_samples_leaf=min_samples_leaf,
            min_impurity_decrease=min_impurity_decrease,
            random_state=random_state,
            n_jobs=n_jobs,
            warm_start=warm_start,
        )
        self.quantile = quantile


class QuantileRandomForestRegressor(_QuantileForest, RandomForestRegressor):
    """Random forest that predicts a quantile.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees.
    quantile : float, default=0.5
        The quantile that is predicted; 0.5 is the median.
    max_features, min_samples_split, min_samples_leaf, min_impurity_decrease
        See `sklearn.ensemble.RandomForestRegressor`.
    max_samples, random_state, n_jobs, warm_start
        See `sklearn.ensemble.RandomForestRegressor`.

    Attributes
    ----------
    leaves_ : list
        Targets that the leaves of each tree keep.

    Examples
    --------
    >>> from automodel.families._quantile_forest import QuantileRandomForestRegressor
    >>> X, y = [[0], [0], [0], [1]] * 9, [1.0, 2.0, 90.0, 5.0] * 9
    >>> QuantileRandomForestRegressor(random_state=0).fit(X, y).predict([[0], [1]])
    array([2., 5.])
    """

    _parameter_constraints: dict = {
        **RandomForestRegressor._parameter_constraints,
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_estimators=100,
        *,
        quantile=0.5,
        max_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        min_impurity_decrease=0.0,
        max_samples=None,
        random_state=None,
        n_jobs=None,
        warm_start=False,
    ):
        super().__init__(
            n_estimators,
            max_features=max_features,
            min_samples_split=min_samples_split,
            min_samples_leaf=min_samples_leaf,
            min_impurity_decrease=min_impurity_decrease,
            max_samples=max_samples,
            random_state=random_state,
            n_jobs=n_jobs,
            warm_start=warm_start,
        )
        self.quantile = quantile


def _leaves_of(tree, X, y, weight, order) -> _Leaves:
    """Return evenly spaced targets of each leaf; `order` sorts the rows by target."""
    node = tree.apply(X)
    rows = order[np.argsort(node[order], kind="stable")]  # by leaf, then by target
    first = np.flatnonzero(np.diff(node[rows], prepend=-1))
    last = np.append(first[1:], len(rows)) - 1
    total = np.append(0.0, np.cumsum(weight[rows]))
    before, after = total[first, None], total[last + 1, None]
    at = np.searchsorted(total[1:], before + LEVELS * (after - before))
    at = np.clip(at, first[:, None], last[:, None])
    number = np.zeros(tree.node_count, dtype=np.int32)
    number[node[rows[first]]] = np.arange(len(first))
    return _Leaves(number, y[rows[at]])
