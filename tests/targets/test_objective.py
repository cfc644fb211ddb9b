"""What is learned for which score."""

import numpy as np
import pytest
from sklearn.metrics import (
    d2_pinball_score,
    d2_tweedie_score,
    get_scorer,
    make_scorer,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_tweedie_deviance,
)

from automodel.metrics.objectives import is_own_loss, objective_of
from automodel.targets.objective import Objective

LOSSES = {
    "r2": "squared_error",
    "explained_variance": "squared_error",
    "neg_max_error": "squared_error",
    "neg_mean_squared_error": "squared_error",
    "neg_root_mean_squared_error": "squared_error",
    "neg_mean_squared_log_error": "squared_error",
    "neg_root_mean_squared_log_error": "squared_error",
    "neg_mean_absolute_error": "absolute_error",
    "neg_median_absolute_error": "absolute_error",
    "neg_mean_absolute_percentage_error": "absolute_error",
    "d2_absolute_error_score": "absolute_error",
    "neg_mean_poisson_deviance": "poisson",
    "neg_mean_gamma_deviance": "gamma",
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_follows_the_score(name):
    objective = objective_of(get_scorer(name))
    assert objective.loss == LOSSES[name]
    assert objective.is_log == ("log_error" in name)
    assert objective.is_relative == ("percentage" in name)


def loss(function, **options):
    return make_scorer(function, greater_is_better=False, **options)


MADE = [
    (loss(mean_pinball_loss, alpha=0.9), Objective("quantile", quantile=0.9)),
    (loss(mean_pinball_loss), Objective("absolute_error")),
    (make_scorer(d2_pinball_score, alpha=0.1), Objective("quantile", quantile=0.1)),
    (loss(mean_tweedie_deviance), Objective()),
    (loss(mean_tweedie_deviance, power=1), Objective("poisson", power=1.0)),
    (loss(mean_tweedie_deviance, power=1.3), Objective("tweedie", power=1.3)),
    (make_scorer(d2_tweedie_score, power=2), Objective("gamma", power=2.0)),
    (loss(mean_tweedie_deviance, power=3), Objective("gamma", power=3.0)),
    (loss(mean_tweedie_deviance, power=-2), Objective(power=-2.0)),
    (lambda estimator, X, y: 0.0, Objective()),
    (make_scorer(mean_absolute_error), Objective()),  # asks for large errors
]


@pytest.mark.parametrize(
    "scorer, expected", MADE, ids=[getattr(s, "__name__", str(s)) for s, _ in MADE]
)
def test_scorers_that_are_made_are_known(scorer, expected):
    found = objective_of(scorer)
    assert (found.loss, found.quantile, found.power) == (
        expected.loss,
        expected.quantile,
        expected.power,
    )


def test_a_score_that_only_goes_with_its_loss_is_not_its_own():
    assert is_own_loss(get_scorer("neg_mean_absolute_error"))
    assert is_own_loss(get_scorer("d2_absolute_error_score"))
    assert not is_own_loss(get_scorer("neg_median_absolute_error"))
    assert not is_own_loss(get_scorer("neg_max_error"))
    assert not is_own_loss(lambda estimator, X, y: 0.0)


@pytest.mark.parametrize(
    "objective, function, options",
    [
        (Objective(), mean_squared_error, {}),
        (Objective("quantile", quantile=0.2), mean_pinball_loss, {"alpha": 0.2}),
        (Objective("poisson", power=1.0), mean_poisson_deviance, {}),
        (Objective("gamma", power=2.0), mean_gamma_deviance, {}),
        (Objective("tweedie", power=1.7), mean_tweedie_deviance, {"power": 1.7}),
    ],
)
def test_losses_are_those_of_scikit_learn(objective, function, options):
    y, prediction = np.exp(np.random.default_rng(0).normal(size=(2, 50)))
    expected = function(y, prediction, **options)
    assert objective.losses(y, prediction).mean() == pytest.approx(expected)


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective("absolute_error"),
        Objective("quantile", quantile=0.9),
        Objective("poisson", power=1.0),
        Objective("gamma", power=2.0),
    ],
)
def test_the_baseline_is_the_best_constant(objective):
    y = np.exp(np.random.default_rng(0).normal(size=301))
    X = np.zeros((301, 1))
    constant = objective.baseline().fit(X, y).predict(X)[0]
    best = objective.losses(y, np.full(301, constant)).mean()
    for other in np.quantile(y, np.linspace(0.02, 0.98, 49)):
        assert objective.losses(y, np.full(301, other)).mean() >= best - 1e-9


def test_relative_errors_are_weights():
    y = np.array([1.0, 2.0, 4.0, -4.0])
    objective = Objective("absolute_error", is_relative=True)
    weight = objective.weights(y, None)
    np.testing.assert_allclose(weight / weight[0], [1, 0.5, 0.25, 0.25])
    assert weight.mean() == pytest.approx(1)
    twice = objective.weights(y, np.array([2.0, 2.0, 2.0, 4.0]))
    np.testing.assert_allclose(twice / twice[0], [1, 0.5, 0.25, 0.5])
    assert twice.mean() == pytest.approx(2.5)
    assert np.isfinite(objective.weights(np.zeros(3), None)).all()


def test_logarithms_are_learned_and_taken_back():
    y = np.array([0.0, 1.0, 100.0])
    objective = objective_of(get_scorer("neg_mean_squared_log_error")).of_target(y)
    np.testing.assert_allclose(objective.encode(y), np.log1p(y))
    np.testing.assert_allclose(objective.decode(np.log1p(y)), y)
    assert objective.decode(np.array([-5.0]))[0] == 0.0
    assert np.isfinite(objective.decode(np.array([1e6])))
