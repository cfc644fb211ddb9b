"""Regressors learn the loss of the objective, in the units of the target."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from automodel.evaluation.evaluate import Monitor
from automodel.families import all_families
from automodel.targets.objective import Objective
from tests.conftest import make_task

FAMILIES = {n: f for n, f in all_families().items() if not f.missing_libraries()}
# Families whose estimators learn the loss of the objective; small settings for speed.
SETTINGS = {
    "lightgbm": {"learning_rate": 0.1, "num_leaves": 8},
    "xgboost": {"learning_rate": 0.1, "max_depth": 3},
    "catboost": {"learning_rate": 0.1, "depth": 4},
    "hist_gradient_boosting": {"learning_rate": 0.1, "max_leaf_nodes": 8},
}
PENALTIES = {  # what could depend on the unit of the target
    "lightgbm": {"reg_alpha": 1.0, "reg_lambda": 2.0},
    "xgboost": {"reg_alpha": 2.0, "reg_lambda": 5.0, "min_child_weight": 5.0},
    "catboost": {"l2_leaf_reg": 10.0},
    "hist_gradient_boosting": {"l2_regularization": 10.0},
}
SMALL_LEAVES = {
    "lightgbm": {"learning_rate": 0.2, "num_leaves": 60, "min_child_samples": 1},
    "xgboost": {"learning_rate": 0.2, "max_depth": 8, "min_child_weight": 0.001},
    "catboost": {"learning_rate": 0.2, "depth": 8, "l2_leaf_reg": 1e-5},
    "hist_gradient_boosting": {"learning_rate": 0.2},  # cannot limit its steps
}
SQUARES = Objective()
OBJECTIVES = {
    "squares": SQUARES,
    "absolute": Objective("absolute_error"),
    "ninth": Objective("quantile", quantile=0.9),
    "poisson": Objective("poisson", power=1.0),
    "gamma": Objective("gamma", power=2.0),
    "tweedie": Objective("tweedie", power=1.5),
}
TOLERANCE = 1e-4  # for metrics that are computed in single precision
DEVIANCES = ["poisson", "gamma", "tweedie"]


def make_rows(n_samples=800, seed=0):
    """Return rows whose target has a long tail: its mean is far above its median."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, 4))
    noise = 0.5 * rng.normal(size=n_samples)
    return X, 3 * np.exp(1.5 * X[:, 0] + np.sin(3 * X[:, 1]) + noise)


def new_estimator(family, objective, **params):
    task = make_task("regression", 800, 4, objective=objective)
    settings = {family.iteration_param: 150} if family.iteration_param else {}
    return family.estimator(task, 0).set_params(
        **settings | SETTINGS[family.name] | params
    )


def fit(family, objective, X, y, monitor=None, **params):
    estimator = new_estimator(family, objective, **params)
    return family.fit(estimator, X, y, monitor=monitor or Monitor())


def fit_early_stopped(family, objective, **options):
    """Return a model that the rounds of a validation part have stopped."""
    X, y = make_rows()
    monitor = Monitor(valid=(*make_rows(seed=1), None), **options)
    model = fit(family, objective, X, y, monitor)
    used = monitor.steps_used
    return (family.cut(model, used) if family.chooses_rounds else model), monitor


def mean_loss(objective, y, prediction):
    return float(np.mean(objective.losses(y, prediction)))


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture(params=[name for name in SETTINGS if name in FAMILIES])
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(params=OBJECTIVES)
def objective(request, family):
    task = make_task("regression", 800, 4, objective=OBJECTIVES[request.param])
    if not family.supports(task):
        pytest.skip("says that it does not support the loss")
    return OBJECTIVES[request.param]


LOSSES = [
    ("lightgbm", "absolute", {"objective": "regression_l1"}),
    ("lightgbm", "ninth", {"objective": "quantile", "alpha": 0.9}),
    ("lightgbm", "poisson", {"objective": "poisson"}),
    ("lightgbm", "gamma", {"objective": "gamma"}),
    (
        "lightgbm",
        "tweedie",
        {"objective": "tweedie", "tweedie_variance_power": 1.5},
    ),
    ("xgboost", "absolute", {"objective": "reg:absoluteerror"}),
    ("xgboost", "ninth", {"objective": "reg:quantileerror", "quantile_alpha": 0.9}),
    ("xgboost", "poisson", {"objective": "count:poisson"}),
    ("xgboost", "gamma", {"objective": "reg:gamma"}),
    (
        "xgboost",
        "tweedie",
        {"objective": "reg:tweedie", "tweedie_variance_power": 1.5},
    ),
    ("catboost", "absolute", {"loss_function": "MAE"}),
    ("catboost", "ninth", {"loss_function": "Quantile:alpha=0.9"}),
    ("catboost", "poisson", {"loss_function": "Poisson"}),
    ("catboost", "gamma", {"loss_function": "Tweedie:variance_power=1.99"}),
    ("catboost", "tweedie", {"loss_function": "Tweedie:variance_power=1.5"}),
    ("hist_gradient_boosting", "absolute", {"loss": "absolute_error"}),
    ("hist_gradient_boosting", "ninth", {"loss": "quantile", "quantile": 0.9}),
    ("hist_gradient_boosting", "poisson", {"loss": "poisson"}),
    ("hist_gradient_boosting", "gamma", {"loss": "gamma"}),
    ("hist_gradient_boosting", "tweedie", {"loss": "poisson"}),
]


@pytest.mark.parametrize(("name", "asked", "params"), LOSSES)
def test_the_loss_of_an_estimator_is_that_of_the_objective(name, asked, params):
    if name not in FAMILIES:
        pytest.skip("not installed")
    estimator = new_estimator(FAMILIES[name], OBJECTIVES[asked])
    assert estimator.get_params().items() >= params.items()


def test_a_power_below_zero_is_learned_by_the_squares_of_the_library(family):
    squares, negative = (
        new_estimator(family, asked).get_params()
        for asked in (SQUARES, Objective(power=-1.0))
    )
    assert repr(negative) == repr(squares)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_the_objective_of_values_does_not_reach_a_classifier(family, kind):
    if kind not in family.tasks:
        pytest.skip("learns no classes")
    task = make_task(kind, 100, 4, n_classes=3)
    plain, other = (
        family.estimator(replace(task, objective=asked), 0).get_params()
        for asked in (SQUARES, OBJECTIVES["absolute"])
    )
    assert repr(plain) == repr(other)


def test_a_loss_is_smallest_for_the_model_that_has_learned_it(family, objective):
    X, y = make_rows(seed=2)
    asked, _ = fit_early_stopped(family, objective)
    squares, _ = fit_early_stopped(family, SQUARES)
    positive = np.clip(squares.predict(X), 0.05 * y.min(), None)
    reached = mean_loss(objective, y, asked.predict(X))
    if objective.is_quantile:
        assert reached < 0.97 * mean_loss(objective, y, positive)
    else:
        assert reached < 1.02 * mean_loss(objective, y, positive)


def test_a_quantile_covers_its_share_of_the_rows(family):
    X, y = make_rows(seed=2)
    model, _ = fit_early_stopped(family, OBJECTIVES["ninth"])
    assert 0.84 < np.mean(y <= model.predict(X)) < 0.95


@pytest.mark.parametrize("unit", [1e-5, 1e6])
def test_the_unit_of_the_target_is_that_of_the_predictions_alone(
    family, objective, unit
):
    if family.name == "xgboost" and objective == SQUARES and unit < 1:
        pytest.skip("the library takes a gain below 1e-6 for none")
    X, y = make_rows(400)
    params = PENALTIES.get(family.name, {})
    plain = fit(family, objective, X, y, **params).predict(X)
    other = fit(family, objective, X, unit * y, **params).predict(X)
    assert np.isfinite(other).all()
    assert other.min() > 0 or not objective.is_deviance
    np.testing.assert_allclose(
        np.std(other / unit - plain) / np.std(plain), 0, atol=0.05
    )


def test_a_penalty_still_lets_a_model_learn(family, objective):
    X, y = make_rows()
    constant = objective.baseline().fit(X, y).predict(X)
    model = fit(family, objective, X, y, **PENALTIES.get(family.name, {}))
    learned = mean_loss(objective, y, model.predict(X))
    assert learned < 0.8 * mean_loss(objective, y, constant)


@pytest.mark.parametrize("asked", DEVIANCES)
def test_the_errors_of_a_deviance_have_no_mean(family, asked):
    learned = OBJECTIVES[asked]
    task = make_task("regression", 800, 4, objective=learned)
    if not family.supports(task):
        pytest.skip("says that it does not support the loss")
    X, y = make_rows()
    mean = fit(family, learned, X, y).predict(X).astype(np.float64)
    weight = mean ** (1 - learned.power)
    assert np.average(y / mean, weights=weight * mean) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("asked", DEVIANCES)
def test_leaves_of_a_few_tiny_targets_are_no_leap(family, asked):
    learned = OBJECTIVES[asked]
    if not family.supports(make_task("regression", 400, 4, objective=learned)):
        pytest.skip("says that it does not support the loss")
    (X, y), (X_new, y_new) = make_rows(400), make_rows(400, seed=2)
    y[::7] *= 1e-3
    params = SMALL_LEAVES.get(family.name, {})
    model = fit(family, learned, X, y, Monitor(n_iterations=10), **params)
    reached = np.log(model.predict(X_new).astype(np.float64) / y_new)
    assert np.quantile(np.abs(reached), 0.99) < np.log(1e4)


@pytest.mark.parametrize("asked", ["poisson", "tweedie"])
def test_targets_of_zero_are_no_error(family, asked):
    X, y = make_rows(300)
    y = np.where(y < np.median(y), 0.0, y)
    model = fit(family, OBJECTIVES[asked], X, y, Monitor(valid=(X, y, None)))
    prediction = model.predict(X)
    assert np.isfinite(prediction).all()
    assert prediction.min() > 0


def test_weights_count_for_every_loss(family, objective):
    X, y = make_rows()
    X = np.random.default_rng(3).uniform(-1, 1, X.shape)  # which tells nothing of y
    weight = np.where(y > np.median(y), 5.0, 0.2)
    estimator, monitor = new_estimator(family, objective), Monitor(n_iterations=10)
    model = family.fit(estimator, X, y, sample_weight=weight, monitor=monitor)
    weighted, plain = (
        float(objective.baseline().fit(X, y, w).predict(X[:1])[0])
        for w in (weight, None)
    )
    usual = float(np.median(model.predict(X)))
    assert abs(usual - weighted) < 0.7 * abs(usual - plain)


@pytest.fixture
def booster(family):
    if not family.chooses_rounds:
        pytest.skip("does not choose rounds")
    return family


def test_early_stopping_follows_the_loss_of_the_objective(booster, objective):
    if booster.name == "hist_gradient_boosting" and objective.loss == "tweedie":
        pytest.skip("learns and follows the Poisson deviance instead")
    X, y = make_rows()
    X_valid, y_valid = make_rows(seed=1)
    weight = np.random.default_rng(0).uniform(0.2, 5.0, len(y_valid))
    monitor = Monitor(valid=(X_valid, y_valid, weight))
    model = fit(booster, objective, X, y, monitor)
    curve = [
        np.average(objective.losses(y_valid, cut.predict(X_valid)), weights=weight)
        for cut in (booster.cut(model, n) for n in range(1, monitor.steps_used + 15))
    ]
    assert curve[monitor.steps_used - 1] == pytest.approx(min(curve), rel=TOLERANCE)
    assert curve[0] > 1.1 * min(curve)


def test_a_model_of_constant_columns_predicts_the_best_constant(booster, objective):
    _, y = make_rows(200)
    X = np.ones((len(y), 2))
    model = fit(booster, objective, X, y, Monitor(valid=(X, y, None)))
    best = objective.baseline().fit(X, y).predict(X[:1])
    cut = booster.cut(model, 1)
    np.testing.assert_allclose(cut.predict(X[:1]), best, rtol=0.05)
