"""Models that cost more than they are worth are left out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.ensemble.blend import Blend, ColumnsBlend
from automodel.ensemble.pruning import TOLERANCE, Pruning
from automodel.ensemble.stacking import Stack
from automodel.targets.link import IDENTITY
from tests.ensemble.makers import (
    class_folds,
    directions,
    make_evaluations,
    make_folds,
)


@pytest.fixture
def folds():
    return make_folds(np.random.default_rng(0).normal(size=400))


def errors_of(n_models, spread=0.01, n_rows=400):
    """Return errors that models have nearly in common."""
    rng = np.random.default_rng(1)
    own = spread * rng.normal(size=(n_models, n_rows))
    return rng.normal(size=n_rows) + own


def pruning_of(folds, errors, weights, **options):
    combiner = Blend.mean(weights)
    return Pruning(combiner, make_evaluations(folds, errors), folds, **options)


def test_what_is_alike_is_left_out_the_most_expensive_first(folds):
    own = pruning_of(folds, errors_of(3, spread=1e-3), [0.4, 0.3, 0.3])
    assert own.pruned(np.array([1.0, 2.0, 3.0])).weights.tolist() == [1, 0, 0]
    assert own.pruned(np.array([3.0, 2.0, 1.0])).weights.tolist() == [0, 0, 1]
    assert own.pruned(np.ones(3)).weights.tolist() == [1, 0, 0]


def test_what_the_score_needs_is_kept(folds):
    errors = np.random.default_rng(1).normal(size=(3, 400))
    own = pruning_of(folds, errors, [0.4, 0.3, 0.3])
    assert own.pruned(np.array([1.0, 2.0, 3.0])).weights.tolist() == [0.4, 0.3, 0.3]


def test_the_score_falls_by_the_tolerance_in_all(folds):
    """Each model alone is worth less than that, and all of them are worth more."""
    apart = np.linalg.qr(np.random.default_rng(1).normal(size=(400, 41)))[0].T
    errors = 20 * (apart[0] + 0.35 * apart[1:])  # the more models, the better
    own = pruning_of(folds, errors, np.full(40, 1 / 40))
    left = own.pruned(np.arange(40.0))
    n_left = np.count_nonzero(left.weights)
    assert 1 < n_left < 40
    oofs = [evaluation.oof for evaluation in own.evaluations]
    before, after = (folds.score(c.predict(oofs)) for c in (own.combiner, left))
    assert before - own.tolerance <= after < before - 0.5 * own.tolerance


def test_the_tolerance_is_a_share_of_the_standard_error(folds):
    own = pruning_of(folds, errors_of(2), [0.5, 0.5])
    expected = TOLERANCE * 1 / np.sqrt(2 * 400)  # of the root of a mean square
    assert own.tolerance == pytest.approx(expected, rel=0.4)
    grouped = replace(folds, groups=np.arange(400) // 100)
    assert math.isfinite(pruning_of(grouped, errors_of(2), [0.5, 0.5]).tolerance)
    alone = replace(folds, groups=np.zeros(400, dtype=int))
    assert pruning_of(alone, errors_of(2), [0.5, 0.5]).tolerance == 0.0


def test_rows_without_weight_do_not_count(folds):
    """On the rows that count both models are alike."""
    errors = errors_of(2, spread=0.0)
    errors[1, ::2] = -errors[1, ::2]
    expenses = np.array([1.0, 2.0])
    assert pruning_of(folds, errors, [0.5, 0.5]).pruned(expenses).weights[1] > 0
    weighted = replace(folds, sample_weight=np.arange(400) % 2.0)
    assert pruning_of(weighted, errors, [0.5, 0.5]).pruned(expenses).weights[1] == 0


def test_models_of_the_stack_alone_are_left_out_too(folds):
    own = pruning_of(folds, errors_of(3), [1.0, 0.0, 0.0])
    stack = Stack(np.array([0.0, 1e-4, 0.9]), 0.0, IDENTITY)
    stacked = replace(own, combiner=replace(own.combiner, stack=stack))
    found = stacked.pruned(np.array([3.0, 2.0, 1.0]))
    assert found.weights.tolist() == [1, 0, 0]
    assert found.stack.coefficients.tolist() == [0, 0, 0]


def test_each_column_keeps_a_model():
    blend = ColumnsBlend([Blend.mean([0.5, 0.5]), Blend.mean([0.0, 1.0])])
    assert blend.without(0).weights.tolist() == [0, 1]
    assert blend.without(1) is None


def test_models_that_are_not_averaged_are_pruned():
    folds, evaluations = directions(60, [10.0, 10.0, 10.0])
    combiner = folds.target.combiner(np.array([0.25, 0.25, 0.5]))
    own = Pruning(combiner, evaluations, folds)
    found = own.pruned(np.array([2.0, 1.0, 3.0]))
    assert found.weights.tolist() == [0, 1, 0]
    assert own.noise(combiner, 0) == math.inf


def test_nothing_is_left_out_once_time_is_over(folds):
    own = pruning_of(folds, errors_of(2), [0.5, 0.5], deadline=Deadline.after(0.0))
    assert own.pruned(np.ones(2)).weights.tolist() == [0.5, 0.5]
    assert own.noise(own.combiner, 0) == math.inf


def test_noise_is_what_many_models_of_other_seeds_would_gain():
    """The variance of a weighted part is taken from the squared error."""
    folds = make_folds(np.random.default_rng(0).normal(size=40_000))
    rng = np.random.default_rng(1)
    common, seeds = rng.normal(size=40_000), rng.normal(size=(3, 40_000))
    errors = [common + 0.3 * seeds[0], common + 0.3 * seeds[1], 2 * seeds[2]]
    own = pruning_of(folds, errors, [0.5, 0.0, 0.5])
    mean = np.sqrt(0.25 * (1 + 0.3**2 + 2**2))
    without = np.sqrt(0.25 * (1 + 2**2))
    assert own.noise(own.combiner, 0) == pytest.approx(mean - without, rel=0.15)
    assert pruning_of(folds, errors[:1], [1.0]).noise(Blend.mean([1.0]), 0) == math.inf


def test_probabilities_of_classes_are_pruned():
    folds = class_folds(300, n_classes=3)
    truth = np.eye(3)[folds.y]
    rng = np.random.default_rng(0)
    common = rng.random((300, 3))
    evaluations = make_evaluations(make_folds(np.zeros(300)), np.zeros((2, 300)))
    for evaluation in evaluations:
        proba = truth + common + 0.01 * rng.random((300, 3))
        evaluation.oof = (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32)
        evaluation.score = folds.score(evaluation.oof)
    own = Pruning(Blend.mean([0.5, 0.5], folds.target.link), evaluations, folds)
    assert own.pruned(np.array([1.0, 2.0])).weights.tolist() == [1, 0]
    assert 0 <= own.noise(own.combiner, 0) < own.tolerance
