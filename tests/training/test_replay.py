"""An ensemble that is fitted again gives the same predictions."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from automodel import AutoClassifier, AutoRegressor
from automodel.families import all_families
from automodel.nets._planner import StepPlanner
from tests.conftest import CHEAP, make_frame, make_signal

X = make_frame(200)
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
FAMILIES = sorted(n for n, f in all_families().items() if f.modality == "tabular")


def agree(search, again, X):
    name = "predict_proba" if hasattr(search, "predict_proba") else "predict"
    one, two = getattr(search, name)(X), getattr(again, name)(X)
    np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-7)
    assert [m.weight for m in again.ensemble_.members] == [
        m.weight for m in search.ensemble_.members
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "family"), list(enumerate(FAMILIES)))
def test_each_family_is_repeated_without_the_clock(number, family):
    kind, refit = [(AutoClassifier, True), (AutoRegressor, False)][number % 2]
    y = LABELS if kind is AutoClassifier else VALUES
    params = {"families": [family], "time_budget": 20.0, "n_trials": 2, "cv": 2}
    search = kind(**params, refit=refit, random_state=0).fit(X, y)
    assert search.ensemble_.members[0].number >= 0
    agree(search, search.replay(X, y), X)


@pytest.mark.parametrize(
    "time_budget", [None, pytest.param(20.0, marks=pytest.mark.slow)]
)
def test_rounds_of_each_column_are_kept_and_repeated(time_budget, tmp_path):
    y = np.column_stack([VALUES, np.random.default_rng(0).normal(size=len(VALUES))])
    params = {"families": ["hist_gradient_boosting"], "cv": 2, "random_state": 0}
    params |= {"time_budget": time_budget, "storage": tmp_path}
    AutoRegressor(**params, n_trials=1).fit(X, y)
    search = AutoRegressor(**params, n_trials=2).fit(X, y)
    agree(search, search.replay(X, y), X)
    model = search.best_estimator_
    assert model.predict(X).shape == y.shape
    steps = [m.n_iterations for m in search.ensemble_.members[0].models]
    assert all(signal > noise for signal, noise in steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "n_jobs"), [(load_breast_cancer, 2), (load_wine, 1), (load_diabetes, 2)]
)
def test_a_search_under_a_budget_is_repeated(load, n_jobs):
    X, y = load(return_X_y=True)
    kind = AutoRegressor if load is load_diabetes else AutoClassifier
    search = kind(time_budget=6.0, n_jobs=n_jobs).fit(X, y)
    with joblib.parallel_config(backend="loky"):
        agree(search, search.replay(X, y), X)


def test_the_search_itself_is_left_alone():
    search = AutoClassifier(**CHEAP).fit(X, LABELS)
    ensemble = search.ensemble_
    again = search.replay(X, LABELS)
    assert search.ensemble_ is ensemble
    assert again.ensemble_ is not ensemble
    agree(search, again, X)
    assert again.leaderboard_.equals(search.leaderboard_)
    assert again.best_estimator_.predict(X[:3]).shape == (3,)


def test_other_rows_are_learned_anew():
    search = AutoClassifier(**CHEAP).fit(X, LABELS)
    again = search.replay(X[:120], LABELS[:120])
    assert not np.allclose(again.predict_proba(X), search.predict_proba(X))


def test_other_columns_are_refused():
    search = AutoClassifier(**CHEAP).fit(X, LABELS)
    with pytest.raises(ValueError, match="feature"):
        search.replay(X.drop(columns="age"), LABELS)


def test_a_baseline_is_repeated():
    with pytest.warns(UserWarning, match="Only the baseline"):
        search = AutoRegressor(**CHEAP | {"n_trials": None, "time_budget": 1e-9}).fit(
            X, VALUES
        )
    agree(search, search.replay(X, VALUES), X)


class Clock:
    """Seconds left that go by step, faster from the hundredth on."""

    def __init__(self, limit):
        self.left = limit
        self.asked = 0

    def __call__(self):
        self.asked += 1
        self.left -= 0.01 if self.asked < 100 else 0.03
        return self.left


@pytest.mark.parametrize("limit", [0.5, 2.0, 8.0, 100.0])
def test_a_planner_repeats_its_step_plan(limit):
    one = StepPlanner(500, Clock(limit))
    first = list(iter(one.advance, 1.0))
    two = StepPlanner(500, step_plan=one.step_plan)
    assert list(iter(two.advance, 1.0)) == first
    assert one.taken == two.taken == len(first)
    assert first == sorted(first)
    assert 0 < first[0] < first[-1] < 1


@pytest.mark.parametrize(("limit", "least"), [(2.0, 0.8), (8.0, 0.9), (100.0, 0.99)])
def test_a_schedule_ends_inside_the_time(limit, least):
    clock = Clock(limit)
    planner = StepPlanner(500, clock)
    progress = list(iter(planner.advance, 1.0))
    assert progress[-1] > least
    assert clock.left > 0


def test_a_planner_without_a_limit_asks_no_clock():
    planner = StepPlanner(10)
    assert list(iter(planner.advance, 1.0)) == [(i + 0.5) / 10 for i in range(10)]
    assert planner.step_plan == []


def test_other_classes_are_refused():
    search = AutoClassifier(**CHEAP).fit(X, LABELS)
    with pytest.raises(ValueError, match="has the classes"):
        search.replay(X, np.where(VALUES > 0.3, "yes", "perhaps"))
