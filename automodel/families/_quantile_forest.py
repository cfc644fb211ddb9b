"""Forests that predict a quantile instead of the mean."""

from __future__ import annotations

from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.utils import column_or_1d, gen_batches
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight

from automodel.families._compact_forest import CompactForest

N_KEPT = 5  # targets of a leaf; more hardly improve predictions
POOLED = 2**22  # targets of which quantiles are computed at a time
GOLDEN_RATIO = 0.6180339887498949


class _Leaves(NamedTuple):
    """The ranks of the targets that each leaf of a tree keeps."""

    number: np.ndarray  # (n_nodes,): the number of the leaf
    ranks: np.ndarray  # (n_leaves, N_KEPT)


class _QuantileForest(CompactForest):
    """A mixin that makes a quantile regression forest (Meinshausen, 2006) of a forest.

    The trees are grown by squared errors. The prediction for a row is a quantile of the
    targets of all training rows that share a leaf with it, in which each tree has the
    same weight. Unlike in the paper, a leaf keeps `N_KEPT` order statistics of its
    targets instead of all of them, and the rows outside of a bootstrap sample count as
    well. The order statistics are evenly spaced, and their start differs between the
    trees, so that all trees together cover the tails.

    With `warm_start`, the rows and targets must not change.

    References
    ----------
    Meinshausen, N. (2006). Quantile Regression Forests. Journal of Machine Learning
    Research, 7, 983-999.
    """

    bytes_per_node = 4 + 4 * N_KEPT // 2  # half of the nodes are leaves
    leaves_: list[_Leaves]
    ranks_: np.ndarray
    targets_: np.ndarray
    warm_start: bool
    quantile: float

    def fit(self, X, y, sample_weight=None):
        """Grow the trees, and keep targets of their leaves."""
        if y is not None:
            y = column_or_1d(y, warn=True)
        kept = self.leaves_ if self.warm_start and hasattr(self, "leaves_") else []
        super().fit(X, y, sample_weight)
        X = self._validate_X_predict(X)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        order = np.argsort(y, kind="stable")
        new = [
            _leaves_of(self.estimators_[i].tree_, X, weight, order, _levels(i))
            for i in range(len(kept), len(self.estimators_))
        ]
        self.leaves_, self.targets_ = kept + new, y[order]
        return self

    def predict(self, X):
        """Predict the quantile of the targets in the leaves of each row."""
        return self.predict_unchecked(self._validate_X_predict(X))

    def predict_unchecked(self, X):
        """Return the same for rows that need no check."""
        n_trees = len(self.trees_ if self.is_compact else self.leaves_)
        n_rows = max(1, POOLED // (N_KEPT * n_trees))
        batches = gen_batches(X.shape[0], n_rows)
        return np.concatenate([self._predict_rows(X[rows]) for rows in batches])

    def _predict_rows(self, X) -> np.ndarray:
        ranks = self._ranks(X).reshape(X.shape[0], -1)
        # Interpolate between two ranks as numpy.quantile does with method="hazen".
        place = np.clip(self.quantile * ranks.shape[1] - 0.5, 0, ranks.shape[1] - 1)
        below, above = int(np.floor(place)), int(np.ceil(place))
        ranks.partition(sorted({below, above}), axis=1)
        low, high = self.targets_[ranks[:, below]], self.targets_[ranks[:, above]]
        return low + (place - below) * (high - low)

    def _ranks(self, X) -> np.ndarray:
        """Return the ranks in the leaves of rows: (n_samples, n_trees, N_KEPT)."""
        if self.is_compact:
            return self.ranks_[self.trees_.apply(X).T]
        pool = np.empty((X.shape[0], len(self.leaves_), N_KEPT), dtype=np.int32)
        pairs = zip(self.estimators_, self.leaves_, strict=True)
        for i, (estimator, leaves) in enumerate(pairs):
            pool[:, i] = leaves.ranks[leaves.number[estimator.tree_.apply(X)]]
        return pool

    def _keep_leaves(self, leaves):
        pairs = zip(self.leaves_, leaves, strict=True)
        ranks = np.concatenate([own.ranks[own.number[nodes]] for own, nodes in pairs])
        self.ranks_ = ranks.astype(np.min_scalar_type(len(self.targets_)))
        del self.leaves_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.multi_output = False
        return tags


class QuantileExtraTreesRegressor(_QuantileForest, ExtraTreesRegressor):
    """Extremely randomized trees that predict a quantile.

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
        Rows that the leaves of each tree keep, by the rank of their target.
    ranks_ : ndarray of shape (n_leaves, N_KEPT)
        The same for the leaves of all trees, once the forest is compact.
    targets_ : ndarray of shape (n_samples,)
        Targets in ascending order.

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
        Rows that the leaves of each tree keep, by the rank of their target.
    ranks_ : ndarray of shape (n_leaves, N_KEPT)
        The same for the leaves of all trees, once the forest is compact.
    targets_ : ndarray of shape (n_samples,)
        Targets in ascending order.

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


def _levels(number: int) -> np.ndarray:
    """Return the evenly spaced levels of the targets that a tree keeps."""
    start = (0.5 + number * GOLDEN_RATIO) % 1
    return (np.arange(N_KEPT) + start) / N_KEPT


def _leaves_of(tree, X, weight, order, levels) -> _Leaves:
    """Return the targets that each leaf keeps. `order` sorts the rows by target."""
    node = tree.apply(X)[order]
    ranks = np.argsort(node, kind="stable")  # by leaf, then by target
    first = np.flatnonzero(np.diff(node[ranks], prepend=-1))
    last = np.append(first[1:], len(ranks)) - 1
    total = np.append(0.0, np.cumsum(weight[order[ranks]]))
    before, after = total[first, None], total[last + 1, None]
    at = np.searchsorted(total[1:], before + levels * (after - before))
    at = np.clip(at, first[:, None], last[:, None])
    number = np.zeros(tree.node_count, dtype=np.int32)
    number[node[ranks[first]]] = np.arange(len(first))
    return _Leaves(number, ranks[at].astype(np.int32))
