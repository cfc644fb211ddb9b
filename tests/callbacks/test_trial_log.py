"""One line for each trial in the log, and what `verbose` shows of any search."""

import logging
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

from automodel import AutoClassifier
from automodel.callbacks.trial_log import TrialLog
from tests.conftest import CHEAP, StubFamily, environment, make_frame, make_signal
from tests.searches import make_searches

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
TRIALS = [(0.5, "plain"), (0.9, "plain"), (0.1, "raise")]


def classifier(**params):
    families = [StubFamily(trials=TRIALS)]
    return AutoClassifier(**(CHEAP | {"families": families, "n_trials": 3} | params))


def lines_of(caplog):
    own = (record for record in caplog.records if record.name == "automodel")
    return [record.getMessage() for record in own]


def test_a_line_for_each_trial(caplog):
    caplog.set_level(logging.INFO, logger="automodel")
    model = classifier(verbose=2).fit(X, LABELS)
    scores = [f"{score:.4g}" for score in model.leaderboard_["score"].sort_index()]
    first, second, third = lines_of(caplog)
    assert first.startswith(f"Trial 0 of stub has the score {scores[0]} in 0.")
    assert f" s; the best is {scores[0]} of trial 0. Parameters: quality=0.5" in first
    assert f" s; the best is {scores[1]} of trial 1." in second
    assert third.startswith("Trial 2 of stub has failed in 0.")
    assert third.endswith(
        f"the best is {scores[1]} of trial 1. ValueError: the stub was told to fail. "
        "Parameters: quality=0.1, mode='raise'"
    )
    assert {record.name for record in caplog.records} == {"automodel"}
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_second_fit_has_a_best_trial_of_its_own(caplog):
    caplog.set_level(logging.INFO, logger="automodel")
    log = TrialLog()
    for trials in ([(0.9, "plain")], [(0.5, "plain")]):
        families = [StubFamily(trials=trials)]
        classifier(families=families, n_trials=1, callbacks=[log]).fit(X, LABELS)
    first, second = (line.split("the best is ")[1] for line in lines_of(caplog))
    assert first.split()[0] != second.split()[0]


def test_an_error_of_several_lines_is_one_line(caplog):
    class Wordy(StubFamily):
        def fit(self, estimator, X, y, **keywords):
            raise ValueError("one\ntwo")

    caplog.set_level(logging.INFO, logger="automodel")
    with pytest.warns(UserWarning, match="Only the baseline"):
        classifier(families=[Wordy()], n_trials=1, verbose=2).fit(X, LABELS)
    [line] = lines_of(caplog)
    assert "has failed in" in line
    assert "ValueError: one two. Parameters: " in line


@pytest.mark.parametrize("verbose", [0, 1])
def test_nothing_is_logged_unless_it_is_wanted(caplog, verbose):
    caplog.set_level(logging.INFO, logger="automodel")
    classifier(verbose=verbose).fit(X, LABELS)
    assert lines_of(caplog) == []


def test_loggers_stay_as_the_application_has_set_them(capsys):
    loggers = [logging.getLogger(name) for name in ("automodel", None)]
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    classifier(verbose=2).fit(X, LABELS)
    after = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    assert after == before
    assert "Trial 0" not in capsys.readouterr().err  # INFO is hidden, unless asked for


IN_A_TERMINAL = """
import logging
from types import SimpleNamespace
import optuna
from automodel.callbacks import ProgressBar, TrialLog
logging.basicConfig(level=logging.INFO, format="%(message)s")
callbacks = [ProgressBar(), TrialLog()]
for callback in callbacks:
    callback.setup(time_budget=60.0, n_trials=None)
said = {"family": "mlp", "status": "complete", "seconds": 1.0, "error": ""}
for number in range(2):
    trial = optuna.create_trial(value=0.5, user_attrs=said | {"number": number})
    for callback in callbacks:
        callback(SimpleNamespace(study_name="mlp"), trial)
callbacks[0].teardown()
"""


def test_the_bar_makes_way_for_the_lines_in_a_terminal():
    parent, child = pty.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL]
    subprocess.run(command, stderr=child, env=environment(), check=True)
    os.close(child)
    text = os.read(parent, 100_000).decode()
    os.close(parent)
    assert text.count("\rTrial ") == 2, text  # each at the beginning of a line


@pytest.mark.parametrize("kind", ["table", "image", "text", "detection"])
def test_every_kind_of_search_shows_its_progress(capsys, caplog, kind):
    caplog.set_level(logging.INFO, logger="automodel")
    searches = {"table": (classifier(), X, LABELS), **make_searches()}
    model, rows, targets = searches[kind]
    model.set_params(verbose=2).fit(rows, targets)
    said = capsys.readouterr().err
    best = model.leaderboard_.iloc[0]
    assert "3/3 trials" in said
    assert f"best {best['score']:.5g} ({best['family']})" in said
    assert len(lines_of(caplog)) == 3
