"""A scorer is called with predictions in place of an estimator."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, get_scorer, make_scorer, roc_auc_score

from automodel.metrics.pooled_scorer import PooledScorer
from automodel.targets.classes import ClassTarget
from automodel.targets.values import ValueTarget

Y = np.array([0, 1, 2, 1, 0, 2])
PROBA = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
LABELS = np.array(["a", "b", "c"])


def test_a_callable_gets_answers_row_numbers_and_the_labels_of_the_user():
    def own(estimator, X, y):
        assert X.tolist() == [[0], [1], [2], [3], [4], [5]]
        assert y.tolist() == LABELS[Y].tolist()
        return accuracy_score(y, estimator.predict(X))

    score = PooledScorer(own, ClassTarget(LABELS))(Y, PROBA)
    assert score == np.mean(PROBA.argmax(axis=1) == Y)


def test_weights_are_passed_to_scores_that_have_them():
    def plain(y_true, y_pred):
        return float(len(y_true))

    weight = np.arange(6.0)
    target, prediction = ValueTarget(), np.zeros((6, 1))
    unweighted = PooledScorer(make_scorer(plain), target)
    assert not unweighted.takes_weight
    assert unweighted(Y.astype(float), prediction, weight) == 6.0
    squares = PooledScorer(get_scorer("neg_mean_squared_error"), target)
    expected = -np.average(Y**2, weights=weight)
    assert squares(Y.astype(float), prediction, weight) == pytest.approx(expected)


def test_a_class_without_rows_has_no_part_in_the_area_under_the_curve():
    y = np.array([0, 1, 1, 1, 0, 0])
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), size=6)
    y[:2] = 3
    score = PooledScorer(get_scorer("roc_auc_ovr"), ClassTarget(np.arange(4)))(y, proba)
    known = proba[:, [0, 1, 3]]
    known = known / known.sum(axis=1, keepdims=True)
    expected = roc_auc_score(y, known, multi_class="ovr", labels=[0, 1, 3])
    assert score == pytest.approx(expected)


def test_the_log_loss_of_a_part_without_some_classes_knows_all_of_them():
    scorer = PooledScorer(get_scorer("neg_log_loss"), ClassTarget(LABELS))
    expected = np.mean(np.log(PROBA[[0, 4], 0]))
    assert scorer(Y[[0, 4]], PROBA[[0, 4]]) == pytest.approx(expected)
