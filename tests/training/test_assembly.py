import math
import os
from dataclasses import replace

import numpy as np
import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend, Member
from automodel.ensemble.judging import JudgedRows, Verdict
from automodel.ensemble.stacking import Stack
from automodel.evaluation.evaluate import Candidate
from automodel.evaluation.fitted_model import FittedModel
from automodel.preprocessing.table import Table
from automodel.search.budget import Budget
from automodel.search.models import ModelLoader
from automodel.search.workers.base import Workers
from automodel.search.workers.own import OwnProcesses
from automodel.search.workers.work import Refit
from automodel.targets.link import Softmax
from automodel.training import choosing
from automodel.training.allowance import Allowance
from automodel.training.assembly import Assembly
from automodel.training.choosing import Selection
from automodel.training.refits import RefitPlan
from tests.conftest import FakeClock, StubFamily
from tests.evaluation.test_folds import make_folds
from tests.training.makers import N_ROWS, Y, class_folds, make_evaluation


def make_assembly(
    budget=None, refit="auto", scoring="roc_auc", n_folds=3, baseline=0.5
):
    member = Member(-1, "baseline", {}, 1.0, baseline, [])
    folds = class_folds(scoring, n_folds)
    return Assembly(folds, member, budget or Budget(None, 1), 25, refit, 0)


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


@pytest.mark.parametrize(
    ("score", "options", "expected"),
    [
        (0.8, {}, {0, 1}),
        (0.95, {}, set()),
        (0.8, {"refit": True}, set()),
        (0.8, {"n_folds": 1}, set()),
    ],
)
def test_members_keep_the_models_of_their_folds_where_the_target_is_noisy(
    score, options, expected
):
    usable = {0: make_evaluation(), 1: make_evaluation()}
    allowance = Allowance.measured(usable, class_folds(), NO_DEADLINE)
    blend = Blend.mean([0.5, 0.5])
    chosen = Selection([0, 1], blend, score, score, None, allowance)
    plan = make_assembly(**options)._plan(usable, chosen, best=0)
    assert {n for n, own in plan.counts.items() if own.folds} == expected
    assert plan.refits[0].number == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, [0, 1]), ({"refit": True}, [0, 1, 2])],
)
def test_a_member_that_is_subtracted_keeps_the_models_of_its_folds(options, expected):
    usable = {number: make_evaluation() for number in range(3)}
    allowance = Allowance.measured(usable, class_folds(), NO_DEADLINE)
    stack = Stack(np.array([0.1, -0.2, -0.3]), 0.0, Softmax())
    blend = replace(Blend.mean([0.5, 0.5, 0.0]), stack=stack)
    chosen = Selection([0, 1, 2], blend, 0.95, 0.95, None, allowance)
    plan = make_assembly(**options)._plan(usable, chosen, best=0)
    assert sorted({refit.number for refit in plan.refits}) == expected
    assert {n for n, own in plan.counts.items() if own.folds} == {0, 1, 2} - {*expected}


def test_refits_and_models_of_folds_share_a_weight_in_halves():
    models = [FittedModel(None, None, None, fold=n) for n in (-1, -1, 0, 1, 2, 3)]
    member = Member(0, "linear", {}, 0.8, 0.0, models)
    assert member.shares() == pytest.approx([0.25, 0.25, *[0.125] * 4])
    member.models = models[:2]
    assert member.shares() == pytest.approx([0.5, 0.5])


def refits_of(n_refits):
    return RefitPlan([Refit(0, Candidate(StubFamily(), {}), None)] * n_refits)


def deadline_to_refit(own, usable, n_refits=1):
    return own._deadline_to_refit(refits_of(n_refits), usable, ModelLoader()).moment


def test_refits_leave_time_to_load_the_models(tmp_path):
    """A hundred megabytes would take four seconds, and half of what is left at most."""
    path = tmp_path / "model"
    path.touch()
    usable = {0: make_evaluation(models=[path])}
    own = make_assembly(Budget(100.0, clock=FakeClock()))
    empty = deadline_to_refit(own, usable)
    assert 98 < empty < 99.8
    os.truncate(path, 10**8)
    assert empty - deadline_to_refit(own, usable) == pytest.approx(4.0)
    assert deadline_to_refit(own, usable, 100) == pytest.approx(empty / 2)


@pytest.mark.parametrize("kind", [Workers, OwnProcesses])
def test_refits_have_the_time_that_the_search_leaves_them(kind):
    """It keeps a third of a second back, at least, and what they probably take."""
    place = kind(1, make_folds())
    own = make_assembly(Budget(5.0, clock=FakeClock()))
    own.budget.end_within(0.35)
    deadline = own._deadline_to_refit(RefitPlan([]), {}, ModelLoader())
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
        return Verdict(False, 0.7)

    monkeypatch.setattr(choosing, "fit_combiner", fit)
    monkeypatch.setattr(choosing, "judged", judge)
    oof = np.column_stack([1 - Y, Y]).astype(np.float32)
    own = make_assembly()
    own = replace(own, folds=replace(own.folds, rows=make_table(N_ROWS)))
    usable = {n: replace(make_evaluation(), oof=oof, score=1.0) for n in (0, 1)}
    own.selector.select(usable, list(usable.values()))
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
        chosen.append(own.selector.select(usable, list(usable.values())))
    one, two = chosen
    assert one.numbers == two.numbers
    assert one.score == pytest.approx(two.score)
    assert one.expected_score == pytest.approx(two.expected_score)
    np.testing.assert_allclose(one.combiner.weights, two.combiner.weights)
    assert two.honest.rows.tolist() == (one.honest.rows + 500).tolist()
    assert two.honest.y.tolist() == one.honest.y.tolist() == Y.tolist()
    np.testing.assert_allclose(one.honest.predictions, two.honest.predictions)
    np.testing.assert_allclose(one.honest.spread, two.honest.spread)
    assert one.score_interval[0] == pytest.approx(two.score_interval[0])


def test_the_spread_is_that_of_the_members_that_are_returned():
    own = make_assembly()
    own = replace(own, folds=replace(own.folds, rows=make_table(N_ROWS)))
    rng = np.random.default_rng(0)
    usable = {}
    for number in range(3):
        positive = 1 / (1 + np.exp(-rng.normal(size=N_ROWS) - Y))
        oof = np.column_stack([1 - positive, positive]).astype(np.float32)
        usable[number] = replace(make_evaluation(), oof=oof, score=own.folds.score(oof))
    chosen = own.selector.select(usable, list(usable.values()))
    weights = chosen.combiner.weights
    assert len(weights) > 1
    sharpened = [
        Softmax().sharpened(usable[number].oof, temperature)[:, 1]
        for number, temperature in zip(
            chosen.numbers, chosen.combiner.temperatures, strict=True
        )
    ]
    mean = weights @ np.array(sharpened)
    variance = weights @ (np.array(sharpened) - mean) ** 2
    np.testing.assert_allclose(chosen.honest.spread[:, 1], np.sqrt(variance), rtol=1e-4)


def test_the_interval_takes_a_fiftieth_of_the_budget_or_a_fifth_of_the_time_left():
    clock = FakeClock()
    own = make_assembly(Budget(100.0, clock=clock))

    def score(y, part, sample_weight):
        clock.wait(0.01)
        return part.mean()

    values = np.random.default_rng(0).normal(size=500)
    rows = JudgedRows(score, values, values, None, None, is_fast=True)
    verdict = Verdict(False, values.mean(), judged=rows)
    assert np.isfinite(own.selector._interval(verdict)).all()
    assert 1.9 < clock.now() < 2.1
    own.budget.end_within(0.5)
    start = clock.now()
    assert np.isnan(own.selector._interval(verdict)).all()
    assert clock.now() - start < 0.13
    assert np.isnan(own.selector._interval(Verdict())).all()


def test_the_interval_allows_for_the_rows_that_the_folds_leave_out():
    own = make_assembly(scoring="roc_auc")  # whose best value is 1
    values = np.random.default_rng(0).normal(0.8, 0.5, size=500)
    rows = JudgedRows(mean_of_part, values, values, None, None, is_fast=True)
    low, high = own.selector._interval(Verdict(False, values.mean(), judged=rows))
    plain_low, plain_high = rows.interval(NO_DEADLINE, own.seed)
    assert low == plain_low
    share = own.folds.train_share
    assert 0.5 < share < 1
    assert 1 - high == pytest.approx((1 - plain_high) * share**0.25)


def mean_of_part(y, part, sample_weight):
    return part.mean()


def make_table(n_rows):
    return Table(np.zeros((n_rows, 1)), np.empty((n_rows, 0), dtype=np.int32))
