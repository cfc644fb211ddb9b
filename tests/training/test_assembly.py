import math
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend, Member
from automodel.ensemble.stacking import Stack
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.preprocessing.table import Table
from automodel.search.budget import Budget
from automodel.search.models import ModelLoader
from automodel.search.workers.base import Workers
from automodel.search.workers.own import OwnProcesses
from automodel.search.workers.work import Refit, refit
from automodel.targets.link import Softmax
from automodel.training import assembly
from automodel.training.allowance import (
    MEASURE_SECONDS,
    MODEL_BYTES,
    ROWS_OF_CALL,
    SECONDS_PER_ROW,
    Allowance,
    mean_bytes,
    pickled_bytes,
)
from automodel.training.assembly import N_SEEDS, Assembly
from tests.conftest import FakeClock, StubFamily, make_task
from tests.evaluation.test_folds import make_folds
from tests.makers import make_metric

N_ROWS = 60
Y = np.arange(N_ROWS) % 2


def make_assembly(
    budget=None, refit="auto", scoring="roc_auc", n_folds=3, baseline=0.5
):
    task = make_task("binary", N_ROWS, 1, n_classes=2)
    parts = np.array_split(np.arange(N_ROWS), 3)
    splits = [(np.setdiff1d(np.arange(N_ROWS), part), part) for part in parts]
    metric = make_metric(scoring, task, np.arange(2))
    folds = Folds(None, Y, None, splits[:n_folds], task, metric)
    member = Member(-1, "baseline", {}, 1.0, baseline, [])
    budget = budget or Budget(None, 1)
    return Assembly(folds, member, budget, 25, refit, 0)


def make_evaluation(seconds_per_row=0.0, models=(None,) * 3, **family):
    stub = StubFamily()
    for name, value in family.items():
        setattr(stub, name, value)
    candidate = Candidate(stub, {}, seed=7)
    return Evaluation(
        candidate,
        "complete",
        models=list(models),
        predict_seconds=seconds_per_row * N_ROWS,
    )


def free():
    return Allowance(math.inf, math.inf, N_ROWS)


@pytest.mark.parametrize(
    "scoring, baseline, score, skill",
    [
        ("roc_auc", 0.5, 0.5, 0.0),
        ("roc_auc", 0.5, 0.9, 0.8),
        ("neg_log_loss", -math.log(2), -math.log(2) / 4, 0.75),
    ],
)
def test_skill_is_zero_for_the_baseline_and_one_for_the_truth(
    scoring, baseline, score, skill
):
    own = make_assembly(scoring=scoring, baseline=baseline)
    assert own._skill(score) == pytest.approx(skill)


def test_members_keep_the_models_of_their_folds_where_the_target_is_noisy():
    usable = {0: make_evaluation(), 1: make_evaluation()}
    assert make_assembly()._blended([0, 1], usable, 0.8, free()) == {0, 1}
    assert make_assembly()._blended([0, 1], usable, 0.95, free()) == set()
    assert make_assembly(refit=True)._blended([0], usable, 0.8, free()) == set()
    assert make_assembly(n_folds=1)._blended([0], usable, 0.8, free()) == set()


def test_each_member_is_refitted_once_before_any_is_again():
    usable = {n: make_evaluation() for n in (3, 1, 2)}
    plan = make_assembly()._plan([3, 1], 2, usable, free())
    assert plan[:3] == [(3, 0), (1, 0), (2, 0)]
    assert plan[3:] == [(n, r) for r in range(1, N_SEEDS) for n in (3, 1)]


def test_models_without_chance_are_refitted_once():
    usable = {0: make_evaluation(is_random=False), 1: make_evaluation(joins_folds=True)}
    assert make_assembly()._plan([0, 1], 0, usable, free()) == [(0, 0)]


def test_without_refits_only_the_best_model_is_fitted_on_all_rows():
    usable = {n: make_evaluation() for n in (0, 1)}
    assert make_assembly(refit=False)._plan([0, 1], 1, usable, free()) == [(1, 0)]


def test_slow_models_get_fewer_seeds():
    usable = {0: make_evaluation(1e-4), 1: make_evaluation(1e-5)}
    allowance = Allowance(1.5e-4, math.inf, N_ROWS)
    plan = make_assembly()._plan([0, 1], 0, usable, allowance)
    assert plan == [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2)]


def test_large_models_are_few(tmp_path):
    paths = [tmp_path / str(i) for i in range(3)]
    for path in paths:
        path.write_bytes(bytes(1000))
    allowance = Allowance(1.0, 2500, N_ROWS)
    evaluation = make_evaluation(models=paths)
    assert allowance.takes(evaluation, 2)
    assert not allowance.takes(evaluation, 1)


def test_models_in_memory_count_as_they_would_in_files():
    evaluation = make_evaluation(models=[FittedModel(None, bytes(1000), None)] * 3)
    assert 1000 < mean_bytes(evaluation.models) < 1500
    allowance = Allowance(1.0, 2500, N_ROWS)
    assert allowance.takes(evaluation, 1)
    assert not allowance.takes(evaluation, 2)


class SlowToPickle:
    """Takes longer to write than an ensemble with a deadline would wait for."""

    def __reduce__(self):
        time.sleep(2 * MEASURE_SECONDS)
        return int, ()


def test_the_clock_is_not_read_for_a_size_without_a_budget():
    folds = make_assembly().folds
    evaluations = [make_evaluation(models=[SlowToPickle()] * 3) for _ in range(2)]
    unbound = Allowance.for_folds(folds, NO_DEADLINE)
    assert [unbound.takes(evaluation, 1) for evaluation in evaluations] == [True, True]
    bound = Allowance.for_folds(folds, Deadline.after(60.0))
    assert not bound.takes(evaluations[1], 1) or not bound.takes(evaluations[0], 1)


def test_nothing_is_pickled_once_time_is_over():
    begun = []

    class Telling:
        def __reduce__(self):
            begun.append(self)
            return int, ()

    assert mean_bytes([Telling()], Deadline.after(0.0)) == math.inf
    assert begun == []


@pytest.mark.parametrize(
    ("model", "seconds", "expected"),
    [
        ([bytes(10**5), threading.Lock()], 60.0, (10**5, 2 * 10**5)),
        ([bytes(100)] * 9, -1.0, (math.inf, math.inf)),
    ],
)
def test_the_size_of_what_cannot_be_measured_is_estimated(model, seconds, expected):
    least, most = expected
    assert least <= pickled_bytes(model, Deadline.after(seconds)) <= most


def test_the_allowance_is_for_a_row_of_one_model_each():
    allowance = Allowance.for_folds(make_assembly().folds, Deadline.after(60.0))
    assert (allowance.seconds, allowance.n_bytes) == (SECONDS_PER_ROW, MODEL_BYTES)
    assert allowance.n_rows == 3 * ROWS_OF_CALL  # of three short calls
    slow = make_evaluation(1.01 * SECONDS_PER_ROW * allowance.n_rows / N_ROWS)
    assert not allowance.takes(slow, 1)
    assert Allowance.for_folds(make_assembly().folds, NO_DEADLINE).takes(slow, 1)


def test_refits_and_models_of_folds_share_a_weight_in_halves():
    models = [FittedModel(None, None, None, fold=n) for n in (-1, -1, 0, 1, 2, 3)]
    member = Member(0, "linear", {}, 0.8, 0.0, models)
    assert member.shares() == pytest.approx([0.25, 0.25, *[0.125] * 4])
    member.models = models[:2]
    assert member.shares() == pytest.approx([0.5, 0.5])


def test_a_refit_that_would_not_end_in_time_is_not_begun():
    """Two workers have twelve seconds each: the third of eight is too much."""
    own = make_assembly()
    usable = {n: make_evaluation() for n in range(4)}
    for evaluation in usable.values():
        evaluation.seconds = 3 * 8.0
    usable[3].seconds = 3 * 2.1
    plan = own._plan([0, 1, 2, 3], 0, usable, free())
    deadline = Deadline(12.0, FakeClock())
    orders = own._refits(plan, usable, deadline, n_jobs=2)
    assert [order.number for order in orders] == [0, 1, 3, 3]


def test_refits_leave_time_to_load_the_models(tmp_path):
    """A gigabyte would take four seconds, and half of what is left at most."""
    path = tmp_path / "model"
    path.touch()
    usable = {0: make_evaluation(models=[path])}
    own, loader = make_assembly(Budget(100.0, clock=FakeClock())), ModelLoader()
    empty = own._deadline_to_refit([(0, 0)], set(), usable, loader).moment
    assert 98 < empty < 99.8
    os.truncate(path, 10**9)
    large = own._deadline_to_refit([(0, 0)], set(), usable, loader).moment
    assert empty - large == pytest.approx(4.0)
    most = own._deadline_to_refit([(0, 0)] * 100, set(), usable, loader).moment
    assert most == pytest.approx(empty / 2)


@pytest.mark.parametrize("kind", [Workers, OwnProcesses])
def test_refits_have_the_time_that_the_search_leaves_them(kind):
    """It keeps a third of a second back, at least, and what they probably take."""
    place = kind(1, make_folds())
    own = make_assembly(Budget(5.0, clock=FakeClock()))
    own.budget.end_within(0.35)
    deadline = own._deadline_to_refit([], set(), {}, ModelLoader())
    assert deadline.seconds_left > place.refit_grace


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_refit_whose_time_is_over_does_not_begin(seconds):
    """Even one that is stopped at once encodes all rows before."""
    begun = []

    class Telling(StubFamily):
        def preprocessor(self, estimator, task):
            begun.append(estimator)
            return super().preprocessor(estimator, task)

    deadline = Deadline.after(seconds / 2)
    order = Refit(0, Candidate(Telling(), {}), None, deadline, seconds=seconds)
    assert Workers(1, make_folds()).refit([order]) == [None]
    assert begun == []


@pytest.mark.parametrize(
    ("steps", "kept"),
    [(6, False), (7, True), (None, True)],
)
def test_a_refit_that_the_clock_has_cut_to_few_steps_is_not_used(steps, kept):
    usable = {0: make_evaluation(is_random=False)}
    usable[0].n_iterations = [9, 10, 11]
    (order,) = make_assembly()._refits([(0, 0)], usable, NO_DEADLINE, n_jobs=1)
    assert (order.n_iterations, order.least_steps) == (10, 7.0)
    family = CutFamily(steps=steps)
    order = replace(order, candidate=Candidate(family, {}))
    assert (refit(order, make_folds()) is not None) == kept


@pytest.mark.parametrize(("steps", "kept"), [([7, 15], True), ([9, 13], False)])
def test_no_column_of_a_refit_may_be_cut_to_few_steps(steps, kept):
    usable = {0: make_evaluation(is_random=False)}
    usable[0].n_iterations = [[9, 20], [11, 20]]
    (order,) = make_assembly()._refits([(0, 0)], usable, NO_DEADLINE, n_jobs=1)
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


@pytest.mark.parametrize("is_cut", [False, True])
def test_the_expected_score_is_that_of_the_ensemble_that_is_returned(
    monkeypatch, is_cut
):
    """A deadline has prevented its stack, but not those of the judgement."""
    asked = []

    def fit(*data, **options):
        blend = Blend.mean(np.array([0.5, 0.5]))
        return (
            blend
            if is_cut
            else replace(blend, stack=Stack(np.zeros(2), 0.0, Softmax()))
        )

    def judge(*data, may_stack, **options):
        asked.append(may_stack)
        return False, 0.7

    monkeypatch.setattr(assembly, "fit_combiner", fit)
    monkeypatch.setattr(assembly, "judged", judge)
    oof = np.column_stack([1 - Y, Y]).astype(np.float32)
    own = make_assembly()
    own = replace(own, folds=replace(own.folds, rows=make_table(N_ROWS)))
    usable = {n: replace(make_evaluation(), oof=oof, score=1.0) for n in (0, 1)}
    own._select(usable, list(usable.values()))
    assert asked == [not is_cut]


def test_an_ensemble_of_a_holdout_is_that_of_its_rows():
    """Rows that nobody has validated change nothing."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(3, N_ROWS)) + Y
    chosen = []
    for unseen in (0, 500):
        own = make_assembly(n_folds=1)
        y = np.concatenate([np.zeros(unseen, dtype=int), Y])
        seen = np.arange(unseen, len(y))
        splits = [(np.arange(unseen), seen)]
        folds = replace(own.folds, rows=make_table(len(y)), y=y, splits=splits)
        own = replace(own, folds=folds)
        usable = {}
        for number, values in enumerate(signal):
            proba = 1 / (1 + np.exp(-values))
            oof = np.full((len(y), 2), np.nan, dtype=np.float32)
            oof[unseen:] = np.column_stack([1 - proba, proba])
            usable[number] = replace(make_evaluation(), oof=oof)
            usable[number].score = own.folds.score(oof)
        chosen.append(own._select(usable, list(usable.values())))
    one, two = chosen
    assert one.numbers == two.numbers
    assert one.score == pytest.approx(two.score)
    assert one.expected_score == pytest.approx(two.expected_score)
    np.testing.assert_allclose(one.combiner.weights, two.combiner.weights)


def make_table(n_rows):
    return Table(np.zeros((n_rows, 1)), np.empty((n_rows, 0), dtype=np.int32))
