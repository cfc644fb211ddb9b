"""What an estimator keeps of a plan, with a plan that is made by hand."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from automodel import AutoClassifier
from automodel.reporting.plan_actual import plan_of
from tests.conftest import StubFamily
from tests.reporting.plans import PLAN

X = np.arange(40.0)[:, None] % 7
Y = (X[:, 0] > 3).astype(int)


@pytest.fixture(autouse=True)
def planned(monkeypatch):
    """Return the plan that every estimator makes."""
    plan = replace(PLAN, _plan_on=lambda machine: PLAN)
    monkeypatch.setattr("automodel.training.plan.plan_fit", lambda *fit: plan)
    return plan


@pytest.fixture
def search():
    family = StubFamily("stub", trials=[(0.6, "plain")])
    return AutoClassifier(
        families=[family], cv=2, n_trials=1, time_budget=None, random_state=0
    )


def test_a_plan_draws_nothing_from_a_random_state(search):
    state = np.random.RandomState(3)
    search.set_params(random_state=state).plan(X, Y)
    assert state.randint(1000) == np.random.RandomState(3).randint(1000)


def test_a_fit_keeps_its_plan_and_no_more_than_the_figures(search):
    search.plan(X, Y)
    search.fit(X, Y)
    assert plan_of(search).n_trials == PLAN.n_trials
    assert plan_of(search)._plan_on is None


def test_a_pickle_keeps_the_plan_and_a_clone_does_not(search):
    search.plan(X, Y)
    search.fit(X, Y)
    assert plan_of(pickle.loads(pickle.dumps(search))).seconds == PLAN.seconds
    assert plan_of(clone(search).fit(X, Y)) is None


def test_a_second_fit_with_other_rows_forgets_the_plan(search):
    search.plan(X, Y)
    assert plan_of(search.fit(X, Y)) is not None
    assert plan_of(search.fit(X[:30], Y[:30])) is None


def test_a_fit_without_a_plan_has_none(search):
    assert plan_of(search.fit(X, Y)) is None


def test_the_report_of_the_fit_shows_the_plan(search):
    search.plan(X, Y)
    report = search.fit(X, Y).report()
    assert report.facts["plan"]["lines"][0]["what"] == "whole fit"
    handed_in = clone(search).fit(X, Y).report(plan=PLAN)
    assert handed_in.facts["plan"]["lines"][0]["likely"] == PLAN.seconds.likely
