"""Plans on the command line, whose estimators return a plan that is made by hand."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automodel.cli.parser import main
from automodel.estimators.base import AutoEstimator
from automodel.exceptions import FitWarning
from tests.reporting.plans import PLAN

PLAN_OF = ["plan", "train.csv", "--target", "kind", "--quiet"]


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Return the calls of `plan`, and the other machines."""
    calls = []

    def on(machine):
        calls[-1].machine = machine
        return replace(PLAN, machine=machine)

    def plan(self, X, y, sample_weight=None, groups=None, *, probe_seconds=5.0):
        given = {"X": X, "y": y, "sample_weight": sample_weight, "groups": groups}
        call = SimpleNamespace(model=self, seconds=probe_seconds, **given)
        calls.append(call)
        return replace(PLAN, _plan_on=on)

    monkeypatch.setattr(AutoEstimator, "plan", plan, raising=False)
    return calls


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"size": np.arange(40.0), "text": ["good", "bad one"] * 20})
    frame["kind"], frame["owner"] = ["a", "b"] * 20, np.arange(40) // 4
    frame.to_csv("train.csv", index=False)
    return tmp_path


def test_the_plan_is_printed_and_nothing_is_fitted_or_saved(folder, capsys):
    before = sorted(folder.iterdir())
    assert main(PLAN_OF) == 0
    assert capsys.readouterr().out == f"{PLAN}\n"
    assert sorted(folder.iterdir()) == before


def test_options_of_the_search_reach_the_estimator(asked):
    options = ["--time-budget", "40", "--families", "linear,knn", "--cv", "3"]
    options += ["--n-trials", "7", "--jobs", "2", "--memory-limit", "2GB"]
    assert main([*PLAN_OF, *options, "--probe-seconds", "2"]) == 0
    [call] = asked
    params = call.model.get_params()
    assert params["time_budget"] == 40
    assert params["families"] == ["linear", "knn"]
    assert (params["cv"], params["n_trials"], params["n_jobs"]) == (3, 7, 2)
    assert params["memory_limit"] == "2GB"
    assert call.seconds == 2


def test_the_data_are_those_that_fit_would_get(asked):
    main([*PLAN_OF, "--groups", "owner", "--drop", "text"])
    [call] = asked
    assert list(call.X.columns) == ["size"]
    assert list(call.y[:2]) == ["a", "b"]
    assert list(call.groups[:5]) == [0, 0, 0, 0, 1]


def test_a_column_of_texts_is_planned(asked):
    assert main([*PLAN_OF, "--text-column", "text", "--weights", "none"]) == 0
    assert type(asked[0].model).__name__ == "AutoTextClassifier"


def test_a_folder_of_images_is_planned(asked, folder):
    for name in ("cats/1", "cats/2", "dogs/1", "dogs/2"):
        path = folder / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    assert main(["plan", "photos", "--quiet"]) == 0
    assert type(asked[0].model).__name__ == "AutoImageClassifier"
    assert sorted(set(asked[0].y)) == ["cats", "dogs"]


def test_another_machine_takes_the_rest_from_this_one(asked, capsys):
    assert main([*PLAN_OF, "--cores", "16", "--memory", "64GB", "--no-gpu"]) == 0
    machine = asked[0].machine
    assert (machine.n_cores, machine.memory, machine.gpu) == (16, 64 * 10**9, False)
    assert "on 16 cores, with 64 GB of memory and no GPU" in capsys.readouterr().out
    main([*PLAN_OF, "--gpu"])
    assert asked[1].machine.gpu is True
    assert asked[1].machine.n_cores >= 1


def test_rates_add_the_cost(capsys):
    rates = ["--per-hour", "2", "--watts", "150", "--per-kwh", "0.3"]
    assert main([*PLAN_OF, *rates, "--grams-per-kwh", "400"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["Money", "Energy", "CO2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--per-hour", "-2"], "argument --per-hour: must be a number of at least 0"),
        (["--watts", "nan"], "argument --watts: must be a number of at least 0"),
        (["--per-kwh", "0.3"], "'per_kwh' of `cost` needs 'watts'"),
        (["--cores", "0"], "argument --cores: must be a whole number of at least 1"),
        (["--memory", "much"], "The 'memory' parameter must be a number of bytes"),
        (["--probe-seconds", "0"], "argument --probe-seconds: must be a number above"),
        (["--families", "nearest"], "nearest"),
        (["--target", "sort"], "train.csv has no column 'sort'"),
        (["--storage", "runs"], "unrecognized arguments: --storage"),
    ],
)
def test_wrong_options_are_said_in_one_line(asked, capsys, options, words):
    try:
        code = main([*PLAN_OF, *options])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1
    assert words in said
    assert asked == []


def test_notes_and_warnings_are_printed_beside_the_plan(monkeypatch, capsys):
    def plan(self, X, y, **options):
        warnings.warn("be\ncareful", FitWarning, stacklevel=1)
        return PLAN

    monkeypatch.setattr(AutoEstimator, "plan", plan, raising=False)
    assert main(PLAN_OF[:-1]) == 0
    printed = capsys.readouterr()
    assert "kind: classification, 2 classes" in printed.err
    assert "warning: be careful" in printed.err
    assert printed.out == f"{PLAN}\n"
