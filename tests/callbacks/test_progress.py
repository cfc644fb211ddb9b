"""The line about a search: what it tells, when it moves, and what it leaves behind."""

import datetime
import os
import pickle
import pty
import subprocess
import sys
import termios
import threading

import optuna
import pytest
from sklearn.base import clone

from automodel import AutoClassifier
from automodel.callbacks.progress import ProgressBar
from automodel.clock import SystemClock
from tests.conftest import CHEAP, FakeClock, StubFamily, make_frame, make_signal


class Study:
    study_name = "linear"


def trial(value=None, **user_attrs):
    state = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
        "failed": optuna.trial.TrialState.FAIL,
    }[user_attrs["status"]]
    return optuna.trial.create_trial(state=state, value=value, user_attrs=user_attrs)


def begun(number, family):
    user_attrs = {"number": number, "family": family}
    state = optuna.trial.TrialState.RUNNING
    return optuna.trial.create_trial(state=state, user_attrs=user_attrs)


@pytest.fixture
def clock(monkeypatch):
    """Let the bar read a clock that the test sets, and show each change at once."""
    clock = FakeClock()
    monkeypatch.setattr(SystemClock, "now", lambda self: clock.moment)
    monkeypatch.setattr("automodel.callbacks.progress.LOG_SECONDS", 0.0)
    return clock


@pytest.fixture
def still(monkeypatch):
    """Return a function that opens a bar, which only the test moves."""
    bars = []
    follow = "automodel.callbacks.progress._LiveBar._follow_clock"
    monkeypatch.setattr(follow, lambda self: None)

    def opened(start=None, **settings):
        bars.append(ProgressBar(0.0, start))
        bars[-1].setup(**{"time_budget": None, "n_trials": None, **settings})
        return bars[-1]

    yield opened
    for bar in bars:
        bar.teardown()


def run(bar, trials, **settings):
    bar.setup(**{"time_budget": None, "n_trials": None, **settings})
    for one in trials:
        bar(Study(), one)
    bar.teardown()


def test_the_last_line_tells_trials_best_score_and_its_family(capsys):
    trials = [
        trial(-0.5, status="complete", family="linear"),
        trial(-0.25, status="complete", family="knn"),
        trial(-0.75, status="complete", family="mlp"),
    ]
    run(ProgressBar(), trials, n_trials=5)
    assert "3/5 trials, best -0.25 (knn)" in capsys.readouterr().err


def test_more_trials_than_were_asked_for_do_not_exceed_the_total(capsys):
    run(ProgressBar(), [trial(status="pruned")] * 3, n_trials=2)
    assert "3/3 trials" in capsys.readouterr().err


def test_pruned_and_failed_trials_are_counted_apart(capsys):
    trials = [trial(status="pruned"), trial(status="failed"), trial(status="failed")]
    run(ProgressBar(), trials)
    assert "3 trials, 1 pruned, 2 failed" in capsys.readouterr().err


def test_the_score_of_a_pruned_trial_is_not_the_best(capsys):
    run(ProgressBar(), [trial(-0.1, status="pruned", family="knn")])
    assert "best" not in capsys.readouterr().err


def test_the_family_falls_back_to_the_name_of_the_study(capsys):
    run(ProgressBar(), [trial(-0.5, status="complete")])
    assert "(linear)" in capsys.readouterr().err


def test_the_line_tells_the_time_budget(capsys):
    run(ProgressBar(), [], time_budget=60.0)
    assert "0/60 s" in capsys.readouterr().err


def test_the_line_tells_the_time_that_is_left(capsys, clock, still):
    bar = still(time_budget=3600.0)
    clock.moment = 95.0
    bar(Study(), trial(-0.5, status="complete"))
    assert "95/3600 s, 58 min 25 s left, 1 trials" in capsys.readouterr().err
    clock.moment = 3700.0
    bar(Study(), trial(-0.5, status="complete"))
    assert "3700/3600 s, 0 s left" in capsys.readouterr().err


def test_without_a_budget_the_time_left_is_that_of_the_missing_trials(
    capsys, clock, still
):
    bar = still(n_trials=5)
    assert "left" not in capsys.readouterr().err  # nobody knows
    for moment in (8.0, 20.0):
        clock.moment = moment
        bar(Study(), trial(-0.5, status="complete"))
    assert "20 s, 30 s left, 2/5 trials" in capsys.readouterr().err


def test_trials_of_an_earlier_fit_took_no_time_of_this_one(capsys, clock, still):
    bar = still(n_trials=5)
    earlier = trial(-0.5, status="complete")
    earlier.datetime_complete = datetime.datetime(2020, 1, 1)
    clock.moment = 20.0
    for one in (earlier, earlier, trial(-0.5, status="complete")):
        bar(Study(), one)
    assert "20 s, 40 s left, 3/5 trials" in capsys.readouterr().err


def test_the_time_before_the_search_counts(capsys, clock, still):
    clock.moment = 30.0
    still(start=0.0, time_budget=60.0)
    assert " 50%" in (said := capsys.readouterr().err)
    assert "30/60 s, 30 s left" in said


def test_the_line_tells_what_is_being_tried(capsys, clock, still):
    bar = still()
    for number, family in enumerate(["linear", "mlp", "mlp"]):
        bar.on_trial_begin(Study(), begun(number, family))
    assert capsys.readouterr().err.rstrip().endswith("trying linear, 2 mlp")
    bar(Study(), trial(-0.5, status="complete", number=1, family="mlp"))
    assert capsys.readouterr().err.rstrip().endswith("trying linear, mlp")
    bar.teardown()
    assert "trying" not in capsys.readouterr().err


def test_a_trial_begins_before_it_ends():
    told = []

    class Callback:
        def on_trial_begin(self, study, trial):
            assert trial.params.keys() == {"quality", "mode"}
            told.append(("begins", study.study_name, trial.user_attrs["number"]))

        def __call__(self, study, trial):
            told.append(("ends", study.study_name, trial.user_attrs["number"]))

    X = make_frame()
    params = CHEAP | {"families": [StubFamily()], "callbacks": [Callback()]}
    AutoClassifier(**params).fit(X, make_signal(X) > 0.3)
    events = [
        (what, "stub", number) for number in (0, 1) for what in ("begins", "ends")
    ]
    assert told == events


def test_nothing_goes_to_stdout(capsys):
    run(ProgressBar(), [trial(-0.5, status="complete")], n_trials=1)
    assert capsys.readouterr().out == ""


def test_the_line_moves_between_trials(capsys, monkeypatch):
    monkeypatch.setattr("automodel.callbacks.progress.LOG_SECONDS", 0.0)
    bar = ProgressBar(refresh_seconds=0.01)
    bar.setup(time_budget=60.0, n_trials=None)
    shown = threading.Event()
    monkeypatch.setattr(bar._live, "_parts", lambda elapsed: shown.set() or ["", ""])
    moved = shown.wait(60)
    bar.teardown()
    assert moved


def test_a_file_gets_lines(capsys, clock, still):
    bar = still(n_trials=1)
    bar(Study(), trial(-0.5, status="complete"))
    bar.teardown()
    lines = capsys.readouterr().err.replace("\r", "").splitlines()
    assert [line.split("| ")[-1].rstrip() for line in lines][:2] == [
        "0 s, 0/1 trials",
        "0 s, 1/1 trials, best -0.5 (linear)",
    ]
    assert all("0 s, 1/1 trials, best -0.5 (linear)" in line for line in lines[2:])


def test_no_thread_is_left_behind(capsys):
    before = threading.active_count()
    run(ProgressBar(), [], time_budget=1.0)
    assert threading.active_count() == before


def test_teardown_twice_and_a_trial_without_setup_do_nothing(capsys):
    bar = ProgressBar()
    bar(Study(), trial(-0.5, status="complete"))
    bar.teardown()
    bar.teardown()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "copied", [lambda bar: pickle.loads(pickle.dumps(bar)), lambda b: clone(b, safe=0)]
)
def test_a_copy_of_a_running_bar_holds_the_settings_only(capsys, copied):
    bar = ProgressBar(refresh_seconds=2.0)
    bar.setup(time_budget=1.0, n_trials=None)
    twin = copied(bar)
    bar.teardown()
    assert vars(twin) == {"refresh_seconds": 2.0, "start": None, "_live": None}


def test_a_second_setup_closes_the_first_line(capsys):
    before = threading.active_count()
    bar = ProgressBar()
    bar.setup(time_budget=1.0, n_trials=None)
    bar.setup(time_budget=1.0, n_trials=None)
    bar.teardown()
    assert threading.active_count() == before


@pytest.mark.parametrize("size", [(24, 100), (0, 0)])
def test_a_terminal_gets_one_line_that_is_overwritten(size):
    script = (
        "from automodel.callbacks.progress import ProgressBar\n"
        "bar = ProgressBar()\n"
        "bar.setup(time_budget=5.0, n_trials=None)\n"
        "bar.teardown()\n"
    )
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, size)
    subprocess.run([sys.executable, "-W", "error", "-c", script], stderr=child)
    os.close(child)
    text = os.read(parent, 10_000).decode()
    os.close(parent)
    assert text.count("\n") == 1
    assert "0/5 s" in text
