import numpy as np
import pytest
from sklearn.metrics import (
    d2_tweedie_score,
    get_scorer,
    make_scorer,
    mean_pinball_loss,
    mean_tweedie_deviance,
)

from tests.conftest import make_task
from tests.makers import make_metric

BINARY = make_task("binary", 60, 3, 2)
MULTI = make_task("multiclass", 60, 3, 3)
REGRESSION = make_task("regression", 60, 3)


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
    metric = make_metric(name, BINARY, np.array(["a", "b"]))
    assert metric._fast is not None
    expected = sklearn_score(name, y, proba, weight, metric.classes)
    assert metric.score(y, proba, weight) == pytest.approx(expected, rel=1e-12)


MEAN_LOSSES = {
    "neg_mean_squared_error": {},
    "neg_root_mean_squared_error": {},
    "neg_mean_absolute_error": {},
    "neg_mean_absolute_percentage_error": {},
    "neg_mean_squared_log_error": {},
    "neg_root_mean_squared_log_error": {},
    "neg_mean_poisson_deviance": {},
    "neg_mean_gamma_deviance": {},
    "pinball": {"function": mean_pinball_loss, "alpha": 0.2},
    "tweedie": {"function": mean_tweedie_deviance, "power": 1.4},
    "inverse gaussian": {"function": mean_tweedie_deviance, "power": 3},
}


def scorer_of(name, function=None, **options):
    if function is None:
        return get_scorer(name)
    return make_scorer(function, greater_is_better=False, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MEAN_LOSSES)
def test_fast_scores_of_values_equal_those_of_scikit_learn(name, weighted):
    rng = np.random.default_rng(1)
    y, prediction, weight = np.exp(rng.normal(size=(3, 60)))
    weight = weight if weighted else None
    scorer = scorer_of(name, **MEAN_LOSSES[name])
    metric = make_metric(scorer, REGRESSION, y=y)
    assert metric._fast is not None
    encode = metric.target.objective.encode
    expected = scorer._sign * scorer._score_func(
        y, prediction, sample_weight=weight, **scorer._kwargs
    )
    score = metric.score(encode(y), encode(prediction), weight)
    assert score == pytest.approx(expected, rel=1e-12)
    called = metric._pooled(encode(y), encode(prediction), weight)
    assert called == pytest.approx(expected, rel=1e-12)


DOMAINS = [
    "neg_mean_poisson_deviance",
    "neg_mean_gamma_deviance",
    "neg_mean_squared_log_error",
    make_scorer(d2_tweedie_score, power=1.5),
    make_scorer(mean_tweedie_deviance, power=-1, greater_is_better=False),
]


@pytest.mark.parametrize("scoring", DOMAINS, ids=str)
def test_predictions_outside_the_domain_are_brought_into_it(scoring):
    y = np.arange(1.0, 61.0)
    metric = make_metric(scoring, REGRESSION, y=y)
    prediction = metric.target.objective.encode(y).copy()
    prediction[[0, 7]] = -3.0
    assert np.isfinite(metric.score(metric.target.objective.encode(y), prediction))


@pytest.mark.parametrize(
    "scoring, value",
    [
        ("neg_mean_poisson_deviance", -1.0),
        ("neg_mean_gamma_deviance", 0.0),
        ("neg_root_mean_squared_log_error", -1.0),
    ],
)
def test_a_target_outside_the_domain_is_an_error_that_names_the_row(scoring, value):
    y = np.ones(60)
    y[17] = value
    with pytest.raises(ValueError, match=f"{scoring}.*row 17 of y is {value:g}"):
        make_metric(scoring, REGRESSION, y=y)


def test_a_count_of_zero_is_in_the_domain_of_poisson():
    y = np.arange(60.0)
    metric = make_metric("neg_mean_poisson_deviance", REGRESSION, y=y)
    metric.check(y)
    low, _ = metric.target.objective.limits
    assert 0 < low < 1e-2


def test_roc_auc_counts_ties_as_half():
    metric = make_metric("roc_auc", BINARY, np.array([0, 1]))
    y = np.array([0, 1, 0, 1])
    proba = np.full((4, 2), 0.5)
    assert metric.score(y, proba) == 0.5
    assert metric.score(y, proba, np.array([1.0, 2.0, 3.0, 4.0])) == 0.5


@pytest.mark.parametrize("name", ["roc_auc_ovr", "f1_macro", "neg_brier_score"])
def test_scorers_without_a_fast_form_answer_from_the_prediction(name):
    y, proba, _ = make_prediction(3)
    classes = np.array(["x", "y", "z"])
    metric = make_metric(name, MULTI, classes)
    assert np.isfinite(metric.score(y, proba))


def test_log_loss_of_rows_without_one_class_is_finite():
    y, proba, _ = make_prediction(3)
    rows = y != 2
    metric = make_metric("neg_log_loss", MULTI, np.array([0, 1, 2]))
    assert np.isfinite(metric.score(y[rows], proba[rows]))


def test_scorer_objects_and_plain_callables_are_accepted():
    y = np.arange(5.0)
    scorer = make_scorer(mean_pinball_loss, greater_is_better=False, alpha=0.9)
    metric = make_metric(scorer, REGRESSION)
    assert metric.name == "mean_pinball_loss"
    assert metric.score(y, y - 1) == pytest.approx(-0.9)

    def largest_error(estimator, X, y):
        return -np.abs(estimator.predict(X) - y).max()

    metric = make_metric(largest_error, REGRESSION)
    assert metric.name == "largest_error"
    assert metric.score(y, y + 2, np.ones(5)) == -2.0


def test_the_name_of_a_known_scorer_object_is_recognised():
    metric = make_metric(get_scorer("roc_auc"), BINARY, np.array([0, 1]))
    assert metric.name == "roc_auc"
    assert metric._fast is not None


def test_an_unknown_scorer_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'roc_auc'"):
        make_metric("roc_acu", BINARY)


def test_roc_auc_of_three_classes_is_refused_with_alternatives():
    with pytest.raises(ValueError, match="roc_auc_ovr"):
        make_metric("roc_auc", MULTI)


def test_counts_with_a_zero_have_the_score_of_counts():
    y = np.array([0.0, 1.0, 3.0, 0.0])
    make_metric("neg_mean_poisson_deviance", REGRESSION).check(y)


def test_roc_auc_of_classes_leaves_out_one_without_rows():
    y, proba, _ = make_prediction(4)
    metric = make_metric("roc_auc_ovr", make_task("multiclass", 60, 3, 4), np.arange(4))
    rows = y != 3
    left = proba[rows, :3] / proba[rows, :3].sum(axis=1, keepdims=True)
    expected = sklearn_score("roc_auc_ovr", y[rows], left, None, np.arange(3))
    assert metric.score(y[rows], proba[rows]) == pytest.approx(expected)


@pytest.mark.parametrize("scoring", ["f1_macro", "matthews_corrcoef", "f1_micro"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_decides_the_score_of_answers_scores_alike(scoring, weighted):
    metric = make_metric(scoring, make_task("multiclass", 90, 1, n_classes=3))
    rng = np.random.default_rng(0)
    y, weight = rng.integers(3, size=90), rng.uniform(1, 2, 90) if weighted else None
    answers = metric.target.decided(rng.dirichlet(np.ones(3), 90), np.ones(3))
    part = metric.decisive_of_decided(answers)
    assert len(part) == 90
    found = metric.score_decisive_of_decided(y, part, weight)
    assert found == metric.score_decided(y, answers, weight)
    expected = get_scorer(scoring)._score_func
    options = get_scorer(scoring)._kwargs | {"sample_weight": weight}
    assert found == pytest.approx(expected(y, answers.argmax(axis=1), **options))
