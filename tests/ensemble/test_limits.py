"""What the models of an ensemble may cost together."""

import numpy as np
import pytest

from automodel.ensemble.combine import fit_combiner
from automodel.ensemble.judging import judged
from automodel.ensemble.limits import Limits
from automodel.ensemble.selection import fit_blend, select_weights
from automodel.ensemble.stacking import fit_stack
from automodel.targets.values import ValueTarget
from tests.ensemble.makers import directions, make_evaluations, make_folds


def limits(*costs):
    return Limits(np.array(costs, dtype=float).reshape(len(costs), -1), np.ones(1))


@pytest.fixture
def folds():
    return make_folds(np.random.default_rng(0).normal(size=400))


def noise(n_models, seed=1):
    return np.random.default_rng(seed).normal(size=(n_models, 400))


def is_used(*models, n=3):
    return np.isin(np.arange(n), models)


def test_what_is_used_is_affordable_and_the_rest_must_fit():
    own = limits(0.6, 0.5, 0.4)
    assert own.affordable().tolist() == [True, True, True]
    assert own.affordable(is_used(0)).tolist() == [True, False, True]
    assert own.after(is_used(0)).affordable().tolist() == [True, False, True]
    assert own.after(is_used(0)).after(is_used(0)).left == pytest.approx(0.4)


def test_each_limit_counts():
    own = Limits(np.array([[0.5, 0.1], [0.1, 0.9], [0.4, 0.9]]), np.ones(2))
    assert own.affordable(is_used(0)).tolist() == [True, True, True]
    assert own.affordable(is_used(0, 1)).tolist() == [True, True, False]


def test_the_cheapest_is_affordable_if_none_is_within_the_limits():
    assert limits(3.0, 2.0, 4.0).affordable().tolist() == [False, True, False]
    assert limits(3.0, 2.0, 4.0).affordable(is_used(1)).tolist() == [False, True, False]


def test_the_selection_takes_only_what_is_left(folds):
    errors = noise(1)[0]
    evaluations = make_evaluations(folds, [0.9 * errors, -errors, -1.5 * errors])
    free = select_weights(evaluations, folds)
    assert free[:2] == pytest.approx([0.53, 0.47], abs=0.05)
    weights = select_weights(evaluations, folds, limits=limits(0.6, 0.5, 0.3))
    assert weights == pytest.approx([0.62, 0.0, 0.38], abs=0.05)


def test_bags_share_the_limits(folds):
    """Models that are equally good are chosen by chance, each in some bags."""
    evaluations = make_evaluations(folds, noise(8))
    assert np.count_nonzero(select_weights(evaluations, folds)) == 8
    found = select_weights(evaluations, folds, limits=limits(*[0.3] * 8))
    assert np.count_nonzero(found) == 3


def test_a_single_model_is_the_best_within_the_limits(folds):
    evaluations = make_evaluations(folds, noise(3) * np.array([[1], [2], [3]]))
    own = limits(1.1, 0.9, 0.1)
    assert select_weights(evaluations, folds, size=1, limits=own).tolist() == [0, 1, 0]


def test_the_stack_adds_only_what_is_left():
    parts = np.random.default_rng(0).normal(size=(3, 500, 1))
    y, weights = parts.sum(0).ravel(), np.array([1.0, 0.0, 0.0])
    options = {"target": ValueTarget()}
    free = fit_stack(y, parts[0], parts, weights, **options)
    assert np.count_nonzero(free.coefficients[1:]) == 2
    own = fit_stack(
        y, parts[0], parts, weights, **options, limits=limits(0.5, 0.6, 0.5)
    )
    assert own.coefficients[1] == 0.0
    assert own.coefficients[2] > 0.1


def test_the_judgement_has_the_same_limits(folds):
    errors = noise(1)[0]
    evaluations = make_evaluations(folds, [errors, -0.9 * errors])
    assert judged(evaluations, folds, limits=limits(0.6, 0.6)).score < -0.5
    assert judged(evaluations, folds, limits=limits(0.6, 0.4)).score > -0.1


def test_models_that_are_not_averaged_have_limits_too():
    folds, evaluations = directions(60, [10.0, -10.0, -20.0])
    assert fit_combiner(evaluations, folds).weights[:2].min() > 0
    found = fit_combiner(evaluations, folds, limits=limits(0.6, 0.6, 0.3))
    assert found.weights[1] == 0.0
    assert found.weights[2] > 0.0


def test_a_blend_without_limits_is_the_same(folds):
    evaluations = make_evaluations(folds, noise(6))
    plain = fit_blend(evaluations, folds)
    wide = fit_blend(evaluations, folds, limits=limits(*[0.01] * 6))
    np.testing.assert_array_equal(plain.weights, wide.weights)
    np.testing.assert_array_equal(plain.stack.coefficients, wide.stack.coefficients)
