"""A compact forest predicts what scikit-learn's does, in much less memory."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree import BaseDecisionTree
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel import AutoClassifier
from automodel.evaluation.evaluate import Monitor
from automodel.families import (
    _compact_forest,
    _compact_trees,
    _leaf_values,
    all_families,
)
from automodel.families._columns import ColumnsEstimator
from automodel.families._compact_forest import (
    CompactExtraTreesClassifier,
    CompactExtraTreesRegressor,
    CompactRandomForestClassifier,
    CompactRandomForestRegressor,
)
from automodel.families._compact_trees import rounded_down
from automodel.families._leaf_values import LeafValues, location_and_scale
from automodel.families._quantile_forest import (
    QuantileExtraTreesRegressor,
    QuantileRandomForestRegressor,
)
from automodel.families.image.pixels import ImagePixelsFamily
from automodel.targets.objective import Objective
from tests.conftest import make_task
from tests.images import image_task

CLASSIFIERS = CompactExtraTreesClassifier, CompactRandomForestClassifier
REGRESSORS = CompactExtraTreesRegressor, CompactRandomForestRegressor
QUANTILES = QuantileExtraTreesRegressor, QuantileRandomForestRegressor
KINDS = (*CLASSIFIERS, *REGRESSORS, *QUANTILES)


def make_rows(n_samples=300, n_features=6):
    """Return rows in double precision, some of them equal, and numbers of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features))
    X[:, 0] = rng.integers(0, 4, n_samples) / 3
    y = X[:, 0] - X[:, 1] ** 2 + 0.3 * rng.normal(size=n_samples)
    return X, y


def targets_of(kind, y):
    """Return the targets by which the kind of forest is tried."""
    if kind in QUANTILES:
        return [y]
    if kind in REGRESSORS:
        return [y, y - 1e6, 1e-6 * y, np.exp(9 * y), np.column_stack([y, 1e6 * y**2])]
    few = np.digitize(y, [-1, 0])
    several = np.column_stack([y > 0, few, np.digitize(y, np.linspace(-3, 1, 30))])
    return [y > 0, few, np.array(["a", "b", "c"])[few], several]


def answer_of(forest, X):
    if not is_classifier(forest):
        return forest.predict(X)
    proba = forest.predict_proba(X)
    return np.hstack(proba) if isinstance(proba, list) else proba


def assert_same(found, expected):
    assert found.shape == expected.shape
    allowed = 1e-6 * np.ptp(expected, axis=0) + 1e-14 * np.abs(expected)
    assert np.all(np.abs(found - expected) <= allowed)


ways = pytest.mark.parametrize("walked", [0, 1e9], ids=["tree by tree", "walked"])
each = pytest.mark.parametrize("kind", KINDS)


@each
@ways
@pytest.mark.parametrize("with_missing", [False, True])
def test_a_compact_forest_predicts_the_same(kind, walked, with_missing, monkeypatch):
    monkeypatch.setattr(_compact_trees, "WALKED", walked)
    X, y = make_rows()
    if with_missing:
        X = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    weight = np.random.default_rng(2).integers(1, 4, len(y)) * 0.7
    for target in targets_of(kind, y):
        forest = kind(12, random_state=0).fit(X[::2], target[::2], weight[::2])
        expected = answer_of(forest, X)
        assert_same(answer_of(forest.compact(), X), expected)
        restored = pickle.loads(pickle.dumps(forest))
        np.testing.assert_array_equal(
            answer_of(restored, X), answer_of(forest, X), strict=True
        )


@each
@ways
def test_sparse_rows_and_missing_values_that_training_had_not(
    kind, walked, monkeypatch
):
    monkeypatch.setattr(_compact_trees, "WALKED", walked)
    X, y = make_rows()
    y = targets_of(kind, y)[0]
    X[np.abs(X) < 0.5] = 0
    holes = np.where(X == 0, np.nan, X)
    for train in (X, csr_matrix(X)):
        forest = kind(12, random_state=0).fit(train, y)
        expected = [answer_of(forest, rows) for rows in (csr_matrix(X), holes)]
        forest.compact()
        for rows, answer in zip((csr_matrix(X), holes), expected, strict=True):
            assert_same(answer_of(forest, rows), answer)
        with pytest.raises(ValueError, match="NaN"):
            forest.predict(csr_matrix(holes))
        with pytest.raises(ValueError, match="6 features"):
            forest.predict(X[:, :5])


@ways
def test_values_next_to_a_threshold_go_the_same_way(walked, monkeypatch):
    monkeypatch.setattr(_compact_trees, "WALKED", walked)
    X, y = make_rows(2000, 3)
    X = np.float32(X)
    forest = CompactExtraTreesRegressor(20, random_state=0).fit(X, y)
    thresholds = np.concatenate([t.tree_.threshold for t in forest.estimators_])
    near = np.float32(thresholds)
    steps = [np.nextafter(near, np.float32(way)) for way in (-np.inf, np.inf)]
    rows = np.concatenate([near, *steps])[:, None].repeat(3, axis=1)[::7]
    expected = forest.predict(rows)
    assert_same(forest.compact().predict(rows), expected)


def test_thresholds_are_rounded_to_the_number_below():
    values = np.array([0.1, -0.1, 0.5, 1e-60, -1e-60, 1e39, -np.inf, np.inf])
    found = rounded_down(values)
    assert found.dtype == np.float32
    assert np.all(found <= values)
    with np.errstate(over="ignore"):
        above = np.nextafter(found, np.float32(np.inf))
    assert np.all((above > values) | (found == values))


@each
def test_rows_in_batches_are_predicted_as_at_once(kind, monkeypatch):
    X, y = make_rows()
    forest = kind(12, random_state=0).fit(X, targets_of(kind, y)[0]).compact()
    whole = answer_of(forest, X)
    for module, name in ((_compact_forest, "PAIRS"), (_leaf_values, "SUMMED")):
        monkeypatch.setattr(module, name, 100)
        np.testing.assert_allclose(answer_of(forest, X), whole, rtol=1e-14)


@each
def test_a_tree_without_a_split_is_a_leaf(kind):
    X, y = make_rows()
    y = targets_of(kind, y)[0]
    forest = kind(5, min_samples_split=10_000, random_state=0).fit(X, y)
    expected = answer_of(forest, X)
    restored = pickle.loads(pickle.dumps(forest.compact()))
    np.testing.assert_allclose(answer_of(restored, X), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "most"),  # bytes a node; scikit-learn has 64 and 8 for each class
    [
        (CompactExtraTreesClassifier, 8.0),
        (CompactRandomForestRegressor, 5.0),
        (QuantileExtraTreesRegressor, 9.0),
    ],
)
def test_a_node_takes_few_bytes(kind, most):
    X, y = make_rows(3000)
    y = np.digitize(y, np.linspace(-3, 1, 20)) if is_classifier(kind()) else y
    weight = np.ones(len(y))
    forest = kind(30, min_samples_leaf=2, random_state=0).fit(X, y, weight)
    n_nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    before = len(pickle.dumps(forest))
    after = len(pickle.dumps(forest.compact()))
    assert before > 64 * n_nodes
    assert after < most * n_nodes + 10_000


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_estimators_of_scikit_learn_are_made_on_request(kind):
    X, y = make_rows()
    for target in targets_of(kind, y):
        forest = kind(7, random_state=0).fit(X, target)
        grown, importances = forest.estimators_, forest.feature_importances_
        size = len(pickle.dumps(forest.compact()))
        made = forest.estimators_
        assert [type(tree) for tree in made] == [type(tree) for tree in grown]
        for own, tree in zip(made, grown, strict=True):
            assert isinstance(own, BaseDecisionTree)
            assert own.get_params() == tree.get_params()
            assert own.get_depth() == tree.get_depth()
            assert own.get_n_leaves() == tree.get_n_leaves()
            assert_same(np.hstack(answer_of(own, X)), np.hstack(answer_of(tree, X)))
            paths = own.decision_path(X).sum(axis=1)
            np.testing.assert_array_equal(paths, tree.decision_path(X).sum(axis=1))
        np.testing.assert_allclose(forest.feature_importances_, importances, atol=1e-6)
        assert len(pickle.dumps(forest)) == size, "they are not stored"


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS])
def test_scikit_learn_predicts_the_same_with_the_estimators(kind):
    X, y = make_rows()
    forest = kind(7, random_state=0).fit(X, targets_of(kind, y)[0]).compact()
    method = "predict_proba" if is_classifier(forest) else "predict"
    library = next(own for own in kind.__mro__ if own.__module__.startswith("sklearn"))
    np.testing.assert_allclose(
        getattr(library, method)(forest, X), answer_of(forest, X), rtol=1e-12
    )


def test_a_forest_with_a_limit_of_leaves_stays_as_it_is():
    X, y = make_rows()
    forest = CompactExtraTreesRegressor(5, max_leaf_nodes=9, random_state=0).fit(X, y)
    assert not forest.compact().is_compact
    assert len(forest.estimators_) == 5


def test_a_forest_is_made_compact_once():
    X, y = make_rows()
    forest = CompactExtraTreesRegressor(5, random_state=0).fit(X, y).compact()
    trees, importances = forest.trees_, forest.feature_importances_
    assert forest.compact().trees_ is trees
    np.testing.assert_array_equal(forest.feature_importances_, importances)


@each
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_compact_forest_is_grown_anew(kind, warm_start):
    X, y = make_rows()
    y = targets_of(kind, y)[0]
    forest = kind(5, random_state=0, warm_start=warm_start).fit(X[:100], y[:100])
    forest.compact().set_params(n_estimators=8).fit(X, y)
    expected = answer_of(kind(8, random_state=0).fit(X, y), X)
    np.testing.assert_array_equal(answer_of(forest, X), expected)
    assert not forest.is_compact


@each
def test_a_copy_of_a_compact_forest_is_not_fitted(kind):
    X, y = make_rows()
    forest = kind(5, random_state=0).fit(X, targets_of(kind, y)[0]).compact()
    assert not hasattr(clone(forest), "trees_")
    assert not hasattr(clone(forest), "estimators_")


@parametrize_with_checks([CLASSIFIERS[0](5), REGRESSORS[0](5)])
def test_a_forest_is_an_estimator(estimator, check):
    check(estimator)


def test_equal_leaves_are_stored_once():
    rng = np.random.default_rng(0)
    distinct = rng.random((50, 20))
    parts = [distinct[rng.integers(0, 50, 1000)] for _ in range(3)]
    values = LeafValues(parts)
    assert values.values.shape == (50, 20)
    assert values.places.dtype == np.uint8
    np.testing.assert_array_equal(
        values[np.arange(3000)], np.float32(np.concatenate(parts))
    )


def test_different_leaves_are_stored_in_their_order():
    parts = [np.random.default_rng(i).random((100, 2)) for i in range(3)]
    values = LeafValues(parts)
    assert values.places is None
    np.testing.assert_array_equal(values.values, np.float32(np.concatenate(parts)))


@pytest.mark.parametrize("unit", [1e-300, 1e-60, 1.0, 1e60, 1e300])
@pytest.mark.parametrize("center", [0.0, 1e4, -1e4])
def test_values_keep_their_precision_in_any_unit(unit, center):
    values = unit * (center + np.random.default_rng(0).normal(size=(500, 2)))
    kept = LeafValues([values], *location_and_scale([values]))
    assert kept.values.dtype == np.float32
    assert_same(kept[np.arange(500)], values)


def test_probabilities_of_many_classes_are_pickled_without_their_zeros():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.full(30, 0.02), size=2000)
    rows[rows < 0.1] = 0
    values = LeafValues([rows])
    pickled = pickle.dumps(values)
    np.testing.assert_array_equal(pickle.loads(pickled).values, values.values)
    assert len(pickled) < 0.2 * values.values.nbytes


def forests_of(model):
    return model.estimators_ if isinstance(model, ColumnsEstimator) else [model]


@pytest.mark.parametrize("name", ["random_forest", "extra_trees"])
@pytest.mark.parametrize("kind", ["multilabel", "multioutput", "quantile"])
def test_families_make_forests_compact(name, kind):
    X, y = make_rows(100)
    y, family = np.column_stack([y, -y]), all_families()[name]
    options = {}
    if kind == "multilabel":
        y = (y > 0).astype(int)
    elif kind == "quantile":
        kind, options = "multioutput", {"objective": Objective("quantile", 0.8)}
        y[:, 1] = 3  # which has no forest
    task = make_task(kind, *X.shape, n_outputs=2, **options)
    model = family.fit(family.estimator(task, 0), X, y, monitor=Monitor())
    expected = answer_of(model, X)
    kept = family.compact(model)
    assert_same(answer_of(kept, X), expected)
    assert forests_of(kept)[0].is_compact


def test_a_forest_of_pixels_is_compact():
    X, y = make_rows(100)
    family = ImagePixelsFamily()
    estimator = family.estimator(image_task("binary"), 0).set_params(head="forest")
    model = family.fit(estimator, X, (y > 0).astype(int), monitor=Monitor())
    expected = answer_of(model, X)
    kept = family.compact(model)
    assert kept.model_.is_compact
    assert_same(answer_of(kept, X), expected)


def test_an_ensemble_keeps_compact_forests_also_if_a_fold_lacks_a_class():
    X, y = make_rows(120)
    labels = np.array(["few", "less", "more"])[np.digitize(y, [-9, -0.5])]
    labels[:4] = "few"
    search = AutoClassifier(
        families=["extra_trees"],
        n_trials=1,
        cv=[(np.arange(4, 120), np.arange(60)), (np.arange(60), np.arange(60, 120))],
        random_state=0,
    ).fit(X, labels)
    kept = [model for own in search.ensemble_.members for model in own.models]
    assert kept
    assert all(model.estimator.is_compact for model in kept)
    best = search.best_estimator_["model"].estimator
    assert isinstance(best, ExtraTreesClassifier)
    assert isinstance(best.estimators_[0], BaseDecisionTree)
    restored = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(restored.predict_proba(X), search.predict_proba(X))


def test_a_forest_grows_with_the_trees_of_scikit_learn():
    X, y = make_rows()
    forest = CompactExtraTreesClassifier(5, random_state=0).fit(X, y > 0)
    plain = ExtraTreesClassifier(5, random_state=0).fit(X, y > 0)
    np.testing.assert_allclose(
        forest.predict_proba(X), plain.predict_proba(X), rtol=1e-12
    )
    np.testing.assert_array_equal(forest.predict(X), plain.predict(X))
