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

from automodel.callbacks.progress import ProgressBar


class Study:
    study_name = "linear"


def trial(value=None, **user_attrs):
    state = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
        "failed": optuna.trial.TrialState.FAIL,
    }[user_attrs["status"]]
    return optuna.trial.create_trial(state=state, value=value, user_attrs=user_attrs)


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


def test_nothing_goes_to_stdout(capsys):
    run(ProgressBar(), [trial(-0.5, status="complete")], n_trials=1)
    assert capsys.readouterr().out == ""


def test_the_line_moves_between_trials(capsys, monkeypatch):
    monkeypatch.setattr("automodel.callbacks.progress.LOG_SECONDS", 0.0)
    bar = ProgressBar(refresh_seconds=0.01)
    bar.setup(time_budget=60.0, n_trials=None)
    shown = threading.Event()
    monkeypatch.setattr(bar._live, "_text", lambda elapsed: shown.set() or "")
    moved = shown.wait(60)
    bar.teardown()
    assert moved


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
    assert vars(twin) == {"refresh_seconds": 2.0, "_live": None}


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
