"""What a tracker is told of a fit, and what its errors do to it."""

import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from automodel import AutoClassifier
from automodel.callbacks import TrackedFit, Tracker
from automodel.callbacks.tracker import seconds_reserved, seconds_to_wait
from automodel.clock import Deadline
from automodel.exceptions import FitWarning
from tests.conftest import (
    CHEAP,
    FakeClock,
    StubFamily,
    environment,
    make_frame,
    make_signal,
)

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
LOGGED: list = []  # a list for each fit, of what was logged
GO_ON = threading.Event()


class Logging(TrackedFit):
    def __init__(self, fit, fails_at, hangs_at):
        self.fit, self.fails_at, self.hangs_at = fit, fails_at, hangs_at
        self.log = []
        LOGGED.append(self.log)

    def _do(self, what, said=None):
        if what == self.hangs_at:
            GO_ON.wait()
        if what == self.fails_at:
            raise OSError(f"no server to {what}")
        self.log.append((what, said))

    def begin(self):
        self._do("begin", self.fit)

    def log_trial(self, trial):
        self._do("trial", trial)

    def finish(self, estimator):
        self._do("finish", estimator)


class LogTracker(Tracker):
    def __init__(self, fails_at="", hangs_at=""):
        self.fails_at, self.hangs_at = fails_at, hangs_at

    def track(self, fit):
        if self.fails_at == "track":
            raise ImportError("no library")
        return Logging(fit, self.fails_at, self.hangs_at)


@pytest.fixture(autouse=True)
def _fresh():
    LOGGED.clear()
    GO_ON.clear()
    yield
    GO_ON.set()


def classifier(*callbacks, **params):
    defaults = CHEAP | {"families": [StubFamily()], "n_trials": 6, "cv": 2}
    return AutoClassifier(**(defaults | {"callbacks": callbacks} | params))


def test_every_trial_is_logged_and_the_fitted_estimator():
    search = classifier(LogTracker(), lambda study, trial: None).fit(X, LABELS)
    begin, *trials, finish = LOGGED[0]
    assert [what for what, _ in LOGGED[0]] == ["begin", *["trial"] * 6, "finish"]
    facts, model = begin[1], finish[1]
    assert facts.estimator is search
    assert facts.task == search.task_
    assert facts.metric_name == search.metric_name_
    assert facts.fingerprint()["random_state"] == 0
    numbers = [trial.user_attrs["number"] for _, trial in trials]
    assert sorted(numbers) == sorted(search.leaderboard_.index)
    assert model is not search
    assert model.callbacks == ()
    np.testing.assert_array_equal(model.predict_proba(X), search.predict_proba(X))


def test_a_callable_of_the_user_does_not_change_what_is_logged():
    def rename(study, trial):
        trial.user_attrs = {}

    classifier(LogTracker(), rename).fit(X, LABELS)
    assert all(t.user_attrs["family"] for what, t in LOGGED[0] if what == "trial")


@pytest.mark.parametrize("fails_at", ["begin", "trial", "finish"])
def test_an_error_becomes_one_warning_and_the_fit_is_kept(fails_at):
    with pytest.warns(FitWarning) as caught:
        search = classifier(LogTracker(fails_at)).fit(X, LABELS)
    (message,) = [str(w.message) for w in caught]
    assert f"OSError: no server to {fails_at}" in message
    assert message.startswith("LogTracker has not logged all of the fit")
    assert search.predict(X).shape == (60,)
    has_finished = any(what == "finish" for what, _ in LOGGED[0])
    assert has_finished == (fails_at == "trial")


@pytest.mark.parametrize("hangs_at", ["begin", "trial", "finish"])
def test_a_fit_does_not_wait_for_a_server_that_does_not_answer(hangs_at, monkeypatch):
    monkeypatch.setattr("automodel.callbacks.tracker.MOST_SECONDS", 0.2)
    with pytest.warns(FitWarning, match="goes on in the background") as caught:
        search = classifier(LogTracker(hangs_at=hangs_at)).fit(X, LABELS)
    assert len(caught) == 1
    assert len(search.leaderboard_) == 6


def test_a_fit_does_not_wait_for_a_server_that_is_gone(monkeypatch):
    monkeypatch.setattr("automodel.callbacks.tracker.LOOK_SECONDS", 0.1)
    monkeypatch.setattr(Logging, "answers", lambda self, end: False)
    with pytest.warns(FitWarning, match="does not answer any more") as caught:
        classifier(LogTracker(hangs_at="trial")).fit(X, LABELS)
    assert len(caught) == 1


SCRIPT = """
import time
from pytest import MonkeyPatch
import tests.callbacks.test_tracker as test

class Slow(test.Logging):
    def finish(self, estimator):
        time.sleep(1)
        print("logged")

test.Logging = Slow
MonkeyPatch().setattr("automodel.callbacks.tracker.MOST_SECONDS", 0.0)
test.classifier(test.LogTracker()).fit(test.X, test.LABELS)
print("fitted")
"""


def test_the_end_of_the_process_waits_for_what_is_not_logged():
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.stdout.split() == ["fitted", "logged"], done.stderr


def test_a_part_of_the_time_budget_is_kept_for_the_end():
    assert seconds_reserved(None) == 0
    assert seconds_reserved(60.0) == pytest.approx(3.0)
    assert seconds_reserved(3600.0) == 10
    clock = FakeClock()
    deadline = Deadline.after(60.0, clock)
    clock.wait(57.0)
    assert seconds_to_wait(deadline, has_failed=False) == pytest.approx(3.0)
    assert seconds_to_wait(deadline, has_failed=True) == pytest.approx(3.0)
    assert seconds_to_wait(Deadline(), has_failed=False) == 60
    assert seconds_to_wait(Deadline(), has_failed=True) == 5


def test_an_error_of_the_set_up_ends_the_fit_before_any_trial():
    told = []
    with pytest.raises(ImportError, match="no library"):
        classifier(LogTracker("track"), lambda *trial: told.append(trial)).fit(
            X, LABELS
        )
    assert told == []


def test_the_end_of_a_fit_that_fails_is_logged():
    def stop(study, trial):
        raise ValueError("of the user")

    with pytest.raises(ValueError, match="of the user"):
        classifier(LogTracker(), stop).fit(X, LABELS)
    assert LOGGED[0][-1] == ("finish", None)


def test_several_trackers_are_told():
    classifier(LogTracker(), LogTracker()).fit(X, LABELS)
    assert [len(log) for log in LOGGED] == [8, 8]


def test_one_tracker_serves_fits_in_several_threads():
    tracker = LogTracker()
    searches = [classifier(tracker, random_state=seed) for seed in range(3)]
    threads = [threading.Thread(target=s.fit, args=(X, LABELS)) for s in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(log) for log in LOGGED] == [8, 8, 8]


def test_a_grid_search_clones_and_uses_it():
    grid = {"ensemble_size": [1, 2]}
    search = GridSearchCV(classifier(LogTracker(), n_trials=2), grid, cv=2, refit=False)
    search.fit(X, LABELS)
    assert [len(log) for log in LOGGED] == [4] * 4


def test_a_fitted_estimator_with_a_tracker_is_cloned_and_pickled():
    search = classifier(LogTracker()).fit(X, LABELS)
    clone(search)
    loaded = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def test_no_thread_stays_and_nothing_is_warned_of():
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(LogTracker()).fit(X, LABELS)
    assert threading.active_count() == before


def test_what_is_neither_a_tracker_nor_callable_is_refused():
    with pytest.raises(TypeError, match="must contain trackers, and callables"):
        classifier("mlflow").fit(X, LABELS)
