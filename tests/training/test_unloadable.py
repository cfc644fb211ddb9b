"""Models that cannot be read back, and interrupts, at the end of a fit."""

import os
import pickle
from itertools import product

import numpy as np
import pytest

from automodel import AutoClassifier
from automodel.exceptions import FitWarning
from automodel.search.workers.base import Workers
from tests.conftest import CHEAP, StubClassifier, StubFamily, make_frame, make_signal

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
HOME = os.getpid()


class Stubborn(StubClassifier):
    """An estimator that is written, but cannot be read."""

    def __setstate__(self, state):
        if self.is_bad(state):
            raise FAULTS[state["mode"]]
        super().__setstate__(state)

    def is_bad(self, state):
        return state["mode"] in FAULTS


FAULTS = {"type": TypeError("of another kind"), "memory": MemoryError("no room")}


class StubbornFamily(StubFamily):
    def estimator(self, task, random_state):
        return Stubborn()


@pytest.mark.parametrize(
    ("n_jobs", "fault", "refit"),
    [
        *product([1], FAULTS, [False, True, "auto"]),
        pytest.param(2, "type", False, marks=pytest.mark.slow),
        pytest.param(2, "memory", True, marks=pytest.mark.slow),
    ],
)
def test_a_model_that_cannot_be_loaded_is_left_out(fault, refit, n_jobs):
    """With one job refits are never written, and can be used."""
    trials = [(0.8, fault), (0.5, "plain"), (0.3, "plain")]
    family = StubbornFamily(trials=trials)
    params = CHEAP | {"families": [family], "n_trials": 3, "n_jobs": n_jobs}
    search = AutoClassifier(**params, refit=refit)
    said = rf"Models of trial 0 \(stub\) could not be loaded.*{FAULTS[fault]}"
    if refit and n_jobs == 1:
        search.fit(X, LABELS)
    else:
        with pytest.warns(FitWarning, match=said):
            search.fit(X, LABELS)
        if refit is False or n_jobs == 2:
            assert 0 not in [member.number for member in search.ensemble_.members]
    assert search.predict(X).shape == (60,)
    assert search.leaderboard_["weight"].sum() == pytest.approx(1)


def test_what_cannot_be_loaded_is_left_out_after_an_interrupt_too():
    trials = [(0.8, "type"), (0.9, "plain"), (0.3, "interrupt")]
    params = CHEAP | {"families": [StubbornFamily(trials=trials)], "n_trials": 3}
    with pytest.warns(FitWarning, match="Models of trial 0"):
        search = AutoClassifier(**params, ensemble_size=1).fit(X, LABELS)
    assert [member.number for member in search.ensemble_.members] == [1]
    search.predict(X)


@pytest.mark.parametrize("where", ["__exit__", "dismiss"])
def test_an_interrupt_while_all_is_tidied_up_loses_nothing(monkeypatch, where):
    """It comes when the ensemble is there."""
    calls = []

    def interrupted(self, *arguments):
        calls.append(where)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Workers, where, interrupted)
    params = CHEAP | {"families": [StubFamily(trials=[(0.9, "plain")])], "n_trials": 1}
    with pytest.warns(FitWarning, match="The search was interrupted"):
        search = AutoClassifier(**params).fit(X, LABELS)
    assert [member.number for member in search.ensemble_.members] == [0]
    pickle.loads(pickle.dumps(search))


def test_an_exit_in_a_refit_is_no_exit():
    class Leaves(StubFamily):
        def fit(self, estimator, X, y, *, sample_weight=None, monitor):
            if not monitor.has_validation:
                raise SystemExit(3)
            return super().fit(
                estimator, X, y, sample_weight=sample_weight, monitor=monitor
            )

    params = CHEAP | {"families": [Leaves(trials=[(0.9, "plain")])], "n_trials": 1}
    search = AutoClassifier(**params).fit(X, LABELS)
    assert {m.fold for m in search.ensemble_.members[0].models} == {0, 1, 2}
