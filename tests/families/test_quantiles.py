"""Families other than boosting learn medians and other quantiles where asked to."""

import pickle

import numpy as np
import optuna
import pytest
from sklearn.metrics import mean_absolute_error

from automodel.families.extra_trees import ExtraTrees
from automodel.families.extra_trees_arithmetic import ExtraTreesArithmetic
from automodel.families.knn import NearestNeighbors
from automodel.families.linear import Linear
from automodel.families.random_forest import RandomForest
from automodel.monitor import Monitor
from automodel.targets.objective import Objective
from tests.conftest import make_task
from tests.families.test_contract import HurriedMonitor

MEDIAN = Objective("absolute_error")
NINETIETH = Objective("quantile", quantile=0.9)
FAMILIES = [
    Linear(),
    NearestNeighbors(),
    ExtraTrees(),
    RandomForest(),
    ExtraTreesArithmetic(),
]


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def rows():
    return log_normal(800, seed=0)


def log_normal(n_samples, seed):
    """Return rows whose target has a mean far above its median."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 3))
    return X, np.exp(0.5 * X[:, 0] + rng.normal(size=n_samples))


def fit(family, objective, X, y, monitor=None, sample_weight=None):
    task = make_task("regression", *X.shape, objective=objective)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(family.portfolio(task)[1])
    params = family.search_space(study.ask(), task)
    if family.iteration_param:
        params[family.iteration_param] = 40
    estimator = family.estimator(task, 0).set_params(**params)
    monitor = Monitor() if monitor is None else monitor
    return family.fit(estimator, X, y, sample_weight=sample_weight, monitor=monitor)


def test_the_median_has_smaller_absolute_errors_than_the_mean(family, rows):
    X, y = log_normal(2000, seed=1)
    median, mean = (
        mean_absolute_error(y, fit(family, objective, *rows).predict(X))
        for objective in (MEDIAN, Objective())
    )
    assert median < 0.97 * mean


def test_a_ninetieth_percentile_covers_that_share_of_new_rows(family, rows):
    X, y = log_normal(2000, seed=1)
    covered = np.mean(y <= fit(family, NINETIETH, *rows).predict(X))
    assert 0.86 < covered < 0.94


def test_a_quantile_does_not_depend_on_the_units_of_the_target(family, rows):
    X, y = rows[0][:200], rows[1][:200]
    small, large = (
        fit(family, NINETIETH, X, y * unit).predict(X) / unit for unit in (1e-6, 1e6)
    )
    np.testing.assert_allclose(small, large, rtol=1e-6)


def test_a_constant_target_is_predicted(family, rows):
    X = rows[0][:60]
    for value in (0.0, 7.3):
        answer = fit(family, MEDIAN, X, np.full(60, value)).predict(X)
        np.testing.assert_allclose(answer, value, atol=1e-9)


def test_a_median_survives_pickle_and_is_that_of_a_row_alone(family, rows):
    model = fit(family, MEDIAN, *rows)
    restored = pickle.loads(pickle.dumps(model))
    answer = model.predict(rows[0][:20])
    np.testing.assert_array_equal(restored.predict(rows[0][:20]), answer)
    alone = np.concatenate([model.predict(rows[0][[i]]) for i in range(20)])
    np.testing.assert_allclose(alone, answer, rtol=1e-6)


def test_weights_move_the_median(family, rows):
    X, y = rows[0][:200], rows[1][:200]
    if not family.takes_sample_weight(
        make_task("regression", *X.shape, objective=MEDIAN)
    ):
        pytest.skip("takes no weights")
    weight = np.where(y > np.median(y), 5.0, 0.2)
    weighted = fit(family, MEDIAN, X, y, sample_weight=weight).predict(X)
    assert np.mean(weighted) > 1.2 * np.mean(fit(family, MEDIAN, X, y).predict(X))


@pytest.mark.parametrize("n_looks", [3, 6])
def test_a_training_that_time_has_cut_is_repeated_without_it(family, rows, n_looks):
    X, y = rows
    hurried = HurriedMonitor(n_looks)
    cut = fit(family, NINETIETH, X, y, hurried).predict(X)
    repeat = Monitor(n_iterations=hurried.steps_used, step_plan=hurried.step_plan_used)
    np.testing.assert_array_equal(fit(family, NINETIETH, X, y, repeat).predict(X), cut)


def test_neighbours_refuse_relative_errors():
    relative = Objective("absolute_error", is_relative=True)
    plain = make_task("regression", 500, 5, objective=MEDIAN)
    task = make_task("regression", 500, 5, objective=relative)
    assert NearestNeighbors().supports(plain)
    assert not NearestNeighbors().supports(task)
    assert all(other.supports(task) for other in FAMILIES if other.name != "knn")
