"""Forests grow in steps and stay small in memory."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import is_classifier
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier

from automodel.evaluation import Monitor
from automodel.families import _direct_forest, _forest
from automodel.families.extra_trees import ExtraTrees
from automodel.task import Task


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


def test_a_refit_has_the_trees_of_the_folds_whatever_the_memory(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(_forest, "MODEL_BYTES", 1)
    forest = ExtraTreesClassifier(100, random_state=1)
    _forest.grow(forest, X, y, None, Monitor(n_iterations=40))
    assert len(forest.estimators_) == 40


def test_leaves_grow_with_the_rows():
    small, large = (Task("regression", n, 5) for n in (1000, 100_000))
    assert _forest.least_leaf(small) == 1
    assert _forest.least_leaf(large) == 10


def test_a_least_gain_is_measured_in_the_spread_of_y(data):
    X, _ = data
    y = X[:, 0]
    predictions = []
    for scale in (1.0, 1000.0):
        family = ExtraTrees()
        forest = family.estimator(Task("regression", *X.shape), 0)
        forest.set_params(n_estimators=5, min_impurity_decrease=1e-2)
        family.fit(forest, X, y * scale, monitor=Monitor())
        predictions.append(forest.predict(X) / scale)
    np.testing.assert_allclose(*predictions, rtol=1e-6)


@pytest.mark.parametrize("kind", _direct_forest._Classifier.__subclasses__())
@pytest.mark.parametrize("n_classes", [2, 3])
def test_trees_that_are_asked_directly_say_the_same_of_classes(kind, n_classes):
    X, y = make_classification(
        200, 6, n_informative=4, n_classes=n_classes, random_state=0
    )
    assert_same_answers(kind(20, random_state=0).fit(X, y), X, "predict_proba")


@pytest.mark.parametrize("kind", _direct_forest._Regressor.__subclasses__())
def test_trees_that_are_asked_directly_say_the_same_of_values(kind, data):
    X, _ = data
    assert_same_answers(kind(20, random_state=0).fit(X, X[:, 0]), X, "predict")


def assert_same_answers(forest, X, method):
    library_method = getattr(type(forest).__mro__[2], method)
    for rows in (X, csr_matrix(X)):
        ours, theirs = getattr(forest, method)(rows), library_method(forest, rows)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        assert ours.shape == theirs.shape
    if is_classifier(forest):
        np.testing.assert_array_equal(
            forest.predict(X), forest.classes_[forest.predict_proba(X).argmax(1)]
        )
