"""Limits of the cost of an ensemble, for each kind of target."""

import pickle

import numpy as np
import pytest

from automodel import AutoClassifier, AutoRegressor
from automodel.exceptions import FitWarning
from automodel.reporting.page.facts import gather
from automodel.reporting.summary import text_summary
from tests.conftest import make_frame, make_signal

X = make_frame(150)
VALUE = make_signal(X)
TARGETS = {
    "classes": (AutoClassifier, np.digitize(VALUE, [0.0, 0.5])),
    "labels": (AutoClassifier, np.column_stack([VALUE > 0, VALUE > 0.5]).astype(int)),
    "value": (AutoRegressor, VALUE),
    "values": (AutoRegressor, np.column_stack([VALUE, VALUE**2])),
}
FAMILIES = ["linear", "knn", "extra_trees"]


def fitted(kind, y, **params):
    search = {"families": FAMILIES, "n_trials": 4, "time_budget": None, "cv": 2}
    return kind(**search, random_state=0, **params).fit(X, y)


def families_of(search):
    return {member.family for member in search.ensemble_.members}


@pytest.mark.parametrize("target", TARGETS)
def test_large_models_are_no_candidates(target):
    kind, y = TARGETS[target]
    free = fitted(kind, y, model_size_limit=None, prediction_time_limit=None)
    size = free._model_cost["n_bytes"]
    search = fitted(kind, y, model_size_limit=size / 3)
    assert search._model_cost["n_bytes"] <= size / 3
    models = [model for member in search.ensemble_.members for model in member.models]
    assert len(pickle.dumps([*models, search._best_model])) <= size / 3
    assert np.isfinite(search.expected_score_)
    again = search.replay(X, y)
    assert [[model.seed for model in m.models] for m in again.ensemble_.members] == [
        [model.seed for model in m.models] for m in search.ensemble_.members
    ]
    np.testing.assert_allclose(again.predict(X), search.predict(X), rtol=1e-6)


def test_without_a_model_within_the_limits_the_smallest_is_used():
    with pytest.warns(FitWarning, match="No model is within model_size_limit=.*trial"):
        search = fitted(AutoClassifier, TARGETS["classes"][1], model_size_limit=10)
    assert families_of(search) == {"linear"}
    assert len(search.ensemble_.members) == 1


def test_a_limit_of_time_holds_without_a_budget():
    y = TARGETS["classes"][1]
    with pytest.warns(FitWarning, match="prediction_time_limit=1e-12 s"):
        search = fitted(AutoClassifier, y, prediction_time_limit=1e-12)
    assert len(search.ensemble_.members) == 1
    assert len(search.ensemble_.members[0].models) == 1


def test_a_resumed_search_and_one_with_a_text_as_limit_keep_it(tmp_path):
    params = {"model_size_limit": "30kB", "storage": tmp_path}
    y = TARGETS["value"][1]
    first = fitted(AutoRegressor, y, **params)
    second = fitted(AutoRegressor, y, **params)
    assert "extra_trees" not in families_of(first)
    assert first._model_cost["n_bytes"] == second._model_cost["n_bytes"] <= 30_000
    np.testing.assert_allclose(first.predict(X), second.predict(X))


def test_folds_are_fewer_if_there_is_no_room_for_their_models():
    y = TARGETS["value"][1]
    params = {"families": ["extra_trees"], "n_trials": 1, "refit": False, "cv": 5}
    params |= {"time_budget": None, "random_state": 0}
    every = AutoRegressor(**params).fit(X, y)
    assert len(every.ensemble_.members[0].models) == 5
    size = every._model_cost["n_bytes"]
    some = AutoRegressor(**params, model_size_limit=0.5 * size).fit(X, y)
    assert len(some.ensemble_.members[0].models) == 2
    assert some._model_cost["n_bytes"] == pytest.approx(0.4 * size, rel=0.1)


def test_the_summary_and_the_page_say_what_is_left_out():
    search = fitted(AutoRegressor, VALUE, model_size_limit="30kB")
    text, cost = text_summary(search), gather(search)["cost"]
    assert "Models: about" in text
    assert "could not join the ensemble, because of model_size_limit=0.03 MB" in text
    assert cost["n_bytes"] == pytest.approx(search._model_cost["n_bytes"])
    assert any("could not join" in said for said in cost["left_out"])


@pytest.mark.parametrize("limit", ["fast", 0, -1.0])
def test_a_time_limit_that_is_none_is_refused(limit):
    with pytest.raises(ValueError, match="prediction_time_limit"):
        fitted(AutoRegressor, VALUE, prediction_time_limit=limit)
