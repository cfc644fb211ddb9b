"""Numbers as a target: their units, their limits and their losses."""

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from automodel.metrics.metric import Metric
from automodel.targets.link import Identity, Log
from automodel.targets.losses import Deviance, Pinball, Squares
from automodel.targets.objective import Objective
from automodel.targets.values import ValueTarget

Y = np.array([1.0, 2.0, 4.0, 8.0])


def target_of(scoring, y=Y):
    return Metric.from_scoring(scoring, ValueTarget(), y).target


def test_logarithms_are_learned_where_the_score_is_of_logarithms():
    target = target_of("neg_mean_squared_log_error")
    encoded = target.encode(Y)
    np.testing.assert_allclose(encoded, np.log1p(Y))
    np.testing.assert_allclose(target.restore(encoded), Y)
    np.testing.assert_allclose(target.decode(encoded[:, None]), Y)
    assert target.decode(encoded[:, None]).shape == (4,)


def test_predictions_are_columns_within_the_limits_of_the_score():
    target = target_of("neg_mean_poisson_deviance")
    model = LinearRegression().fit([[0.0], [1.0]], [-5.0, 5.0])
    prediction = target.predict(model, np.array([[0.0], [1.0]]), None)
    assert prediction.shape == (2, 1)
    assert prediction.dtype == np.float64
    low, _ = target.objective.limits
    np.testing.assert_allclose(prediction[:, 0], [low, 5.0])
    assert low > 0


@pytest.mark.parametrize(
    "scoring, link, loss",
    [
        (None, Identity, Squares),
        ("neg_mean_absolute_error", Identity, Pinball),
        ("neg_mean_gamma_deviance", Log, Deviance),
    ],
)
def test_the_objective_decides_how_models_are_stacked(scoring, link, loss):
    target = target_of(scoring)
    assert isinstance(target.link, link)
    base = target.link.forward(np.full((4, 1), 3.0))
    stacking = target.stacking_loss(Y, base, np.ones(4))
    assert isinstance(stacking, loss)
    assert stacking.limits == (1.0, 8.0)
    assert stacking.first_columns(base).shape == (2, 4, 1)


def test_errors_have_a_sign_and_losses_have_none():
    prediction = np.array([[2.0], [1.0], [4.0], [9.0]])
    np.testing.assert_array_equal(ValueTarget().errors(Y, prediction), [-1, 1, 0, -1])
    np.testing.assert_array_equal(ValueTarget().losses(Y, prediction), [1, 1, 0, 1])


def test_relative_errors_are_learned_by_weights():
    target = target_of("neg_mean_absolute_percentage_error")
    weight = target.training_weight(Y, None)
    np.testing.assert_allclose(weight * Y, weight[0] * Y[0])
    assert ValueTarget().training_weight(Y, None) is None


def test_the_baseline_and_a_constant_target():
    assert target_of("neg_mean_absolute_error").baseline().strategy == "median"
    assert ValueTarget().constant(Y) is None
    assert isinstance(ValueTarget().constant(np.ones(3)), DummyRegressor)


def test_splits_spread_no_labels_and_know_all_rows():
    target = ValueTarget()
    assert target.strata(Y) is None
    columns, y = target.local(Y)
    assert columns is None
    assert y is Y
    assert target.known_rows(columns, Y[2:]).all()
    assert target.is_learnable(columns)


def test_another_objective_makes_another_target():
    target = ValueTarget()
    assert target.learning(Objective("absolute_error")).objective.is_quantile
    assert not target.objective.is_quantile


@pytest.mark.parametrize(
    ("scoring", "least"),
    [
        ("neg_mean_poisson_deviance", 0.0),
        ("neg_mean_gamma_deviance", 0.0),
        ("neg_mean_squared_log_error", 0.0),
        ("neg_root_mean_squared_error", -9.0),
    ],
)
def test_bounds_of_new_values_are_within_the_domain(scoring, least):
    bounds = target_of(scoring).bounds(np.array([[-9.0, 1.0, np.inf]]))
    assert bounds[0, 0] == least
    assert bounds[0, 1] == pytest.approx(np.expm1(1) if "log" in scoring else 1.0)
    assert bounds[0, 2] == np.inf


def test_bounds_of_values_below_zero_are_not_clipped_there():
    target = target_of("neg_mean_squared_log_error", Y - 1.5)
    assert target.bounds(np.full(1, -9.0))[0] == pytest.approx(-0.5)
