"""The family of packed perceptrons: space, cost, one training for all folds."""

import itertools
import time
from dataclasses import replace

import numpy as np
import optuna
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import RepeatedStratifiedKFold, ShuffleSplit

from automodel import AutoClassifier, AutoRegressor
from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, evaluate, fit_candidate
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.base import FoldPart
from automodel.families.packed_mlp import (
    FEW_INPUTS,
    FEW_ROWS,
    MOST_ROWS,
    PackedMLPFamily,
)
from automodel.monitor import Monitor
from automodel.preprocessing.reader import TableReader
from automodel.targets.objective import Objective
from tests.conftest import make_frame, make_signal, make_task
from tests.makers import make_metric

FAMILY = PackedMLPFamily()
TASKS = [
    make_task("binary", 300, 5, 2),
    make_task("multiclass", 300, 5, 3),
    make_task("regression", 300, 5),
]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)


class SmallFamily(PackedMLPFamily):
    """The family with small packs and few epochs."""

    n_epochs = 8

    def estimator(self, task, random_state):
        return super().estimator(task, random_state).set_params(n_members=3)

    def search_space(self, trial, task):
        space = super().search_space(trial, task)
        return {**space, "width": 16, "max_epochs": self.n_epochs}


class LongFamily(SmallFamily):
    """Small packs that would train for hours."""

    start_seconds = 0.0
    n_epochs = 1_000_000

    def estimator(self, task, random_state):
        return super().estimator(task, random_state).set_params(patience=1_000_000)

    def cost(self, params, task):
        return 1.0


def data(task):
    n = task.n_samples
    if not task.is_classification:
        return make_regression(n, 5, noise=1.0, random_state=0)
    options = {"n_informative": 4, "n_redundant": 0, "n_classes": task.n_classes}
    return make_classification(n, 5, **options, class_sep=1.5, random_state=0)


def folds_of(task, n_folds=3, weight=None):
    X, y = data(task)
    turn = np.arange(len(y)) % n_folds
    splits = [
        (np.flatnonzero(turn != i), np.flatnonzero(turn == i)) for i in (range(n_folds))
    ]
    metric = make_metric(None, task, np.unique(y) if task.n_classes else None)
    return Folds(TableReader().fit_transform(X), y, weight, splits, task, metric)


def parts_of(task, n_folds=2):
    X, y = data(task)
    turn = np.arange(len(y)) % n_folds
    return [
        FoldPart(X[turn != i], y[turn != i], None, X[turn == i], y[turn == i], None)
        for i in range(n_folds)
    ]


def fit_folds(task, monitor, family=None):
    family = family or SmallFamily()
    params = family.search_space(optuna.create_study().ask(), task)
    params |= {"learning_rate": 0.04, "dropout": [0.0, 0.1]}
    net = family.estimator(task, 0).set_params(**params)
    return family.fit_folds(net, parts_of(task), monitor=monitor)


def answers(model, X):
    name = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, name)(X)


@each_task
def test_the_first_setting_is_the_default_of_the_net(task):
    study = optuna.create_study()
    study.enqueue_trial(FAMILY.portfolio(task)[0])
    net = FAMILY.estimator(task, 0)
    for name, value in FAMILY.search_space(study.ask(), task).items():
        default = net.get_params()[name]
        assert value == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("loss", ["absolute_error", "poisson", "gamma"])
def test_the_objective_sets_the_loss(loss):
    task = replace(TASKS[2], objective=Objective(loss))
    assert FAMILY.estimator(task, 0).loss == loss
    assert FAMILY.estimator(TASKS[2], 0).loss == "squared_error"
    assert FAMILY.estimator(TASKS[0], 0).loss == "cross_entropy"


@each_task
def test_folds_of_its_own_keep_groups_whole(task):
    X, y = data(task)
    groups = np.arange(300) // 6
    family = SmallFamily()
    net = family.estimator(task, 0).set_params(width=16, max_epochs=4)
    expected = clone(net)._fit(X, y, groups=groups)
    fitted = family.fit(net, X, y, monitor=Monitor(groups=groups))
    np.testing.assert_array_equal(answers(fitted, X), answers(expected, X))
    assert not np.array_equal(answers(fitted, X), answers(clone(net).fit(X, y), X))


@each_task
def test_steps_are_cut_by_the_clock_alone(task, monkeypatch):
    X, y = data(task)
    family = SmallFamily()
    net = family.estimator(task, 0).set_params(width=16, max_epochs=4)
    planned = Monitor(deadline=Deadline.after(1e6))
    family.fit(net, X, y, monitor=planned)
    assert (planned.steps_used, planned.steps_cut) == (4, None)
    ticks = itertools.count(0.0, 0.01)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    short = Monitor(Deadline(1.0))
    net = family.fit(clone(net).set_params(max_epochs=1000), X, y, monitor=short)
    assert short.steps_cut == short.steps_used == net.n_iter_ < 100


@each_task
def test_every_sampled_setting_is_accepted(task):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    X, y = data(task)
    for _ in range(6):
        net = FAMILY.estimator(task, 0).set_params(
            **FAMILY.search_space(study.ask(), task)
        )
        net.set_params(max_epochs=1, n_members=4, cv=2).fit(X[:40], y[:40])


@each_task
def test_cost_grows_with_what_makes_a_fit_long(task):
    base = {"width": 64, "max_epochs": 128}
    cost = FAMILY.cost(base, task)
    assert cost == FAMILY.cost({}, task)
    assert FAMILY.cost({**base, "width": 128}, task) > cost
    assert FAMILY.cost({**base, "max_epochs": 256}, task) > 1.5 * cost
    wide = make_task(task.kind, 300, 90, task.n_classes)
    assert FAMILY.cost(base, wide) > cost


def test_tables_of_many_rows_are_left_to_other_nets():
    task = TASKS[0]
    assert FAMILY.supports(replace(task, n_samples=MOST_ROWS))
    assert not FAMILY.supports(replace(task, n_samples=MOST_ROWS + 1))
    wide = make_task("binary", 300, 10_000, 2, is_sparse=True)
    assert not FAMILY.supports(wide)


@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_members"),
    [(300, 5, 16), (FEW_ROWS + 1, 5, 8), (300, FEW_INPUTS, 8)],
)
def test_packs_are_full_for_few_rows_and_inputs(n_samples, n_features, n_members):
    task = make_task("binary", n_samples, n_features, 2)
    trial = optuna.trial.FixedTrial(FAMILY.portfolio(task)[0])
    assert FAMILY.search_space(trial, task)["n_members"] == n_members


@each_task
def test_folds_are_trained_in_one_run(task):
    monitor = Monitor()
    models = fit_folds(task, monitor)
    assert len(models) == 2
    assert monitor.steps_used == 8
    assert monitor.step_plan_used[0] == 8
    X, _ = data(task)
    one, two = (answers(model, X) for model in models)
    assert not np.allclose(one, two)


def test_losses_are_reported_after_one_two_and_four_epochs():
    seen = []
    monitor = Monitor(should_prune=lambda reports: seen.append(dict(reports)))
    fit_folds(TASKS[0], monitor)
    assert [len(reports) for reports in seen] == [1, 2, 3, 4]
    last = list(seen[-1].values())
    assert all(value < 0 for value in last)
    assert last[-1] > last[0]


@each_task
def test_a_pruned_trial_leaves_the_training(task):
    monitor = Monitor(should_prune=lambda reports: len(reports) >= 2)
    with pytest.raises(TrialPruned):
        fit_folds(task, monitor)
    result = evaluate(
        Candidate(SmallFamily(), {"max_epochs": 8, "width": 16}),
        folds_of(task),
        should_prune=lambda reports: len(reports) >= 2,
    )
    assert result.status == "pruned"
    assert len(result.reports) == 2


def test_a_past_deadline_is_an_error():
    with pytest.raises(DeadlineReached):
        fit_folds(TASKS[0], Monitor(Deadline.after(-1.0)))


@each_task
def test_a_time_limit_cuts_the_training_and_its_step_plan_repeats_it(task):
    folds = folds_of(task)
    candidate = Candidate(LongFamily(), {"max_epochs": 100_000, "width": 16})
    start = time.monotonic()
    result = evaluate(candidate, folds, time_limit=1.0)
    assert time.monotonic() - start < 30
    assert result.status == "complete", result.error
    model = result.models[1]
    assert model.step_plan
    again = fit_candidate(
        candidate,
        folds,
        fold=1,
        n_iterations=model.n_iterations,
        step_plan=model.step_plan,
    )
    assert again.fold == 1
    np.testing.assert_allclose(again.predict(folds.rows), model.predict(folds.rows))


def test_a_deadline_that_leaves_no_time_stops_the_trial():
    candidate = Candidate(LongFamily(), {"width": 16})
    result = evaluate(candidate, folds_of(TASKS[0]), deadline=Deadline.after(0.001))
    assert result.status == "stopped"


@each_task
def test_the_models_of_the_folds_predict_what_the_score_says(task):
    folds = folds_of(task)
    result = evaluate(Candidate(SmallFamily(), {"max_epochs": 12, "width": 16}), folds)
    assert (result.status, result.error) == ("complete", "")
    assert [model.fold for model in result.models] == [0, 1, 2]
    assert result.n_iterations == [12] * 3
    for model, (_, valid) in zip(result.models, folds.splits, strict=True):
        prediction = model.predict(folds.rows.take(valid))
        np.testing.assert_allclose(prediction, result.oof[valid], rtol=1e-5, atol=1e-5)
    again = fit_candidate(result.candidate, folds, fold=2, n_iterations=12)
    np.testing.assert_array_equal(
        again.predict(folds.rows), result.models[2].predict(folds.rows)
    )


def test_weights_of_rows_reach_the_nets():
    weight = np.where(np.arange(300) % 2, 3.0, 0.1)
    candidate = Candidate(SmallFamily(), {"max_epochs": 8, "width": 16})
    one, two = (
        evaluate(candidate, folds_of(TASKS[0], weight=w)) for w in (weight, None)
    )
    assert one.status == two.status == "complete"
    assert not np.allclose(one.oof, two.oof)


def test_a_fold_that_lacks_a_class_or_has_one_value_completes():
    task = TASKS[1]
    folds = folds_of(task)
    train, valid = folds.splits[0]
    without = train[folds.y[train] != 2]
    alone = train[folds.y[train] == 0]
    splits = [(without, valid), (alone, folds.splits[1][1]), folds.splits[2]]
    folds = replace(folds, splits=splits)
    result = evaluate(Candidate(SmallFamily(), {"max_epochs": 8, "width": 16}), folds)
    assert (result.status, result.error) == ("complete", "")
    np.testing.assert_allclose(result.oof.sum(1), 1, rtol=1e-5)
    folds = folds_of(TASKS[2])
    folds.y[folds.splits[0][0]] = 0.1
    result = evaluate(Candidate(SmallFamily(), {"max_epochs": 8, "width": 16}), folds)
    assert (result.status, result.error) == ("complete", "")
    np.testing.assert_allclose(result.oof[folds.splits[0][1]], 0.1, rtol=1e-5)


X = make_frame(150)
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
SEARCH = {"n_trials": 2, "time_budget": None, "cv": 2, "random_state": 0}


def search(kind=AutoClassifier, families=None, y=None, weight=None, **params):
    y = (LABELS if kind is AutoClassifier else VALUES) if y is None else y
    model = kind(families=families or [SmallFamily()], **{**SEARCH, **params})
    return model.fit(X, y, sample_weight=weight)


def board(model):
    return model.leaderboard_.drop(columns="seconds")


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_search_keeps_the_models_of_the_folds_and_replays(kind):
    model = search(kind)
    assert set(model.leaderboard_["status"]) == {"complete"}
    for member in model.ensemble_.members:
        assert [part.fold for part in member.models] == [0, 1]
    again = model.replay(X, LABELS if kind is AutoClassifier else VALUES)
    np.testing.assert_allclose(answers(again, X), answers(model, X), rtol=1e-6)
    repeated = search(kind)
    assert board(repeated).equals(board(model))
    np.testing.assert_array_equal(answers(repeated, X), answers(model, X))


def test_the_family_is_searched_by_its_name():
    model = search(families=["packed_mlp"], n_trials=1)
    assert set(model.leaderboard_["family"]) == {"packed_mlp"}
    assert model.score(X, LABELS) > 0.7


@pytest.mark.slow
def test_two_processes_find_what_one_finds():
    one, two = (search(families=["packed_mlp"], n_jobs=n, n_trials=2) for n in (1, 2))
    assert board(one).equals(board(two))
    np.testing.assert_array_equal(answers(one, X), answers(two, X))


def test_a_holdout_is_trained_on_folds_of_its_own_and_refitted():
    model = search(cv=ShuffleSplit(1, test_size=0.3, random_state=0), n_trials=1)
    assert set(model.leaderboard_["status"]) == {"complete"}
    (member,) = model.ensemble_.members
    assert {part.fold for part in member.models} == {-1}
    assert member.models[0].estimator.n_features_in_ > 0
    again = model.replay(X, LABELS)
    np.testing.assert_allclose(answers(again, X), answers(model, X), rtol=1e-6)


def test_repeated_folds_are_one_training():
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    model = search(cv=cv, n_trials=1)
    (member,) = model.ensemble_.members
    assert [part.fold for part in member.models] == [0, 1, 2, 3]


def test_weights_and_rare_classes_are_searched():
    y = np.where(VALUES > 0.3, "yes", "no").astype(object)
    y[:3] = "rare"
    weight = np.where(np.arange(len(y)) % 2, 2.0, 0.5)
    model = search(y=y, weight=weight, cv=3, n_trials=1)
    assert set(model.leaderboard_["status"]) == {"complete"}
    assert answers(model, X).shape == (150, 3)


def test_a_time_budget_cuts_the_training():
    start = time.monotonic()
    model = search(families=[LongFamily()], n_trials=1, time_budget=5.0)
    assert time.monotonic() - start < 10
    assert set(model.leaderboard_["status"]) == {"complete"}
    again = model.replay(X, LABELS)
    np.testing.assert_allclose(answers(again, X), answers(model, X), rtol=1e-6)
