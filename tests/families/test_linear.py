"""Linear models are exact: a weight is as good as a repeated row."""

import numpy as np
import optuna
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.metrics import mean_pinball_loss, mean_tweedie_deviance
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Monitor
from automodel.exceptions import DeadlineReached
from automodel.families import linear
from automodel.families._quantile_linear import QuantileLinearRegressor
from automodel.families.linear import Linear
from automodel.targets.objective import Objective
from tests.conftest import make_task
from tests.families.test_contract import HurriedMonitor

FAMILY = Linear()
DEVIANCES = [
    Objective("poisson", power=1.0),
    Objective("tweedie", power=1.5),
    Objective("gamma", power=2.0),
]
OBJECTIVES = [
    Objective(),
    Objective("absolute_error"),
    Objective("quantile", quantile=0.9),
    *DEVIANCES,
]


def rows(kind):
    if kind == "regression":
        return make_regression(60, 6, noise=10, random_state=0)
    return make_classification(
        60,
        6,
        n_informative=4,
        n_classes=3 if kind == "multiclass" else 2,
        random_state=0,
    )


def fit(kind, X, y, weight=None, monitor=None):
    n_classes = 0 if kind == "regression" else int(y.max()) + 1
    estimator = FAMILY.estimator(make_task(kind, *X.shape, n_classes=n_classes), 0)
    monitor = Monitor() if monitor is None else monitor
    return FAMILY.fit(estimator, X, y, sample_weight=weight, monitor=monitor)


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_weight_is_a_repeated_row(kind, container):
    X, y = rows(kind)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    # A row of each class stays, so that both fits see all of them.
    weight[:10] = 1
    repeated = np.repeat(np.arange(len(y)), weight)
    weighted = fit(kind, container(X), y, weight.astype(float))
    doubled = fit(kind, container(X[repeated]), y[repeated])
    np.testing.assert_allclose(weighted.coef_, doubled.coef_, rtol=1e-6, atol=1e-6)


def test_wide_rows_are_fitted_with_the_limited_memory_solver():
    X, y = make_classification(80, 700, random_state=0)
    model = fit("binary", X, y)
    assert model.solver == "lbfgs"
    assert model.score(X, y) > 0.95


def test_chunks_reach_the_solution_of_a_single_fit():
    X, y = rows("multiclass")
    chunked = fit("multiclass", X, y, monitor=Monitor(Deadline.after(600)))
    single = fit("multiclass", X, y)
    np.testing.assert_allclose(chunked.coef_, single.coef_, atol=1e-6)


def test_parameters_of_the_search_are_kept():
    X, y = rows("binary")
    model = fit("binary", X, y)
    assert (model.max_iter, model.warm_start, model.C) == (1000, False, 1.0)


@parametrize_with_checks([QuantileLinearRegressor()])
def test_the_linear_quantile_is_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_pinball_loss_is_almost_the_least(quantile, container):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 5))
    y = 1e5 * np.exp(X[:, 0] + rng.normal(size=150))
    best = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y).predict(X)
    model = QuantileLinearRegressor(quantile=quantile, alpha=1e-6)
    ours = model.fit(container(X), y).predict(container(X))
    losses = [mean_pinball_loss(y, answer, alpha=quantile) for answer in (ours, best)]
    assert losses[0] < 1.01 * losses[1]


def test_the_penalty_is_about_that_of_ridge():
    X, y = rows("regression")
    weak, strong = (fit_values(OBJECTIVES[1], X, y, alpha=a) for a in (1e-3, 60.0))
    shrunk = np.linalg.norm(strong.coef_) / np.linalg.norm(weak.coef_)
    assert 0.25 < shrunk < 0.75  # ridge has a half, with a penalty as large as the rows


def test_going_on_gives_the_linear_quantile_of_one_fit():
    X, y = rows("regression")
    whole = QuantileLinearRegressor(quantile=0.8, max_iter=6, tol=0.0).fit(X, y)
    parts = QuantileLinearRegressor(quantile=0.8, max_iter=3, tol=0.0, warm_start=True)
    parts.fit(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.coef_, whole.coef_)


def fit_values(objective, X, y, weight=None, monitor=None, alpha=None):
    task = make_task("regression", *X.shape, objective=objective)
    estimator = FAMILY.estimator(task, 0)
    estimator.set_params(alpha=estimator.alpha if alpha is None else alpha)
    monitor = Monitor() if monitor is None else monitor
    return FAMILY.fit(estimator, X, y, sample_weight=weight, monitor=monitor)


def positive_rows(n_samples=300, seed=0, power=2.0):
    """Return rows whose means are exponentials; powers below 2 have zeros."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4))
    mean = 10 * np.exp(X[:, 0] - 0.5 * X[:, 1])
    if power == 2:
        return X, mean * rng.gamma(2.0, 0.5, n_samples)
    if power == 1:
        return X, rng.poisson(mean).astype(float)
    # Sums of as many gamma variables as a Poisson variable says.
    return X, rng.gamma(np.maximum(rng.poisson(mean), 1e-9), 1.0)


@pytest.mark.parametrize("objective", DEVIANCES, ids=lambda o: o.loss)
def test_a_deviance_is_smaller_than_that_of_squares(objective):
    X, y = positive_rows(power=objective.power)
    X_new, y_new = positive_rows(1000, seed=1, power=objective.power)
    squares = np.maximum(LinearRegression().fit(X, y).predict(X_new), 1e-2 * y.mean())
    for setting in FAMILY.portfolio(
        make_task("regression", *X.shape, objective=objective)
    ):
        ours = fit_values(objective, X, y, **setting).predict(X_new)
        losses = [
            mean_tweedie_deviance(y_new, answer, power=objective.power)
            for answer in (ours, squares)
        ]
        assert losses[0] < 0.9 * losses[1]


@pytest.mark.parametrize("objective", DEVIANCES, ids=lambda o: o.loss)
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
def test_a_deviance_does_not_depend_on_units(objective, container):
    X, y = positive_rows(100, power=objective.power)
    X = container(X)
    small, large = (
        fit_values(objective, X, unit * y).predict(X) / unit for unit in (1e-6, 1e6)
    )
    np.testing.assert_allclose(small, large, rtol=1e-6)


def test_wide_rows_of_a_deviance_take_the_limited_memory_solver(monkeypatch):
    X, y = positive_rows(100)
    narrow = fit_values(DEVIANCES[0], X, y, alpha=0.1)
    monkeypatch.setattr(linear, "NEWTON_SIZE", 3)
    wide = fit_values(DEVIANCES[0], X, y, alpha=0.1)
    assert (narrow.solver, wide.solver) == ("newton-cholesky", "lbfgs")
    np.testing.assert_allclose(wide.predict(X), narrow.predict(X), rtol=1e-3)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.loss)
def test_a_weight_is_a_repeated_row_for_every_loss(objective):
    X, y = positive_rows(100)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    weighted = fit_values(objective, X, y, weight.astype(float))
    doubled = fit_values(objective, X[repeated], y[repeated])
    np.testing.assert_allclose(weighted.coef_, doubled.coef_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.loss)
def test_every_loss_has_settings_inside_its_space(objective):
    task = make_task("regression", 1000, 5, objective=objective)
    for setting in FAMILY.portfolio(task):
        trial = optuna.trial.FixedTrial(setting)
        assert FAMILY.search_space(trial, task) == setting
        assert trial.distributions["alpha"]._contains(setting["alpha"])


@pytest.mark.parametrize("objective", OBJECTIVES[1:], ids=lambda o: o.loss)
def test_steps_that_time_has_cut_are_repeated(objective):
    X, y = positive_rows()
    hurried = HurriedMonitor(1)
    cut = fit_values(objective, X, y, monitor=hurried, alpha=1e-3)
    assert hurried.step_plan_used == [1]
    repeat = Monitor(step_plan=hurried.step_plan_used)
    again = fit_values(objective, X, y, monitor=repeat, alpha=1e-3)
    np.testing.assert_array_equal(again.predict(X), cut.predict(X))
    whole = fit_values(objective, X, y, alpha=1e-3)
    assert not np.allclose(whole.predict(X), cut.predict(X), rtol=1e-3)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.loss)
def test_a_past_deadline_ends_the_fit_of_every_loss(objective):
    with pytest.raises(DeadlineReached):
        fit_values(objective, *positive_rows(50), monitor=Monitor(Deadline.after(0.0)))


def test_ridge_solves_dense_columns_at_once_and_sparse_ones_one_by_one():
    def cost(n_outputs, **facts):
        task = make_task("multioutput", 1000, 20, n_outputs=n_outputs, **facts)
        return FAMILY.cost({}, task)

    assert cost(5) == cost(2)
    assert cost(5, is_sparse=True) > 1.5 * cost(2, is_sparse=True) > 1.5 * cost(2)
