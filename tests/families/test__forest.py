"""Forests grow in steps and stay small in memory."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel.evaluation.evaluate import Monitor
from automodel.families import _compact_forest, _forest, _quantile_forest
from automodel.families._quantile_forest import (
    N_KEPT,
    QuantileExtraTreesRegressor,
    QuantileRandomForestRegressor,
)
from automodel.families.extra_trees import ExtraTrees
from automodel.targets.objective import Objective
from tests.conftest import make_task


@pytest.fixture
def data():
    return make_classification(200, 6, random_state=0)


def test_growing_in_steps_gives_the_forest_of_one_fit(data):
    X, y = data
    stepped = ExtraTreesClassifier(20, random_state=1)
    _forest.grow(stepped, X, y, None, Monitor())
    whole = ExtraTreesClassifier(20, random_state=1).fit(X, y)
    np.testing.assert_array_equal(stepped.predict_proba(X), whole.predict_proba(X))


def test_trees_too_large_for_memory_are_fewer(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(_forest, "MODEL_BYTES", 1)
    forest = ExtraTreesClassifier(100, random_state=1)
    _forest.grow(forest, X, y, None, Monitor())
    assert len(forest.estimators_) == _forest.LEAST_TREES


def test_the_forests_of_all_columns_are_small_in_memory_together(data, monkeypatch):
    monkeypatch.setattr(_forest, "MODEL_BYTES", 2**21)
    X, _ = data
    options = {"objective": Objective("quantile", 0.8)}
    one = make_task("regression", *X.shape, **options)
    two = make_task("multioutput", *X.shape, n_outputs=2, **options)
    family, monitor = ExtraTrees(), Monitor()
    alone = family.fit(family.estimator(one, 0), X, X[:, 0], monitor=monitor)
    both = family.fit(family.estimator(two, 0), X, X[:, :2], monitor=monitor)
    n_trees = len(alone.estimators_)
    assert _forest.LEAST_TREES < n_trees // 2 < n_trees < _forest.N_TREES
    assert len(both.estimators_[0].estimators_) == n_trees // 2


def test_a_refit_has_the_trees_of_the_folds_whatever_the_memory(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(_forest, "MODEL_BYTES", 1)
    forest = ExtraTreesClassifier(100, random_state=1)
    _forest.grow(forest, X, y, None, Monitor(n_iterations=40))
    assert len(forest.estimators_) == 40


def test_leaves_grow_with_the_rows():
    small, large = (make_task("regression", n, 5) for n in (1000, 100_000))
    assert _forest.least_leaf(small) == 1
    assert _forest.least_leaf(large) == 10


def test_a_least_gain_is_measured_in_the_spread_of_y(data):
    X, _ = data
    y = X[:, 0]
    predictions = []
    for scale in (1.0, 1000.0):
        family = ExtraTrees()
        forest = family.estimator(make_task("regression", *X.shape), 0)
        forest.set_params(n_estimators=5, min_impurity_decrease=1e-2)
        family.fit(forest, X, y * scale, monitor=Monitor())
        predictions.append(forest.predict(X) / scale)
    np.testing.assert_allclose(*predictions, rtol=1e-6)


QUANTILE_FORESTS = [QuantileExtraTreesRegressor, QuantileRandomForestRegressor]


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, size=(240, 2)).astype(float), rng.normal(size=240)


@parametrize_with_checks([kind(5) for kind in QUANTILE_FORESTS])
def test_a_quantile_forest_is_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", QUANTILE_FORESTS)
@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
def test_the_quantile_is_that_of_the_rows_in_the_leaves(kind, quantile, values):
    X, y = values  # nine places, which all trees part
    cell = 3 * X[:, 0] + X[:, 1]
    forest = kind(10, quantile=quantile, min_samples_leaf=5, random_state=0)
    answer = forest.fit(X, y).predict(X)
    for i in range(9):
        rows = np.flatnonzero(cell == i)
        assert np.unique(answer[rows]).size == 1
        # A few values of each leaf stand for all of them.
        low, high = np.quantile(y[rows], [quantile - 0.08, quantile + 0.08])
        assert low <= answer[rows[0]] <= high


def test_a_leaf_keeps_evenly_spaced_targets():
    X, y = np.zeros((3 * N_KEPT, 1)), np.arange(3.0 * N_KEPT)
    forest = QuantileExtraTreesRegressor(1, random_state=0)
    forest.fit(X, np.random.default_rng(0).permutation(y))
    np.testing.assert_array_equal(kept_targets(forest), [y[1::3]])


def kept_targets(forest):
    """Return the targets that the leaves of the first tree keep."""
    return forest.targets_[forest.leaves_[0].ranks]


@pytest.mark.parametrize("quantile", [0.01, 0.99])
def test_trees_keep_other_targets_so_that_together_they_have_the_tails(quantile):
    X, y = np.zeros((1000, 1)), np.random.default_rng(0).normal(size=1000)
    forest = QuantileExtraTreesRegressor(30, quantile=quantile, random_state=0)
    covered = np.mean(y <= forest.fit(X, y).predict(X))
    assert abs(covered - quantile) < 0.005


def test_a_weight_is_a_repeated_row_in_a_leaf():
    X, y = np.zeros((40, 1)), np.random.default_rng(0).normal(size=40)
    weight = np.random.default_rng(1).integers(0, 4, 40)
    weighted = QuantileExtraTreesRegressor(1).fit(X, y, weight.astype(float))
    repeated = QuantileExtraTreesRegressor(1)
    repeated.fit(np.zeros((weight.sum(), 1)), np.repeat(y, weight))
    np.testing.assert_array_equal(kept_targets(weighted), kept_targets(repeated))


@pytest.mark.parametrize("kind", QUANTILE_FORESTS)
def test_quantile_forests_grown_in_steps_are_those_of_one_fit(kind, values):
    X, y = values
    monitor = Watched(X)
    stepped = kind(20, random_state=1)
    _forest.grow(stepped, X, y, None, monitor)
    whole = kind(20, random_state=1).fit(X, y)
    np.testing.assert_array_equal(stepped.predict(X), whole.predict(X))
    assert len(monitor.answers) > 2
    assert all(np.isfinite(answer).all() for answer in monitor.answers)


class Watched(Monitor):
    """A monitor that asks the forest while it grows."""

    def __init__(self, X):
        super().__init__(score=self.ask, should_prune=lambda reports: False)
        self.X, self.answers = X, []

    def ask(self, forest):
        self.answers.append(forest.predict(self.X))
        return 0.0


def test_another_fit_of_a_quantile_forest_forgets_the_first(values):
    X, y = values
    forest = QuantileExtraTreesRegressor(5, random_state=0)
    first = forest.fit(X, y).predict(X)
    np.testing.assert_allclose(forest.fit(X, y + 100).predict(X), first + 100)


def test_a_quantile_forest_says_the_same_of_sparse_rows_and_in_batches(
    values, monkeypatch
):
    X, y = values
    forest = QuantileExtraTreesRegressor(5, random_state=0).fit(X, y)
    whole = forest.predict(X)
    monkeypatch.setattr(_quantile_forest, "POOLED", 200)
    np.testing.assert_array_equal(forest.predict(X), whole)
    np.testing.assert_array_equal(forest.predict(csr_matrix(X)), whole)


def test_the_targets_of_leaves_count_as_memory(values, monkeypatch):
    X, y = values
    monkeypatch.setattr(_forest, "MODEL_BYTES", 2**18)
    monkeypatch.setattr(_forest, "LEAST_TREES", 1)
    sizes = []
    for kind in (
        _compact_forest.CompactExtraTreesRegressor,
        QuantileExtraTreesRegressor,
    ):
        forest = kind(10_000, max_features=1, random_state=1)
        _forest.grow(forest, X[:, :1] + y[:, None], y, None, Monitor())
        sizes.append(len(forest.estimators_))
    assert 1 <= sizes[1] < sizes[0]
