"""The family of perceptrons: its space, its portfolio, and training under a monitor."""

import itertools
import time
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import KFold

from automodel.clock import Deadline
from automodel.evaluation.evaluate import (
    Candidate,
    Folds,
    Monitor,
    evaluate,
    fit_candidate,
)
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.mlp import MLPFamily
from automodel.preprocessing.table import Table
from automodel.targets.objective import Objective
from tests.conftest import make_task
from tests.makers import make_metric

FAMILY = MLPFamily()
TASKS = [
    make_task("binary", 300, 5, 2),
    make_task("multiclass", 300, 5, 3),
    make_task("regression", 300, 5),
]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)


def data(task):
    if task.is_classification:
        return make_classification(
            300,
            5,
            n_informative=4,
            n_redundant=0,
            n_classes=task.n_classes,
            random_state=0,
        )
    return make_regression(300, 5, random_state=0)


def folds_of(task, n_categorical=0):
    X, y = data(task)
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 12, (300, n_categorical)).astype(np.int32)
    table = Table(X, codes, (12,) * n_categorical)
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    classes = np.unique(y) if task.is_classification else None
    metric = make_metric(None, task, classes)
    return Folds(table, y, None, splits, task, metric)


def net_of(task, **params):
    return FAMILY.estimator(task, 0).set_params(max_epochs=8, width=16, **params)


def clock_of(monkeypatch, step):
    """Let each look at the clock cost `step` seconds."""
    ticks = itertools.count(0.0, step)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))


@each_task
def test_each_setting_of_the_portfolio_is_asked_as_it_is(task):
    for setting in FAMILY.portfolio(task):
        study = optuna.create_study()
        study.enqueue_trial(setting)
        trial = study.ask()
        assert FAMILY.search_space(trial, task) == setting
        assert trial.params == setting


@each_task
def test_every_sampled_setting_is_accepted(task):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    X, y = data(task)
    for _ in range(8):
        params = FAMILY.search_space(study.ask(), task)
        net = FAMILY.estimator(task, 0).set_params(**params)
        net.set_params(max_epochs=1).fit(X[:40], y[:40])


@each_task
def test_cost_grows_with_what_makes_a_fit_long(task):
    base = dict(FAMILY.portfolio(task)[0])
    cost = FAMILY.cost(base, task)
    for name, value in (("width", 384), ("n_layers", 4), ("max_epochs", 192)):
        assert FAMILY.cost({**base, name: value}, task) > cost
    assert FAMILY.cost({**base, "embedding": "none"}, task) < cost


def test_wide_sparse_tables_are_not_supported():
    wide = make_task("binary", 100, 5001, n_classes=2, is_sparse=True)
    assert not FAMILY.supports(wide)
    assert FAMILY.supports(make_task("binary", 100, 5001, n_classes=2))


@each_task
@pytest.mark.parametrize("n_categorical", [0, 2])
def test_folds_are_evaluated_and_beat_a_constant(task, n_categorical):
    folds = folds_of(task, n_categorical)
    params = {"width": 32, "max_epochs": 32}
    result = evaluate(Candidate(FAMILY, params), folds)
    assert result.error == ""
    constant = np.log(task.n_classes) if task.is_classification else folds.y.std()
    assert result.score > -0.85 * constant


@each_task
def test_final_fit_takes_the_steps_of_the_folds(task):
    folds = folds_of(task)
    model = fit_candidate(
        Candidate(FAMILY, {"max_epochs": 20, "early_stopping": False}),
        folds,
        n_iterations=5,
    )
    assert model.estimator.n_iter_ == 5


@each_task
def test_steps_used_are_the_epochs_of_the_model(task):
    X, y = data(task)
    monitor = Monitor(valid=(X[200:], y[200:], None))
    net = FAMILY.fit(net_of(task), X[:200], y[:200], monitor=monitor)
    assert monitor.steps_used == net.n_iter_ >= 1


@each_task
def test_a_bad_trial_is_pruned_at_a_reported_epoch(task):
    X, y = data(task)
    monitor = Monitor(
        valid=(X[200:], y[200:], None),
        score=lambda net: float(net.score(X[200:], y[200:])),
        should_prune=lambda reports: len(reports) == 3,
    )
    with pytest.raises(TrialPruned):
        FAMILY.fit(net_of(task), X[:200], y[:200], monitor=monitor)
    assert all(np.isfinite(value) for value in monitor.reports.values())


@each_task
def test_reporting_does_not_change_the_model(task):
    X, y = data(task)
    quiet = FAMILY.fit(net_of(task), X, y, monitor=Monitor(valid=(X, y, None)))
    told = Monitor(
        valid=(X, y, None),
        score=lambda net: float(net.score(X, y)),
        should_prune=lambda reports: False,
    )
    watched = FAMILY.fit(net_of(task), X, y, monitor=told)
    np.testing.assert_array_equal(quiet.predict(X), watched.predict(X))


@each_task
def test_schedule_completes_inside_a_short_time(task, monkeypatch):
    clock_of(monkeypatch, 0.01)
    X, y = data(task)
    monitor = Monitor(Deadline(1.0))
    net = net_of(task, early_stopping=False).set_params(max_epochs=1000)
    net = FAMILY.fit(net, X, y, monitor=monitor)
    assert 80 < net.n_steps_ < 100
    assert not monitor.expired


@each_task
def test_steps_are_cut_by_the_clock_alone(task, monkeypatch):
    X, y = data(task)
    y = np.random.default_rng(0).permutation(y)  # soon learned by heart
    net = net_of(task, early_stopping=True, patience=1000)
    planned = Monitor(deadline=Deadline.after(1e6))
    FAMILY.fit(net, X, y, monitor=planned)
    assert planned.steps_cut is None
    alone = Monitor(deadline=Deadline.after(1e6))
    FAMILY.fit(clone(net).set_params(max_epochs=500, patience=1), X, y, monitor=alone)
    assert alone.steps_cut is None
    clock_of(monkeypatch, 0.002)
    short = Monitor(Deadline(1.0))
    FAMILY.fit(clone(net).set_params(max_epochs=1000), X, y, monitor=short)
    assert short.steps_used <= short.steps_cut
    assert 100 < short.steps_cut < 130


@each_task
def test_a_net_without_early_stopping_is_cut_where_it_ended(task, monkeypatch):
    X, y = data(task)
    net = net_of(task, early_stopping=False)
    planned = Monitor(deadline=Deadline.after(1e6), n_iterations=3)
    FAMILY.fit(clone(net), X, y, monitor=planned)
    assert (planned.steps_used, planned.steps_cut) == (3, None)
    clock_of(monkeypatch, 0.01)
    short = Monitor(Deadline(1.0), n_iterations=1000)
    FAMILY.fit(net, X, y, monitor=short)
    assert short.steps_cut == short.steps_used < 100


@each_task
def test_groups_of_the_monitor_reach_the_net(task):
    X, y = data(task)
    groups = np.arange(300) // 6
    net = net_of(task, early_stopping=True)
    expected = clone(net)._fit(X, y, groups=groups)
    fitted = FAMILY.fit(clone(net), X, y, monitor=Monitor(groups=groups))
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))
    assert fitted.history_ == expected.history_
    assert fitted.history_ != net.fit(X, y).history_


@each_task
def test_time_that_is_up_before_training_is_told(task):
    X, y = data(task)
    with pytest.raises(DeadlineReached):
        FAMILY.fit(net_of(task), X, y, monitor=Monitor(Deadline.after(-1.0)))


@each_task
def test_time_for_a_few_steps_is_told(task, monkeypatch):
    clock_of(monkeypatch, 0.3)
    X, y = data(task)
    with pytest.raises(DeadlineReached):
        FAMILY.fit(net_of(task, batch_size=8), X, y, monitor=Monitor(Deadline.after(2)))


@each_task
def test_without_a_deadline_the_clock_is_not_read(task, monkeypatch):
    X, y = data(task)

    def no_clock():
        raise AssertionError("the clock was read")

    monkeypatch.setattr(time, "monotonic", no_clock)
    FAMILY.fit(net_of(task), X, y, monitor=Monitor())


def test_categories_of_the_encoder_become_embeddings():
    task = TASKS[0]
    folds = folds_of(task, n_categorical=1)
    model = fit_candidate(Candidate(FAMILY, {"max_epochs": 2}), folds)
    assert isinstance(model.encoder.transform(folds.rows), pd.DataFrame)
    assert len(model.estimator.encoder_.cardinalities_) == 1


def test_only_nets_that_hold_out_rows_may_stop_early():
    classes, values = make_task("binary", 300, 5, 2), make_task("regression", 300, 5)
    counts = replace(values, objective=Objective("poisson", power=1.0))
    found = [FAMILY.may_stop_early(task) for task in (classes, values, counts)]
    assert found == [True, False, True]
