"""Forests whose trees become a few arrays once they are grown."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from automodel.families._compact_trees import CompactTrees, by_level
from automodel.families._leaf_values import LeafValues, location_and_scale

PAIRS = 2**22  # of a row and a tree, which are predicted at a time


class CompactForest:
    """A mixin for forests of scikit-learn, which `compact` makes small.

    Attributes
    ----------
    trees_ : CompactTrees
        The trees of a forest that is compact.
    """

    trees_: CompactTrees
    estimators_: Any
    max_leaf_nodes: int | None
    _importances: np.ndarray
    _sample_weight: Any

    @property
    def is_compact(self) -> bool:
        """Whether the trees are arrays."""
        return "trees_" in vars(self)

    def fit(self, X, y, sample_weight=None):
        """Grow the trees, as scikit-learn does; a compact forest is grown anew."""
        if self.is_compact:
            vars(self).pop("estimators_", None)
            del self.trees_
        return super().fit(X, y, sample_weight)  # type: ignore[misc]

    def compact(self):
        """Keep of the trees what prediction needs, as arrays, and return the forest.

        With `max_leaf_nodes`, which orders nodes in another way, nothing is changed.
        """
        if self.is_compact or self.max_leaf_nodes is not None:
            return self
        trees = [estimator.tree_ for estimator in self.estimators_]
        orders = [by_level(tree) for tree in trees]
        pairs = zip(trees, orders, strict=True)
        self._keep_leaves([order[tree.feature[order] < 0] for tree, order in pairs])
        gains = np.sum([tree.compute_feature_importances() for tree in trees], axis=0)
        self._importances = (gains / (gains.sum() or 1.0)).astype(np.float32)
        self.trees_ = CompactTrees(trees, orders)
        del self.estimators_
        if self._sample_weight is not None:  # of each row that was trained on
            del self._sample_weight
        return self

    def _keep_leaves(self, leaves: list[np.ndarray]) -> None:
        """Keep what the leaves of each tree predict, which are these nodes."""
        raise NotImplementedError

    @property
    def feature_importances_(self) -> np.ndarray:
        """Importances of the columns by the impurity of the training rows."""
        if self.is_compact:
            return self._importances
        return super().feature_importances_  # type: ignore[misc]

    def _validate_X_predict(self, X):
        """Check rows as scikit-learn does, which asks a tree if NaN is allowed."""
        check_is_fitted(self)
        allows_nan = not issparse(X) and get_tags(self).input_tags.allow_nan
        return validate_data(
            self,
            X,
            dtype=np.float32,
            accept_sparse="csr",
            accept_large_sparse=False,
            ensure_all_finite="allow-nan" if allows_nan else True,
            reset=False,
        )

    def __getstate__(self):
        state: Any = super().__getstate__()
        state = dict(state)
        if "trees_" in state:  # trees that somebody has asked for are made again
            state.pop("estimators_", None)
        return state


class _MeanForest(CompactForest):
    """A forest that predicts the mean of the values of leaves.

    `estimators_` of a compact forest are made when they are asked for. Their nodes have
    no impurity and no numbers of rows, and only leaves have a value.

    Attributes
    ----------
    values_ : LeafValues
        The values of the leaves of a forest that is compact.
    """

    n_outputs_: int
    n_classes_: Any
    random_state: Any
    _make_estimator: Any
    values_: LeafValues

    @cached_property
    def estimators_(self) -> list:
        """The trees as estimators of scikit-learn."""
        n_classes = np.reshape(getattr(self, "n_classes_", [1] * self.n_outputs_), -1)
        n_leaves = len(self.trees_.feature) + len(self.trees_)
        shape = n_leaves, self.n_outputs_, max(n_classes)
        values = self.values_[np.arange(n_leaves)].reshape(shape)
        random_state = check_random_state(self.random_state)
        found = []
        for tree in self.trees_.trees(n_classes.astype(np.intp), values):
            estimator = self._make_estimator(append=False, random_state=random_state)
            estimator.tree_ = tree
            found.append(self._as_fitted(estimator))
        return found

    def _as_fitted(self, estimator):
        """Set what a fit sets of the estimator of one tree."""
        names = "n_features_in_", "n_outputs_", "n_classes_"
        known = {name: vars(self)[name] for name in names if name in vars(self)}
        vars(estimator).update(known)
        if "n_classes_" in known:
            classes = [np.arange(n, dtype=float) for n in np.ravel(self.n_classes_)]
            estimator.classes_ = classes[0] if self.n_outputs_ == 1 else classes
        return estimator

    def _keep_leaves(self, leaves):
        pairs = zip(self.estimators_, leaves, strict=True)
        found = [own.tree_.value[nodes] for own, nodes in pairs]
        self.values_ = self._leaf_values([own.reshape(len(own), -1) for own in found])

    def _leaf_values(self, values):
        return LeafValues(values)

    def _mean_of_trees(self, X) -> np.ndarray:
        """Return means of shape (n_samples, n_outputs, most classes of an output).

        The trees are called directly. scikit-learn calls each tree by joblib, which for
        a few hundred rows takes longer than its prediction.
        """
        if not self.is_compact:
            total: Any = 0.0
            for estimator in self.estimators_:
                total = total + estimator.tree_.predict(X)
            return total.reshape(len(total), self.n_outputs_, -1) / len(
                self.estimators_
            )
        size = max(1, PAIRS // len(self.trees_))
        batches = (X[i : i + size] for i in range(0, X.shape[0], size))
        means = [self.values_.mean(self.trees_.apply(rows)) for rows in batches]
        return np.concatenate(means).reshape(X.shape[0], self.n_outputs_, -1)


class _Classifier(_MeanForest):
    def predict_proba(self, X):
        """Return the mean probabilities of the trees, in a list for several columns."""
        return self.predict_unchecked(self._validate_X_predict(X))

    def predict_unchecked(self, X):
        """Return the same for rows that need no check."""
        proba = self._mean_of_trees(X)
        if self.n_outputs_ == 1:
            return proba[:, 0]
        return [proba[:, j, :n] for j, n in enumerate(self.n_classes_)]


class _Regressor(_MeanForest):
    def predict(self, X):
        """Return the mean values of the trees."""
        return self.predict_unchecked(self._validate_X_predict(X))

    def predict_unchecked(self, X):
        """Return the same for rows that need no check."""
        values = self._mean_of_trees(X)[:, :, 0]
        return values[:, 0] if self.n_outputs_ == 1 else values

    def _leaf_values(self, values):
        return LeafValues(values, *location_and_scale(values))


class CompactExtraTreesClassifier(_Classifier, ExtraTreesClassifier):
    """An `ExtraTreesClassifier` that can be compact, and predicts few rows fast."""


class CompactExtraTreesRegressor(_Regressor, ExtraTreesRegressor):
    """An `ExtraTreesRegressor` that can be compact, and predicts few rows fast."""


class CompactRandomForestClassifier(_Classifier, RandomForestClassifier):
    """A `RandomForestClassifier` that can be compact, and predicts few rows fast."""


class CompactRandomForestRegressor(_Regressor, RandomForestRegressor):
    """A `RandomForestRegressor` that can be compact, and predicts few rows fast."""
