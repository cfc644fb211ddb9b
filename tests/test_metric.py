import numpy as np
import pytest
from sklearn.metrics import get_scorer, make_scorer, mean_pinball_loss

from automodel.metric import _FAST, Metric
from automodel.task import Task

BINARY = Task("binary", 60, 3, 2)
MULTI = Task("multiclass", 60, 3, 3)
REGRESSION = Task("regression", 60, 3)


def make_prediction(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), size=60)
    y = np.array([rng.choice(n_classes, p=p) for p in proba])
    return y, proba, rng.uniform(0.1, 2.0, size=60)


def sklearn_score(name, y, prediction, weight, classes=None):
    scorer = get_scorer(name)
    response = scorer._response_method
    if classes is not None and "predict_proba" in response:
        target = prediction[:, 1] if name == "roc_auc" else prediction
    elif classes is not None:
        target = prediction.argmax(axis=1)
    else:
        target = prediction
    score = scorer._score_func(y, target, sample_weight=weight, **scorer._kwargs)
    return scorer._sign * score


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["neg_log_loss", "roc_auc", "accuracy"])
def test_fast_scores_of_classes_equal_those_of_scikit_learn(name, weighted):
    y, proba, weight = make_prediction(2)
    weight = weight if weighted else None
    metric = Metric.from_scoring(name, BINARY, np.array(["a", "b"]))
    assert metric._fast is not None
    expected = sklearn_score(name, y, proba, weight, metric.classes)
    assert metric.score(y, proba, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [n for n in _FAST if "error" in n])
def test_fast_scores_of_values_equal_those_of_scikit_learn(name, weighted):
    rng = np.random.default_rng(1)
    y, prediction, weight = rng.normal(size=(3, 60))
    weight = np.abs(weight) if weighted else None
    metric = Metric.from_scoring(name, REGRESSION)
    expected = sklearn_score(name, y, prediction, weight)
    assert metric.score(y, prediction, weight) == pytest.approx(expected, rel=1e-12)


def test_roc_auc_counts_ties_as_half():
    metric = Metric.from_scoring("roc_auc", BINARY, np.array([0, 1]))
    y = np.array([0, 1, 0, 1])
    proba = np.full((4, 2), 0.5)
    assert metric.score(y, proba) == 0.5
    assert metric.score(y, proba, np.array([1.0, 2.0, 3.0, 4.0])) == 0.5


@pytest.mark.parametrize("name", ["roc_auc_ovr", "f1_macro", "neg_brier_score"])
def test_scorers_without_a_fast_form_answer_from_the_prediction(name):
    y, proba, _ = make_prediction(3)
    classes = np.array(["x", "y", "z"])
    metric = Metric.from_scoring(name, MULTI, classes)
    assert np.isfinite(metric.score(y, proba))


def test_log_loss_of_rows_without_one_class_is_finite():
    y, proba, _ = make_prediction(3)
    rows = y != 2
    metric = Metric.from_scoring("neg_log_loss", MULTI, np.array([0, 1, 2]))
    assert np.isfinite(metric.score(y[rows], proba[rows]))


def test_scorer_objects_and_plain_callables_are_accepted():
    y = np.arange(5.0)
    scorer = make_scorer(mean_pinball_loss, greater_is_better=False, alpha=0.9)
    metric = Metric.from_scoring(scorer, REGRESSION)
    assert metric.name == "mean_pinball_loss"
    assert metric.score(y, y - 1) == pytest.approx(-0.9)

    def largest_error(estimator, X, y):
        return -np.abs(estimator.predict(X) - y).max()

    metric = Metric.from_scoring(largest_error, REGRESSION)
    assert metric.name == "largest_error"
    assert metric.score(y, y + 2, np.ones(5)) == -2.0


def test_the_name_of_a_known_scorer_object_is_recognised():
    metric = Metric.from_scoring(get_scorer("roc_auc"), BINARY, np.array([0, 1]))
    assert metric.name == "roc_auc"
    assert metric._fast is not None


def test_an_unknown_scorer_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'roc_auc'"):
        Metric.from_scoring("roc_acu", BINARY)


def test_roc_auc_of_three_classes_is_refused_with_alternatives():
    with pytest.raises(ValueError, match="roc_auc_ovr"):
        Metric.from_scoring("roc_auc", MULTI)


def test_counts_with_a_zero_have_the_score_of_counts():
    y = np.array([0.0, 1.0, 3.0, 0.0])
    Metric.from_scoring("neg_mean_poisson_deviance", REGRESSION).check(y)


def test_roc_auc_of_classes_leaves_out_one_without_rows():
    y, proba, _ = make_prediction(4)
    metric = Metric.from_scoring(
        "roc_auc_ovr", Task("multiclass", 60, 3, 4), np.arange(4)
    )
    rows = y != 3
    left = proba[rows, :3] / proba[rows, :3].sum(axis=1, keepdims=True)
    expected = sklearn_score("roc_auc_ovr", y[rows], left, None, np.arange(3))
    assert metric.score(y[rows], proba[rows]) == pytest.approx(expected)
