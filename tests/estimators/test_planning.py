"""The method `plan` of an estimator."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from automodel import AutoClassifier, AutoRegressor
from automodel.training import plan as planning
from automodel.training.planning.probes import Probes
from tests.conftest import CHEAP, StubFamily
from tests.searches import make_searches

X, y = load_iris(return_X_y=True)


@pytest.fixture
def no_probes(monkeypatch):
    """Let plans rest on stated costs alone, so that they take no time."""
    calls = []

    def probed(families, folds, folder, seconds, *others):
        calls.append(seconds)
        return Probes([], 1.0, 2e8, 0.0)

    monkeypatch.setattr(planning, "probe_families", probed)
    return calls


def test_a_plan_leaves_the_estimator_unfitted(no_probes):
    search = AutoClassifier(**CHEAP)
    before = search.get_params()
    plan = search.plan(X, y)
    assert plan.n_trials["linear"].likely == 2
    assert no_probes == [5.0]
    assert search.get_params() == before
    assert not hasattr(search, "n_features_in_")
    with pytest.raises(NotFittedError):
        search.predict(X)


def test_real_probes_take_no_longer_than_they_may():
    search = AutoClassifier(families=[StubFamily()], n_trials=3, time_budget=None)
    plan = search.plan(X, y, probe_seconds=60.0)
    assert plan.n_trials["stub"].likely == 3
    assert 0 < plan.probe_seconds < 60
    assert plan.memory_parent > 5e7


@pytest.mark.parametrize("kind", ["image", "text", "detection"])
def test_texts_images_and_boxes_have_plans(kind):
    search, rows, targets = make_searches()[kind]
    plan = search.plan(rows, targets, probe_seconds=10.0)
    assert plan.total_trials.likely == search.n_trials
    assert 0 < plan.seconds_to_first_model.low <= plan.seconds.high
    assert plan.seconds_per_row.likely > 0


def test_the_fit_keeps_its_plan(no_probes):
    search = AutoClassifier(**CHEAP)
    plan = search.plan(X, y)
    assert search.fit(X, y)._plan_of_fit == replace(plan, advice=())
    assert search.set_params(n_trials=1).fit(X, y)._plan_of_fit is None
    assert clone(search).fit(X, y)._plan_of_fit is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe_seconds": 0}, "'probe_seconds' parameter of AutoClassifier.plan"),
        ({"probe_seconds": "5"}, "'probe_seconds' parameter of AutoClassifier.plan"),
        ({"groups": [1, 2]}, "groups"),
        ({"sample_weight": -np.ones(len(y))}, "sample_weight"),
    ],
)
def test_bad_input_is_refused_before_anything_is_probed(no_probes, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        AutoClassifier(**CHEAP).plan(X, y, **options)
    assert no_probes == []


def test_one_class_is_refused_as_in_a_fit(no_probes):
    with pytest.raises(ValueError, match="y holds only one class"):
        AutoClassifier(**CHEAP).plan(X, np.zeros(len(y)))
    assert no_probes == []


def test_twenty_rows_have_a_plan(no_probes):
    search = AutoRegressor(families=["linear"], time_budget=10)
    plan = search.plan(X[:20], np.arange(20.0))
    assert plan.seconds.likely <= 10
    assert plan.n_trials["linear"].likely > 1


def test_many_columns_have_a_plan(no_probes):
    wide = np.random.default_rng(0).normal(size=(60, 3000))
    plan = AutoClassifier(time_budget=60).plan(wide, np.arange(60) % 2)
    assert plan.total_trials.likely > 1


def test_weights_and_groups_are_those_of_the_fit(no_probes):
    search = AutoClassifier(**CHEAP | {"families": ["linear", "mlp"], "n_trials": 4})
    weight = np.tile([1.0, 2.0], len(y) // 2)
    plan = search.plan(X, y, sample_weight=weight, groups=np.arange(len(y)) // 2)
    assert set(plan.n_trials) == {"linear", "mlp"}


def test_families_that_cannot_learn_are_left_out(no_probes):
    class Picky(StubFamily):
        def supports(self, task):
            return False

    families = ["linear", Picky("picky")]
    plan = AutoClassifier(**CHEAP | {"families": families}).plan(X, y)
    assert plan.left_out["picky"] == "does not support this task"


def test_several_columns_have_a_plan(no_probes):
    both = np.column_stack([y, X[:, 0]])
    plan = AutoRegressor(**CHEAP).plan(X[:, 1:], both)
    assert plan.total_trials.likely == 2
