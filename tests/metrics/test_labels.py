"""Scores of several labels a row, and thresholds that suit them."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import (
    f1_score,
    fbeta_score,
    get_scorer,
    jaccard_score,
    log_loss,
    make_scorer,
    roc_auc_score,
)

from automodel.clock import Deadline
from automodel.metrics.labels import thresholds_of_labels
from automodel.metrics.metric import Metric
from automodel.targets.labels import LabelsTarget

SHARES = np.array([0.05, 0.3, 0.6])
TARGET = LabelsTarget(3)
AVERAGES = ("macro", "micro", "weighted", "samples")


def make_rows(n_rows=500, seed=0):
    """Return labels of unequal shares, calibrated probabilities and weights."""
    rng = np.random.default_rng(seed)
    logits = np.log(SHARES / (1 - SHARES)) + rng.normal(size=(n_rows, 3))
    proba = 1 / (1 + np.exp(-logits))
    y = (rng.uniform(size=proba.shape) < proba).astype(int)
    return y, proba, rng.uniform(0.5, 2.0, n_rows)


def metric_of(scoring):
    return Metric.from_scoring(scoring, TARGET)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "scoring",
    [
        None,
        "neg_log_loss",
        make_scorer(log_loss, response_method="predict_proba", greater_is_better=False),
    ],
    ids=["default", "name", "scorer"],
)
def test_the_log_loss_is_the_mean_of_those_of_the_labels(scoring, weighted):
    y, proba, weight = make_rows()
    weight = weight if weighted else None
    metric = metric_of(scoring)
    expected = np.mean(
        [log_loss(y[:, j], proba[:, j], sample_weight=weight) for j in range(3)]
    )
    assert metric.name == "neg_log_loss"
    assert metric.score(y, proba, weight) == pytest.approx(-expected)
    assert metric._call_scorer(y, proba, weight) == pytest.approx(-expected)
    assert not metric.needs_threshold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert log_loss(y, proba) != pytest.approx(expected, rel=0.1)


def test_a_score_that_scikit_learn_gets_wrong_is_refused():
    with pytest.raises(ValueError, match="not defined for several labels"):
        metric_of("d2_log_loss_score")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "average_precision"])
def test_scores_are_those_of_scikit_learn(name, weighted):
    y, proba, weight = make_rows()
    weight = weight if weighted else None
    metric, scorer = metric_of(name), get_scorer(name)
    answer = (proba > 0.5).astype(int) if name == "accuracy" else proba
    expected = scorer._score_func(y, answer, sample_weight=weight)
    assert metric.score(y, proba, weight) == pytest.approx(expected)
    assert metric._call_scorer(y, proba, weight) == pytest.approx(expected)


def test_roc_auc_leaves_out_labels_of_one_value():
    y, proba, _ = make_rows()
    y[:, 0] = 0
    rest = Metric.from_scoring("roc_auc", LabelsTarget(2))
    assert metric_of("roc_auc").score(y, proba) == rest.score(y[:, 1:], proba[:, 1:])
    assert np.isnan(metric_of("roc_auc").score(np.zeros_like(y), proba))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(
    "function, options",
    [(f1_score, {}), (fbeta_score, {"beta": 2.0}), (jaccard_score, {})],
)
def test_formulas_equal_scikit_learn(function, options, average, weighted):
    y, proba, weight = make_rows()
    weight = weight if weighted else None
    answers = (proba > 0.4).astype(int)
    metric = metric_of(make_scorer(function, average=average, **options))
    expected = function(
        y, answers, average=average, sample_weight=weight, zero_division=0, **options
    )
    assert metric.needs_threshold
    assert metric.score_decided(y, answers, weight) == pytest.approx(expected)


@pytest.mark.parametrize("average", AVERAGES)
def test_models_are_compared_at_their_best_thresholds(average):
    y, proba, _ = make_rows()
    metric = metric_of(f"f1_{average}")
    best = metric.score(y, proba)
    steps = np.linspace(0.05, 0.95, 19)
    common = [metric.score_decided(y, proba > step) for step in steps]
    assert best >= max(common) - 1e-12
    if average in ("macro", "weighted"):
        each = [
            f1_score(y, proba > step, average=None, zero_division=0) for step in steps
        ]
        weights = y.sum(axis=0) if average == "weighted" else None
        assert best >= np.average(np.max(each, axis=0), weights=weights) - 1e-12


@pytest.mark.parametrize(
    "scoring", ["f1_macro", "f1_micro", "f1_samples", "jaccard_macro"]
)
def test_thresholds_are_better_on_other_rows(scoring):
    metric = metric_of(scoring)
    y, proba, _ = make_rows(2000)
    thresholds = metric.choose_decision(y, proba)
    y, proba, _ = make_rows(2000, seed=1)
    plain = metric.score_decided(y, TARGET.decided(proba, None))
    chosen = metric.score_decided(y, TARGET.decided(proba, thresholds))
    assert thresholds.shape == (3,)
    assert chosen > plain + 0.02
    if scoring in ("f1_micro", "f1_samples"):
        assert len(set(thresholds)) == 1
    else:
        assert thresholds[0] < thresholds[2]


def test_thresholds_that_bring_nothing_are_one_half():
    y, proba, _ = make_rows(400)
    certain = 0.98 * y + 0.01
    np.testing.assert_array_equal(
        thresholds_of_labels(metric_of("f1_macro"), y, certain), 0.5
    )
    over = Deadline(0.0)
    found = thresholds_of_labels(metric_of("f1_macro"), y, proba, deadline=over)
    np.testing.assert_array_equal(found, 0.5)


def test_rows_without_a_prediction_choose_no_threshold():
    y, proba, weight = make_rows(800)
    metric = metric_of("f1_macro")
    expected = thresholds_of_labels(metric, y[:600], proba[:600], weight[:600])
    proba[600:] = np.nan
    np.testing.assert_allclose(
        thresholds_of_labels(metric, y, proba, weight), expected, atol=0.1
    )


def test_a_score_of_two_classes_is_refused_with_its_cause():
    y, _, _ = make_rows()
    with pytest.raises(ValueError, match="multilabel target: .*'neg_log_loss'"):
        metric_of("f1").check(y)


@pytest.mark.parametrize("scoring", ["f1_macro", "roc_auc", "neg_log_loss"])
def test_a_mean_over_labels_is_known_as_one(scoring):
    y, proba, weight = make_rows()
    metric = metric_of(scoring)
    each = [
        metric.of_column(i).score(y[:, [i]], proba[:, [i]], weight) for i in range(3)
    ]
    assert np.mean(each) == pytest.approx(metric.score(y, proba, weight))


@pytest.mark.parametrize("scoring", ["f1_weighted", "f1_samples", "accuracy"])
def test_other_scores_are_of_all_labels_together(scoring):
    assert metric_of(scoring).of_column(0) is None


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "roc_auc_ovo"])
def test_a_label_of_one_value_has_no_part_in_the_area(scoring):
    y, proba, _ = make_rows()
    y[:, 1] = 0
    metric = metric_of(scoring)
    metric.check(y)
    expected = roc_auc_score(y[:, [0, 2]], proba[:, [0, 2]])
    assert metric.score(y, proba) == pytest.approx(expected)


def test_a_score_that_a_label_of_one_value_spoils_is_refused():
    y, _, _ = make_rows()
    y[:, 1] = 1
    with pytest.raises(ValueError, match="roc_auc_ovr_weighted.*one value only"):
        metric_of("roc_auc_ovr_weighted").check(y)


def test_certain_probabilities_have_a_score():
    y, _, _ = make_rows()
    beyond = y + 2e-16
    assert metric_of("neg_brier_score").score(y, beyond) == pytest.approx(0.0)


def test_scorers_that_silence_warnings_choose_thresholds_as_well():
    quiet = make_scorer(f1_score, average="macro", zero_division=0)
    assert metric_of(quiet).needs_threshold
