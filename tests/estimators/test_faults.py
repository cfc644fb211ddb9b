"""Trials that crash, hang or eat memory, and interrupts: a fit goes on, tidily."""

import os
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import psutil
import pytest

from automodel import AutoClassifier
from automodel.exceptions import FitWarning
from automodel.search.workers.base import Workers
from automodel.training.train import INTERRUPTED
from tests.conftest import (
    CHEAP,
    NosyFamily,
    StubFamily,
    environment,
    make_frame,
    make_signal,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]
X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")


def fit(mode, **params):
    family = StubFamily(trials=[(0.9, "plain"), (0.8, mode), (0.7, "plain")])
    params = CHEAP | {"families": [family], "n_trials": 3, "n_jobs": 2} | params
    return AutoClassifier(**params).fit(X, LABELS)


def statuses(search):
    return search.leaderboard_.sort_index()["status"].tolist()


def test_trials_that_fail_are_all_that_is_lost():
    errors = {
        "exit": "the worker ended itself with exit code 3, twice",
        "segfault": "the worker was killed by SIGSEGV, twice",
        "sysexit": "SystemExit: 4",
        "raise": "ValueError: the stub was told to fail",
        "nan": "ValueError: the model predicts values that are not finite",
    }
    trials = [(0.9, "plain"), *((0.8, mode) for mode in errors), (0.7, "plain")]
    search = fit("", families=[StubFamily(trials=trials)], n_trials=7)
    assert statuses(search) == ["complete", *["failed"] * 5, "complete"]
    assert search.failures_.sort_index()["error"].tolist() == list(errors.values())


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_trial_that_eats_memory_is_ended(n_jobs):
    search = fit("eat", memory_limit="800MB", n_jobs=n_jobs)
    assert statuses(search) == ["complete", "failed", "complete"]
    (error,) = search.failures_["error"]
    assert error.startswith("MemoryError: it used ")
    assert error.endswith("more than memory_limit=0.80 GB")


def test_trials_that_hang_are_ended_at_the_deadline():
    family = StubFamily(trials=[(0.9, "plain"), (0.8, "hang"), (0.7, "gil")])
    family.starts_search = True  # here, before a worker is up
    search = fit("", families=[family], time_budget=6.0)
    assert statuses(search) == ["complete", "stopped", "stopped"]
    assert search.fit_report_["total"] < 60  # of the 600 that they take


def test_a_trial_that_hangs_is_ended_long_before_a_late_deadline(monkeypatch):
    """One that is ended at the deadline is stopped instead."""
    monkeypatch.setattr(StubFamily, "most_share", 0.1)
    search = fit("gil", time_budget=60.0)
    assert statuses(search) == ["complete", "failed", "complete"]
    (error,) = search.failures_["error"]
    assert error.startswith("TimeoutError: it did not stop at its limit")


def test_a_worker_that_is_killed_from_outside_costs_nothing():
    killed = []

    def kill():
        for child in psutil.Process().children(recursive=True):
            is_forked = child.ppid() != os.getpid()  # from a server
            is_worker = is_forked or "popen_loky" in " ".join(child.cmdline())
            if is_worker and time.time() - child.create_time() > 1.0:
                killed.append(child.pid)
                child.kill()
                return True
        return False

    thread = threading.Thread(target=wait_until, args=(kill,))
    thread.start()
    family = StubFamily(modes=["sleep"], seconds=0.4)
    search = AutoClassifier(**CHEAP | {"families": [family], "n_trials": 8}, n_jobs=2)
    search.fit(X, LABELS)
    thread.join()
    assert killed
    assert set(statuses(search)) <= {"complete", "pruned"}


def test_a_setting_that_kills_is_not_asked_again():
    family = StubFamily(trials=[(0.9, "plain"), (0.8, "exit"), (0.8, "exit")])
    params = CHEAP | {"families": [family], "n_trials": 2}
    search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert statuses(search) == ["complete", "failed"]
    (asked,) = (t for t in search.studies_["stub"] if t.params["mode"] == "exit")
    assert asked.state.name == "FAIL"


def test_the_first_trial_runs_here_and_workers_do_without_torch(tmp_path):
    family = NosyFamily(tmp_path / "seen", n_workers=2, starts_search=True)
    params = CHEAP | {"families": [family], "n_trials": 5, "refit": False}
    AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    here = [pid for pid, _ in family.seen() if pid == os.getpid()]
    assert len(here) == 3  # the folds of one trial
    assert len(family.workers()) == 2
    assert not any(dict(family.seen())[pid] for pid in family.workers())


def test_what_was_in_flight_runs_again_alone(tmp_path):
    """The log has the beginning and the end of each trial."""
    log = tmp_path / "log"
    family = LoggingFamily(log, trials=[(0.9, "sleep"), (0.8, "exit"), (0.7, "sleep")])
    params = CHEAP | {"families": [family], "n_trials": 3, "cv": 2, "refit": False}
    search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert statuses(search).count("failed") == 1
    lines = [line.split() for line in log.read_text().splitlines()]
    deaths = [i for i, (what, mode) in enumerate(lines) if mode == "exit"]
    assert len(deaths) == 2
    begun = sum(what == "begin" for what, mode in lines[: deaths[1]] if mode != "exit")
    ended = sum(what == "end" for what, _ in lines[: deaths[1]])
    assert begun == ended  # nothing else ran when it died for the second time


class LoggingFamily(StubFamily):
    """Writes when its trainings begin and end."""

    def __init__(self, log, **params):
        super().__init__("logging", seconds=0.3, **params)
        self.log = log

    def fit(self, estimator, X, y, **keywords):
        self._note("begin", estimator)
        fitted = super().fit(estimator, X, y, **keywords)
        self._note("end", estimator)
        return fitted

    def _note(self, what, estimator):
        with self.log.open("a") as file:
            file.write(f"{what} {estimator.mode}\n")


class ClockFamily(StubFamily):
    """Sets the clock of the process where it trains."""

    def fit(self, estimator, X, y, **keywords):
        set_clock()
        return super().fit(estimator, X, y, **keywords)


def set_clock(*arguments):
    """Have the system clock of this process step, as after a suspension."""
    time.time = lambda: 1e10


def test_a_clock_that_is_set_ends_no_trial(monkeypatch):
    monkeypatch.setattr(time, "time", time.time)  # restores it
    family = ClockFamily(modes=["sleep"], seconds=0.3)
    params = {"families": [family], "time_budget": 60.0, "n_trials": 6}
    search = fit("", **params, callbacks=[set_clock])
    assert set(statuses(search)) <= {"complete", "pruned"}
    assert search.fit_report_["search"] < 50  # all trials, long before the end


def test_a_budget_may_be_longer_than_any_timer():
    search = fit("plain", time_budget=1e12)
    assert statuses(search) == ["complete"] * 3


def test_a_limit_that_a_backend_cannot_keep_is_told():
    with joblib.parallel_config(backend="threading"):
        search = AutoClassifier(**CHEAP, n_jobs=2, memory_limit="4GB")
        with pytest.warns(FitWarning, match="memory_limit is not enforced"):
            search.fit(X, LABELS)


SCRIPT = """
import time
from automodel import AutoClassifier
from tests.conftest import StubFamily, traces, wait_until
from tests.estimators.test_faults import LABELS, X

def told(study, trial):
    print("told", trial.user_attrs["number"], flush=True)

if __name__ == "__main__":
    before = traces()
    search = AutoClassifier(
        families={families}, time_budget={time_budget}, n_jobs={n_jobs},
        random_state=0, cv=2, callbacks=[told], refit={refit},
    )
    search.fit(X, LABELS)
    print("end", time.time(), len(search.ensemble_.members), flush=True)
    wait_until(lambda: traces() == before)
    after = traces()
    print([what for what in before if after[what] != before[what]], flush=True)
"""
SLEEPERS = "[StubFamily(modes=['sleep'], seconds=.3)]"


def interrupted(tmp_path, families, n_jobs, refit="'auto'", time_budget="600"):
    """Interrupt a fit after its third trial.

    Returns
    -------
    seconds : float
        From the signal to the end of `fit`.
    changed : str
        What the fit left behind.
    """
    script = tmp_path / "script.py"
    values = {"families": families, "n_jobs": n_jobs, "refit": refit}
    script.write_text(SCRIPT.format(**values, time_budget=time_budget))
    process = subprocess.Popen(
        [sys.executable, "-W", "always", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for _ in range(3):
        assert process.stdout.readline().startswith("told")
    time.sleep(0.1)
    moment = time.time()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "The search was interrupted" in errors
    *_, end, changed = output.splitlines()
    _, ended, n_members = end.split()
    assert int(n_members) >= 1
    return float(ended) - moment, changed


@pytest.mark.parametrize(
    ("n_jobs", "time_budget"), [(1, "600"), (2, "None, n_trials=1000")]
)
def test_an_interrupt_ends_the_search_at_once(tmp_path, n_jobs, time_budget):
    seconds, changed = interrupted(tmp_path, SLEEPERS, n_jobs, time_budget=time_budget)
    assert changed == "[]"
    assert seconds < 30  # of the minutes that are left


def test_an_interrupt_does_not_wait_for_native_code(tmp_path):
    families = (
        "[StubFamily('a', modes=['sleep'], seconds=.2), "
        "StubFamily('b', trials=[(.9, 'gil')], rank=2)]"
    )
    seconds, changed = interrupted(tmp_path, families, 2)
    assert changed == "[]"
    assert seconds < 30  # of the 600 that the native code takes


def test_an_interrupt_during_the_refit_keeps_the_models_of_the_folds():
    family = StubFamily(trials=[(0.9, "interrupt-refit"), (0.7, "plain")])
    params = CHEAP | {"families": [family], "n_trials": 2}
    with pytest.warns(FitWarning, match="The search was interrupted"):
        search = AutoClassifier(**params).fit(X, LABELS)
    members = search.ensemble_.members
    assert {model.fold for member in members for model in member.models} == {0, 1, 2}


def test_a_second_interrupt_is_told_once(monkeypatch):
    leave = Workers.__exit__

    def interrupted_too(self, *exc_info):
        leave(self, *exc_info)
        raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "__exit__", interrupted_too)
    family = StubFamily(trials=[(0.9, "plain"), (0.7, "interrupt")])
    with pytest.warns(FitWarning) as told:
        AutoClassifier(**CHEAP | {"families": [family]}).fit(X, LABELS)
    assert [str(one.message) for one in told].count(INTERRUPTED) == 1
