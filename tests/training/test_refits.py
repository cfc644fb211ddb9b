"""Which models of an ensemble are fitted again on all rows."""

import math
from dataclasses import replace

import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.evaluate import Candidate
from automodel.search.workers.work import refit
from automodel.training.allowance import Allowance, ModelCost
from automodel.training.extras import Counts
from automodel.training.refits import (
    N_SEEDS,
    kept_folds,
    plan_refits,
    refits_in_time,
)
from tests.conftest import FakeClock, StubFamily
from tests.evaluation.test_folds import make_folds
from tests.training.makers import class_folds, make_evaluation


def plan(members, best, trials, *, seconds=(), total=math.inf, n_folds=3, **options):
    """Plan refits; `seconds` are what models of the trials cost, of `total`."""
    costs = {n: ModelCost(0.0, 0.0) for n in trials}
    costs |= {n: ModelCost(cost, 0.0) for n, cost in enumerate(seconds)}
    scale = ModelCost(1.0, math.inf)
    allowance = Allowance(ModelCost(total, math.inf), costs, scale)
    options = {"refit": True, "keep_folds": False, **options}
    folds = class_folds(n_folds=n_folds)
    return plan_refits(members, best, trials, folds, allowance, **options)


def planned(*arguments, **options):
    """Return the planned numbers, and which seed of the trial it is."""
    n_before, found = {}, []
    for own in plan(*arguments, **options).refits:
        repeat = n_before.get(own.number, 0)
        n_before[own.number] = repeat + 1
        assert (own.candidate.seed == 7) == (repeat == 0)
        found.append((own.number, repeat))
    return found


def test_each_member_is_refitted_once_before_any_is_again():
    trials = {n: make_evaluation() for n in (3, 1, 2)}
    found = planned([3, 1], 2, trials)
    assert found[:3] == [(3, 0), (1, 0), (2, 0)]
    assert found[3:] == [(n, r) for r in range(1, N_SEEDS) for n in (3, 1)]


def test_each_refit_of_a_member_has_another_seed():
    own = plan([0], 0, {0: make_evaluation()})
    assert len({refit.candidate.seed for refit in own.refits}) == N_SEEDS


def test_models_without_chance_are_refitted_once():
    trials = {0: make_evaluation(is_random=False), 1: make_evaluation(joins_folds=True)}
    assert planned([0, 1], 0, trials) == [(0, 0)]


def test_without_refits_only_the_best_model_is_fitted_on_all_rows():
    trials = {n: make_evaluation() for n in (0, 1)}
    assert planned([0, 1], 1, trials, refit=False) == [(1, 0)]


def test_slow_models_get_fewer_seeds():
    trials = {n: make_evaluation() for n in (0, 1)}
    found = planned([0, 1], 0, trials, seconds=(4.0, 1.0), total=10.0)
    assert found == [(0, 0), (1, 0), (1, 1), (1, 2)]


def test_members_keep_the_models_of_their_folds_while_there_is_room():
    trials = {n: make_evaluation() for n in (0, 1)}
    options = {"seconds": (4.0, 1.0), "keep_folds": True}
    assert plan([0, 1], 0, trials, **options).counts[0] == Counts(N_SEEDS, 3)
    tight = plan([0, 1], 0, trials, **options, total=10.0)
    assert tight.counts == {0: Counts(1, 0), 1: Counts(3, 3)}
    assert [refit.number for refit in tight.refits] == [0, 1, 1, 1]
    assert plan([0, 1], 0, trials).counts[1] == Counts(N_SEEDS, 0)


def test_models_are_added_while_noise_is_worth_their_cost():
    """With two models the second member has nearly as much noise as with six."""
    trials = {n: make_evaluation() for n in (0, 1)}
    options = {"noise": {0: 0.01, 1: 1.0}, "keep_folds": True}
    found = plan([0, 1], 0, trials, **options, tolerance=0.41)
    assert found.counts == {0: Counts(1, 0), 1: Counts(2, 0)}
    none = plan([0, 1], 0, trials, **options, tolerance=1.01)
    assert none.counts == {0: Counts(1, 0), 1: Counts(1, 0)}


def test_a_member_that_could_not_be_refitted_keeps_the_models_of_its_folds():
    trials = {n: make_evaluation() for n in (0, 1)}
    folds, costs = class_folds(), dict.fromkeys(trials, ModelCost(1.0, 0.0))
    options = {"noise": {0: 0.0, 1: 0.0}, "seconds": (1.0, 1.0), "tolerance": 1.0}
    own = plan([0, 1], 0, trials, **options)
    assert own.counts == {0: Counts(1, 0), 1: Counts(1, 0)}
    for total, expected in [(math.inf, 3), (3.0, 2), (1.0, 1)]:
        allowance = Allowance(ModelCost(total, math.inf), costs)
        kept = kept_folds([0, 1], own, {0: 1}, folds, allowance)
        assert kept == {0: 0, 1: expected}


def test_a_refit_that_would_not_end_in_time_is_not_begun():
    """Two workers have twelve seconds each: the third of eight is too much."""
    trials = {n: make_evaluation() for n in range(4)}
    for evaluation in trials.values():
        evaluation.seconds = 3 * 8.0
    trials[3].seconds = 3 * 2.1
    refits = plan([0, 1, 2, 3], 0, trials).refits
    deadline = Deadline(12.0, FakeClock())
    chosen = refits_in_time(refits, deadline, n_jobs=2)
    assert [refit.number for refit in chosen] == [0, 1, 3, 3]
    assert {refit.deadline for refit in chosen} == {deadline}
    assert refits_in_time(refits, NO_DEADLINE, n_jobs=2) == refits


@pytest.mark.parametrize(
    ("steps", "kept"),
    [(6, False), (7, True), (None, True)],
)
def test_a_refit_that_the_clock_has_cut_to_few_steps_is_not_used(steps, kept):
    trial = make_evaluation(is_random=False)
    trial.n_iterations = [9, 10, 11]
    (order,) = plan([0], 0, {0: trial}).refits
    assert (order.n_iterations, order.least_steps) == (10, 7.0)
    order = replace(order, candidate=Candidate(CutFamily(steps=steps), {}))
    assert (refit(order, make_folds()) is not None) == kept


@pytest.mark.parametrize(("steps", "kept"), [([7, 15], True), ([9, 13], False)])
def test_no_column_of_a_refit_may_be_cut_to_few_steps(steps, kept):
    trial = make_evaluation(is_random=False)
    trial.n_iterations = [[9, 20], [11, 20]]
    (order,) = plan([0], 0, {0: trial}).refits
    assert (order.n_iterations, order.least_steps) == ([10, 20], [7.0, 14.0])
    order = replace(order, candidate=Candidate(CutFamily(steps=steps), {}))
    assert (refit(order, make_folds()) is not None) == kept


class CutFamily(StubFamily):
    """A family whose trainings the clock has cut to some steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps, self.stops_on_own_rows = steps, False

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.steps_used = self.steps
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )
