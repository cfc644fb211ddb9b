import numpy as np
import pytest
from sklearn.metrics import log_loss

from automodel.ensemble.stacking import N_ADDED, fit_stack
from automodel.targets.classes import ClassTarget
from automodel.targets.link import softmax
from automodel.targets.values import ValueTarget


def values(n_rows=300, n_models=8, seed=0):
    """Return what is to be predicted and models whose errors have a part in common."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n_rows)
    shared = rng.normal(size=n_rows)
    scale = np.linspace(0.2, 1.0, n_models)[:, None]
    noise = 0.3 * rng.normal(size=(n_models, n_rows))
    return y, (y + scale * shared + noise)[..., None]


def classes(n_rows=600, n_models=4, seed=0):
    """Return classes and models that each know a part of the log odds."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n_models, n_rows, 3))
    true = softmax(parts.sum(axis=0))
    y = (true.cumsum(axis=1) < rng.random((n_rows, 1))).sum(axis=1)
    return y, np.stack([softmax(part) for part in parts])


def uniform(n_models, n_used):
    return np.r_[np.full(n_used, 1 / n_used), np.zeros(n_models - n_used)]


def rmse(y, prediction):
    return np.sqrt(np.mean((y - prediction.ravel()) ** 2))


def mixed_of(weights, models):
    return np.tensordot(weights, models, axes=1)


def stack_of(y, mixed, models, weights, sample_weight=None):
    target = ValueTarget() if mixed.shape[1] == 1 else ClassTarget(np.arange(3))
    return fit_stack(y, mixed, models, weights, sample_weight, target=target)


def test_errors_that_models_share_are_taken_off_on_new_rows():
    y, models = values()
    weights = uniform(8, 2)
    stack = stack_of(y, mixed_of(weights, models), models, weights)
    new_y, new = values(seed=1)
    mixed = mixed_of(weights, new)
    assert rmse(new_y, stack.predict(mixed, new)) < 0.8 * rmse(new_y, mixed)
    assert stack.coefficients.min() < 0


def test_few_models_join_those_of_the_mixture():
    y, models = values()
    weights = uniform(8, 2)
    stack = stack_of(y, mixed_of(weights, models), models, weights)
    assert np.count_nonzero(stack.coefficients) == 2 + N_ADDED
    short = stack_of(y, mixed_of(weights[:3], models[:3]), models[:3], weights[:3])
    assert np.count_nonzero(short.coefficients) == 3


def test_logarithms_of_probabilities_that_add_up_are_added():
    y, models = classes()
    weights = uniform(4, 4)
    stack = stack_of(y, mixed_of(weights, models), models, weights)
    new_y, new = classes(seed=1)
    mixed = np.tensordot(weights, new, axes=1)
    stacked = stack.predict(mixed, new)
    assert stacked.sum(axis=1) == pytest.approx(1)
    assert log_loss(new_y, stacked) < 0.9 * log_loss(new_y, mixed)


@pytest.mark.parametrize("make", [values, classes])
def test_noise_moves_little(make):
    rng = np.random.default_rng(0)
    y, models = make(n_rows=60)
    weights = uniform(len(models), 2)
    mixed = mixed_of(weights, models)
    y = rng.permutation(y)
    stack = stack_of(y, mixed, models, weights)
    assert np.abs(stack.coefficients).max() < 0.6


def test_a_weight_of_two_counts_as_two_rows():
    for y, models in (values(n_rows=100), classes(n_rows=100)):
        weights = uniform(len(models), 3)
        mixed = np.tensordot(weights, models, axes=1)
        weight = np.random.default_rng(0).integers(1, 4, size=100)
        rows = np.repeat(np.arange(100), weight)
        weighted = stack_of(y, mixed, models, weights, weight)
        repeated = stack_of(y[rows], mixed[rows], models[:, rows], weights)
        assert weighted.coefficients == pytest.approx(repeated.coefficients, abs=1e-6)
        assert weighted.slope == pytest.approx(repeated.slope, abs=1e-6)
        assert weighted.offset == pytest.approx(repeated.offset, abs=1e-6)


def test_units_of_the_target_do_not_matter():
    y, models = values()
    weights = uniform(8, 3)
    one = stack_of(y, mixed_of(weights, models), models, weights)
    other = stack_of(
        5e6 + 1000 * y,
        5e6 + 1000 * mixed_of(weights, models),
        5e6 + 1000 * models,
        weights,
    )
    assert other.coefficients == pytest.approx(one.coefficients, abs=1e-3)
    expected = 5e6 + 1000 * one.predict(mixed_of(weights, models), models)
    found = other.predict(5e6 + 1000 * mixed_of(weights, models), 5e6 + 1000 * models)
    assert found == pytest.approx(expected, rel=1e-3)


def test_the_stack_does_not_lead_beyond_what_was_seen():
    y, models = values()
    weights = uniform(8, 2)
    stack = stack_of(y, mixed_of(weights, models), models, weights)
    wild = models[:, :3].copy()
    wild[2:, :, 0] = [[-1e6, 0.0, 1e6]]
    mixed = np.array([[0.0], [1.0], [y.max() + 3]])
    stacked = stack.predict(mixed, wild).ravel()
    assert (stacked >= y.min()).all()
    assert (stacked <= [y.max(), y.max(), y.max() + 3]).all()


def test_a_constant_target_and_a_mixture_that_is_right_stay():
    y = np.full(20, 3.0)
    models = np.full((3, 20, 1), 3.0)
    weights = uniform(3, 2)
    stack = stack_of(y, models[0], models, weights)
    assert stack.predict(models[0], models).ravel() == pytest.approx(y)


def test_models_can_be_taken_in_another_order():
    y, models = values()
    weights = uniform(8, 2)
    stack = stack_of(y, mixed_of(weights, models), models, weights)
    order = np.flatnonzero(stack.coefficients)[::-1]
    stacked = stack.take(order).predict(mixed_of(weights, models), models[order])
    assert stacked == pytest.approx(stack.predict(mixed_of(weights, models), models))
