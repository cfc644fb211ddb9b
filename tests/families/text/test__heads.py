"""Linear classifiers of TF-IDF, class by class, within a deadline."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached
from automodel.families.text._heads import (
    HEADS,
    _log_ratio,
    fit_complement_nb,
    fit_nb_svm,
    fit_ridge,
    fit_svm,
    parts_in_time,
)
from automodel.families.text._tfidf import TfidfClassifier
from automodel.monitor import Monitor
from tests.conftest import FakeClock

RNG = np.random.default_rng(0)


def rows_of(n_classes, n_rows=200):
    y = RNG.integers(0, n_classes, n_rows)
    y[:n_classes] = np.arange(n_classes)
    rng = np.random.default_rng(1)
    noise = random_array((n_rows, 40), density=0.2, random_state=rng)
    signal = csr_array((np.ones(n_rows), (np.arange(n_rows), y)), shape=(n_rows, 40))
    X = csr_array((noise + signal).astype(np.float32))
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return X, y


def settings(**params):
    return TfidfClassifier(random_state=0, **params)


def fitted(head, n_classes, **params):
    X, y = rows_of(n_classes)
    coef, intercept = head(settings(**params), X, y, np.ones(len(y)), Monitor())
    return X, y, X @ coef.T + intercept


@pytest.mark.parametrize("n_classes", [2, 3, 11])
@pytest.mark.parametrize("head", HEADS)
def test_each_head_tells_the_classes_apart(head, n_classes):
    _, y, decision = fitted(HEADS[head], n_classes, C=1.0)
    assert decision.shape == (200, 1 if n_classes == 2 else n_classes)
    found = decision[:, 0] > 0 if n_classes == 2 else decision.argmax(axis=1)
    assert np.mean(found == y) > 0.9


@pytest.mark.parametrize("n_classes", [2, 9])
def test_machines_of_some_classes_at_a_time_are_those_of_all_at_once(n_classes):
    X, y, decision = fitted(fit_svm, n_classes, C=0.5)
    whole = LinearSVC(C=0.5, tol=1e-6, random_state=0).fit(X, y).decision_function(X)
    np.testing.assert_allclose(decision, whole.reshape(decision.shape), atol=0.02)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_ridge_is_that_of_scikit_learn(n_classes):
    X, y, decision = fitted(fit_ridge, n_classes, C=0.5)
    other = RidgeClassifier(alpha=2.0, tol=1e-9, solver="sparse_cg").fit(X, y)
    whole = other.decision_function(X).reshape(decision.shape)
    np.testing.assert_allclose(decision, whole, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_naive_bayes_is_that_of_scikit_learn(n_classes):
    X, y, decision = fitted(fit_complement_nb, n_classes)
    found = decision[:, 0] > 0 if n_classes == 2 else decision.argmax(axis=1)
    np.testing.assert_array_equal(found, ComplementNB(alpha=0.3).fit(X, y).predict(X))


def test_the_ratios_of_naive_bayes_tell_which_features_are_of_a_class():
    X, y = rows_of(2)
    ratio = _log_ratio(X, y == 1, np.ones(len(y)), 1.0)
    assert ratio.argmax() == 1
    assert ratio.argmin() == 0


@pytest.mark.parametrize("head", [fit_svm, fit_ridge, fit_nb_svm])
def test_weights_of_zero_leave_rows_out(head):
    X, y = rows_of(3)
    weight = (np.arange(len(y)) < 150).astype(float)
    some = head(settings(), X[:150], y[:150], np.ones(150), Monitor())[0]
    weighted = head(settings(), X, y, weight, Monitor())[0]
    np.testing.assert_allclose(weighted, some, atol=0.01)


def test_parts_double_until_all_outputs_are_done():
    parts = list(parts_in_time(11, Monitor()))
    assert [part.stop - part.start for part in parts] == [1, 1, 2, 4, 3]
    assert [part.start for part in parts] == [0, 1, 2, 4, 8]


def test_no_part_begins_if_the_others_would_be_late():
    clock = FakeClock()
    monitor = Monitor(Deadline.after(10.0, clock))
    seen = []
    with pytest.raises(DeadlineReached):
        for part in parts_in_time(150, monitor):
            seen.append(part.stop)
            clock.wait(0.1 * (part.stop - part.start))
    assert seen == [1]
    for part in parts_in_time(90, Monitor(Deadline.after(10.0, clock))):
        clock.wait(0.1 * (part.stop - part.start))
