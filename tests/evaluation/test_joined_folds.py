"""Families that train all folds in one run, shown with one that does nothing else."""

import math

import numpy as np
import pytest

from automodel import AutoClassifier
from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, evaluate, fit_candidate
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached
from automodel.preprocessing.reader import TableReader
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal, make_task
from tests.makers import make_metric

X = make_frame(60)
Y = (make_signal(X) > 0.3).astype(int)
WEIGHT = np.arange(60) % 3 + 1.0


class JoinedFamily(StubFamily):
    """Fits the stubs of all folds at once, and notes what it was given."""

    joins_folds = True

    def __init__(self, does=None, **options):
        super().__init__("joined", **options)
        self.does = does
        self.calls = []
        self.monitors = []

    def fit_folds(self, estimator, parts, *, monitor):
        self.calls.append(parts)
        self.monitors.append(monitor)
        if self.does is not None:
            self.does(monitor)
        models = []
        for part in parts:
            model = type(estimator)(**estimator.get_params())
            models.append(model.fit(part.X, part.y, sample_weight=part.sample_weight))
        monitor.steps_used, monitor.step_plan_used = 7, [9, [3, 7]]
        return models


def make_folds(splits=None, weight=None):
    task = make_task("binary", len(Y), X.shape[1], n_classes=2)
    if splits is None:
        turn = np.arange(len(Y)) % 3
        splits = [
            (np.flatnonzero(turn != i), np.flatnonzero(turn == i)) for i in range(3)
        ]
    metric = make_metric(None, task, np.array([0, 1]))
    return Folds(TableReader().fit_transform(X), Y, weight, splits, task, metric)


def run(family, folds, **options):
    return evaluate(Candidate(family, {"quality": 1.0}), folds, **options)


def test_the_parts_are_those_of_the_folds():
    family, folds = JoinedFamily(), make_folds(weight=WEIGHT)
    result = run(family, folds)
    assert result.status == "complete", result.error
    (parts,) = family.calls
    for part, (train, valid), model in zip(
        parts, folds.splits, result.models, strict=True
    ):
        np.testing.assert_array_equal(part.valid_rows, valid)
        np.testing.assert_array_equal(part.y, Y[train])
        np.testing.assert_array_equal(part.y_valid, Y[valid])
        np.testing.assert_array_equal(part.sample_weight, WEIGHT[train])
        np.testing.assert_array_equal(part.sample_weight_valid, WEIGHT[valid])
        encoded = model.encoder.transform(folds.rows.take(valid))
        np.testing.assert_array_equal(part.X_valid, encoded)
        assert len(part.X) == len(train)


def test_the_result_is_that_of_the_folds_one_by_one():
    joined = run(JoinedFamily(), make_folds(weight=WEIGHT))
    single = run(StubFamily(), make_folds(weight=WEIGHT))
    np.testing.assert_allclose(joined.oof, single.oof, rtol=1e-6)
    assert joined.score == pytest.approx(single.score)
    assert joined.fold_scores == pytest.approx(single.fold_scores)
    assert joined.n_iterations == [7, 7, 7]
    assert [m.fold for m in joined.models] == [0, 1, 2]
    assert all(model.step_plan == [9, [3, 7]] for model in joined.models)


def test_rows_validated_twice_are_averaged():
    splits = make_folds().splits
    twice = run(JoinedFamily(), make_folds([*splits, *splits]))
    assert len(twice.models) == 6
    np.testing.assert_allclose(twice.oof, run(JoinedFamily(), make_folds()).oof)


def test_models_are_handed_over_one_by_one():
    kept = []
    result = run(
        JoinedFamily(), make_folds(), keep_model=lambda fold, model: kept.append(fold)
    )
    assert kept == [0, 1, 2]
    assert result.models == [None] * 3


def test_a_single_split_is_not_joined():
    family = JoinedFamily()
    result = run(family, make_folds(make_folds().splits[:1]))
    assert result.status == "complete"
    assert not family.calls


def test_a_fold_is_fitted_again_with_all_others():
    family, folds = JoinedFamily(), make_folds()
    candidate = Candidate(family, {"quality": 1.0})
    model = fit_candidate(
        candidate, folds, fold=1, n_iterations=7, step_plan=[9, [3, 7]]
    )
    assert model.fold == 1
    assert [len(parts) for parts in family.calls] == [3]
    assert family.monitors[0].step_plan == [9, [3, 7]]
    expected = run(family, folds).models[1]
    np.testing.assert_array_equal(
        model.predict(folds.rows), expected.predict(folds.rows)
    )
    whole = fit_candidate(candidate, folds)
    assert whole.fold == -1
    assert len(family.calls) == 2


def test_reports_of_one_training_prune_the_trial():
    def report(monitor):
        for step in range(1, 9):
            monitor.report(step, -1 / step)

    seen = []

    def should_prune(reports):
        seen.append(dict(reports))
        return len(reports) == 3

    result = run(JoinedFamily(report), make_folds(), should_prune=should_prune)
    assert result.status == "pruned"
    assert result.oof is None
    assert list(result.reports.values()) == [-1, -1 / 2, -1 / 4]


@pytest.mark.parametrize(
    ("options", "most"),
    [({"time_limit": 5.0}, 5), ({"deadline": 3.0}, 3), ({}, math.inf)],
)
def test_the_training_knows_the_time_it_has(options, most):
    family = JoinedFamily()
    if "deadline" in options:
        options = {"deadline": Deadline.after(options["deadline"])}
    run(family, make_folds(), **options)
    assert most - 1 < family.monitors[0].seconds_left <= most or most == math.inf
    assert family.monitors[0].deadline.exists == (most < math.inf)


def test_an_error_or_a_deadline_ends_the_trial():
    def fail(monitor):
        raise ValueError("no such luck")

    def late(monitor):
        raise DeadlineReached

    result = run(JoinedFamily(fail), make_folds())
    assert (result.status, result.error) == ("failed", "ValueError: no such luck")
    assert run(JoinedFamily(late), make_folds()).status == "stopped"
    past = Deadline.after(-1.0)
    family = JoinedFamily()
    assert run(family, make_folds(), deadline=past).status == "stopped"
    assert not family.calls


@pytest.mark.parametrize("refit", [True, False])
def test_a_search_keeps_the_models_of_the_folds(refit):
    family = JoinedFamily(trials=[(1.0, "plain"), (0.5, "plain")])
    params = {**CHEAP, "families": [family, "linear"], "n_trials": 4, "refit": refit}
    model = AutoClassifier(**params).fit(X, Y)
    assert "joined" in set(model.leaderboard_["family"])
    for member in model.ensemble_.members:
        is_kept = member.family == "joined" or not refit
        expected = [0, 1, 2] if is_kept else [-1]
        assert [part.fold for part in member.models] == expected


def test_a_search_with_a_holdout_refits():
    family = JoinedFamily(trials=[(1.0, "plain")])
    split = [(np.arange(40), np.arange(40, 60))]
    params = {**CHEAP, "families": [family], "n_trials": 1, "cv": split}
    model = AutoClassifier(**params).fit(X, Y)
    (member,) = model.ensemble_.members
    assert {part.fold for part in member.models} == {-1}
