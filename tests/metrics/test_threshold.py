"""Labels are made as their score rewards it, and as likely as not otherwise."""

import numpy as np
import pytest
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    get_scorer,
    make_scorer,
    zero_one_loss,
)

from automodel.clock import Deadline
from automodel.metrics.metric import Metric
from automodel.targets.classes import ClassTarget, labels_of

N_ROWS = 3000


def metric_of(scoring, n_classes):
    return Metric.from_scoring(scoring, ClassTarget(np.arange(n_classes)))


def score_of(metric, y, labels):
    return metric.score_decided(y, metric.target.truth(labels))


def make_rare(shares, seed, strength=1.0):
    """Return labels of unequal classes and calibrated probabilities."""
    rng = np.random.default_rng(seed)
    logits = np.log(shares) + strength * rng.normal(size=(N_ROWS, len(shares)))
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.uniform(size=(N_ROWS, 1)) > proba.cumsum(axis=1)).sum(axis=1)
    return y, proba


def profit(y_true, y_pred, sample_weight=None):
    """A found positive earns ten, an answer of positive costs one."""
    value = 10.0 * ((y_true == 1) & (y_pred == 1)) - (y_pred == 1)
    return np.average(value, weights=sample_weight)


SCORES = {
    "f1": ("f1", 2),
    "balanced_accuracy": ("balanced_accuracy", 2),
    "matthews_corrcoef": ("matthews_corrcoef", 2),
    "profit": (make_scorer(profit), 2),
    "f1_macro of three": ("f1_macro", 3),
    "balanced_accuracy of three": ("balanced_accuracy", 3),
}


@pytest.mark.parametrize("scoring, n_classes", SCORES.values(), ids=SCORES)
def test_weights_are_better_on_other_rows_where_classes_are_rare(scoring, n_classes):
    metric = metric_of(scoring, n_classes)
    shares = np.array([0.9, 0.07, 0.03])[:n_classes]
    weights = metric.choose_decision(*make_rare(shares, seed=0))
    y, proba = make_rare(shares, seed=1)
    plain = score_of(metric, y, proba.argmax(axis=1))
    assert weights[0] < weights[1]
    assert score_of(metric, y, labels_of(proba, weights)) > plain + 0.02


def test_the_threshold_of_f1_is_half_of_its_best_value():
    """Zhao et al. (2013), Beyond Fano's inequality."""
    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    weights = metric_of("f1", 2).choose_decision(y, proba)
    best = f1_score(y, labels_of(proba, weights))
    assert weights[0] / weights.sum() == pytest.approx(best / 2, abs=0.06)


def test_balanced_accuracy_weighs_by_the_shares_of_the_classes():
    shares = np.array([0.9, 0.07, 0.03])
    y, proba = make_rare(shares, seed=0)
    weights = metric_of("balanced_accuracy", 3).choose_decision(y, proba)
    by_share = 1 / np.bincount(y)
    ours, best = (
        balanced_accuracy_score(y, labels_of(proba, w)) for w in (weights, by_share)
    )
    assert ours == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("scoring", ["accuracy", "recall", "roc_auc", "neg_log_loss"])
def test_other_scores_leave_the_likeliest_class(scoring):
    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    assert metric_of(scoring, 2).choose_decision(y, proba) is None


def test_weights_that_are_not_better_on_other_rows_are_not_used():
    """The likeliest class is best for errors: other weights only fit the noise."""
    metric = metric_of(make_scorer(zero_one_loss, greater_is_better=False), 3)
    assert metric.needs_threshold
    used = []
    for seed in range(8):
        y, proba = make_rare(np.ones(3) / 3, seed)
        weights = metric.choose_decision(y[:60], proba[:60])
        used.append(not np.array_equal(weights, np.ones(3)))
    assert np.mean(used) < 0.5


def test_sample_weights_count():
    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    metric = metric_of("f1", 2)
    plain = metric.choose_decision(y, proba)
    frequent = metric.choose_decision(y, proba, np.where(y == 1, 10.0, 1.0))
    assert frequent[0] / frequent.sum() < plain[0] / plain.sum()


def test_rows_without_a_prediction_are_left_out():
    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    with_gaps, rows = proba.copy(), np.arange(0, N_ROWS, 3)
    with_gaps[rows] = np.nan
    assert np.isfinite(metric_of("f1", 2).choose_decision(y, with_gaps)).all()


def test_a_score_that_cannot_be_told_leaves_the_likeliest_class():
    def of_whole_columns(y_true, y_pred, sample_weight=None):
        raise IndexError(len(y_true))

    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    for n_classes in (2, 3):
        metric = metric_of(make_scorer(of_whole_columns), n_classes)
        wide = np.column_stack([proba, np.zeros(len(y))])[:, :n_classes]
        np.testing.assert_array_equal(metric.choose_decision(y, wide), 1)


def test_no_time_leaves_the_likeliest_class():
    y, proba = make_rare(np.array([0.9, 0.1]), seed=0)
    late = Deadline.after(-1.0)
    weights = metric_of("f1", 2).choose_decision(y, proba, deadline=late)
    np.testing.assert_array_equal(weights, 1)


def test_a_confusion_matrix_has_the_score_of_its_labels():
    y, proba = make_rare(np.array([0.5, 0.3, 0.2]), seed=0)
    metric = metric_of("f1_macro", 3)
    labels = proba.argmax(axis=1)
    expected = get_scorer("f1_macro")._score_func(y, labels, average="macro")
    assert score_of(metric, y, labels) == pytest.approx(expected)
