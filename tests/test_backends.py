"""What may go wrong on a backend of joblib, and that a fit outlives it."""

import threading
import time
import warnings

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

from automodel import AutoClassifier
from automodel.exceptions import FitWarning
from automodel.search import engines
from automodel.search.engines import Batches, Engine, open_engine
from automodel.search.workers import OwnProcesses, open_workers
from tests.conftest import CHEAP, FAULTS, StubFamily, make_frame, make_signal

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")


class OtherBackend(ThreadingBackend):
    """A backend that automodel does not know."""


joblib.register_parallel_backend("other", OtherBackend)


def fit(backend, **params):
    params = CHEAP | {"families": [StubFamily()], "n_jobs": 2, "refit": False} | params
    with joblib.parallel_config(backend=backend):
        return AutoClassifier(**params).fit(X, LABELS)


def statuses(search):
    return search.leaderboard_.sort_index()["status"].tolist()


@pytest.mark.parametrize("backend", ["threading", "other"])
def test_a_backend_runs_trials(backend):
    assert statuses(fit(backend, n_trials=3)) == ["complete"] * 3


@pytest.fixture
def hanging():
    """Return a family whose second trial hangs until the test is over."""
    may_end = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAULTS, "hang", may_end.wait)
        yield StubFamily(trials=[(0.9, "plain"), (0.8, "hang")])
        may_end.set()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "other"])
def test_a_trial_that_hangs_is_not_waited_for(backend, hanging):
    with pytest.warns(FitWarning, match="Trials that did not end in time"):
        search = fit(backend, families=[hanging], n_trials=6, time_budget=10.0)
    assert "stopped" in statuses(search)
    assert "complete" in statuses(search)


@pytest.mark.slow
def test_warnings_are_heard_again_beside_a_trial_that_hangs(hanging):
    with pytest.warns(FitWarning):
        fit("threading", families=[hanging], time_budget=6.0)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)


class CostlyFamily(StubFamily):
    """Does not know what it costs, once trials are under way."""

    n_asked = 0

    def cost(self, params, task):
        self.n_asked += 1
        if self.n_asked > 4:
            raise RuntimeError("the cost is not known")
        return 1.0


@pytest.mark.parametrize("time_budget", [None, 20.0])
@pytest.mark.parametrize("backend", ["sequential", "threading", "other"])
def test_an_error_of_what_is_asked_fails_the_trials_that_follow(backend, time_budget):
    families = [CostlyFamily()]
    search = fit(backend, families=families, n_trials=99, time_budget=time_budget)
    board = search.leaderboard_.sort_index()
    failed = board[board["status"] == "failed"]
    assert board["status"][0] == "complete"
    assert set(failed["error"]) == {"RuntimeError: the cost is not known"}
    assert len(board) < 20


class Falling(Engine):
    """An engine whose second call takes the cluster along."""

    n_submitted = 0

    def submit(self, *arguments):
        self.n_submitted += 1
        if self.n_submitted == 2:
            raise engines.EngineError("the cluster is gone")
        super().submit(*arguments)


@pytest.mark.parametrize("time_budget", [None, 30.0])
def test_a_backend_that_is_gone_is_given_up(monkeypatch, time_budget):
    monkeypatch.setattr("automodel.search.backends.open_engine", Falling)
    with pytest.warns(FitWarning, match="went on in this process.*cluster is gone"):
        search = fit("threading", n_trials=4, time_budget=time_budget)
    assert statuses(search) == ["complete"] * 4


def test_a_backend_that_cannot_be_opened_is_given_up(monkeypatch):
    def fail(*arguments):
        raise OSError("no route to host")

    monkeypatch.setattr("automodel.search.backends.open_engine", fail)
    with pytest.warns(FitWarning, match="went on in this process.*no route to host"):
        assert statuses(fit("threading", n_trials=3)) == ["complete"] * 3


class Losing(engines.Threads):
    """An engine that loses what it has, as often as it is told."""

    times = 1

    def wait(self, seconds):
        found = super().wait(seconds)
        if found and self.times:
            self.times -= 1
            return [
                engines.Outcome(one.key, None, "died", "the worker died")
                for one in found
            ]
        return found


def test_what_is_lost_runs_again(monkeypatch):
    monkeypatch.setattr("automodel.search.backends.open_engine", Losing)
    assert statuses(fit("threading", n_trials=4)) == ["complete"] * 4


def test_what_is_lost_twice_has_failed(monkeypatch):
    monkeypatch.setattr("automodel.search.backends.open_engine", Losing)
    monkeypatch.setattr(Losing, "times", 2)
    with pytest.warns(FitWarning, match="Trials lost: 1. The first: the worker died"):
        search = fit("threading", n_trials=1)
    assert statuses(search) == ["failed"]


class Dying(OtherBackend):
    """A backend that fails in whole, if it has more than one call."""

    def submit(self, func, callback=None):
        raise RuntimeError("a worker has died")


def test_a_batch_that_fails_says_why():
    engine = Batches(Dying(), 2, None)
    for key in range(2):
        engine.submit(key, pow, None)
    found = []
    until = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        found += engine.wait(1.0)
    assert {outcome.key: outcome.error for outcome in found} == {
        0: "RuntimeError: a worker has died",
        1: "RuntimeError: a worker has died",
    }


def slowly(order, *arguments):
    time.sleep(0.05 * order)
    return order


def test_one_batch_runs_at_a_time():
    engine = Batches(OtherBackend(), 2, None)
    engine.submit(0, slowly, 0)
    engine.submit(6, slowly, 6)
    found, given, until = [], set(), time.monotonic() + 30
    while len(found) < 4 and time.monotonic() < until:
        found += engine.wait(1.0)
        for order in (1, 2) if found else ():
            if order not in given:
                engine.submit(order, slowly, order)
                given.add(order)
    assert sorted(outcome.value for outcome in found) == [0, 1, 2, 6]


def test_an_unknown_backend_runs_batches():
    assert type(open_engine(OtherBackend(), 2, None)) is Batches


def test_a_call_that_does_not_answer_is_not_waited_for():
    assert engines.within(10.0, lambda: 3) == 3
    with pytest.raises(TimeoutError, match="no answer within"):
        engines.within(0.05, threading.Event().wait)
    with pytest.raises(engines.EngineError, match="ZeroDivisionError"):
        engines.within(10.0, lambda: 1 / 0)


def test_threads_of_an_outer_call_are_no_choice_of_the_user():
    with joblib.parallel_config(ThreadingBackend(nesting_level=1)):
        assert type(open_workers(1, None, 10**9)) is OwnProcesses
        assert type(open_workers(2, None)) is OwnProcesses
    with joblib.parallel_config("multiprocessing"):
        assert type(open_workers(2, None)) is OwnProcesses
