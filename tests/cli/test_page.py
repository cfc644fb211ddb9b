"""The page about a model on the command line, with real estimators."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest

from automodel.cli import commands
from automodel.cli.page import read_fitted
from automodel.cli.parser import main
from tests.reporting.makers import Page

FIT = [
    "fit",
    "train.csv",
    "--target",
    "kind",
    "--families",
    "linear",
    "--n-trials",
    "1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=60), "code": ["x", "y"] * 30})
    table["kind"] = np.where(table["size"] > 0, "a", "b")
    table.loc[3, "kind"] = None
    table["owner"] = np.arange(60) // 3
    table.to_csv(path / "train.csv", index=False)
    return path


@pytest.fixture(scope="module")
def fitted(folder):
    """Return what is printed by a fit with a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ["--groups", "owner", "--report", "fit.html", "--jobs", "1"]
        assert main([*FIT, *options, "--quiet"]) == 0
    return folder


def test_a_fit_writes_a_page_and_its_facts(fitted):
    facts = json.loads((fitted / "fit.json").read_text(encoding="utf-8"))
    page = Page((fitted / "fit.html").read_text(encoding="utf-8"))
    assert facts["estimator"] == "AutoClassifier"
    assert facts["problem"]["n_rows"] == 59
    assert "could not be" not in page.text


def test_a_saved_model_has_a_page(fitted, monkeypatch, capsys):
    monkeypatch.chdir(fitted)
    assert main(["report", "model.joblib"]) == 0
    assert capsys.readouterr().out == "Report saved: report.html\n"
    page = Page((fitted / "report.html").read_text(encoding="utf-8"))
    assert "Pass the X and y" in page.text


def test_the_table_of_the_fit_gives_notes_about_the_data(fitted, monkeypatch, capsys):
    monkeypatch.chdir(fitted)
    assert main(["report", "model.joblib", "train.csv", "--out", "own.html"]) == 0
    assert "1 of 60 rows are left out" in capsys.readouterr().err
    page = Page((fitted / "own.html").read_text(encoding="utf-8"))
    assert "Pass the X and y" not in page.text


def test_the_rows_of_the_fit_are_read_again(fitted, monkeypatch):
    monkeypatch.chdir(fitted)
    model = joblib.load("model.joblib")
    X, y = read_fitted(model, fitted / "train.csv", lambda note: None)
    assert list(X.columns) == ["size", "code"]
    assert len(X) == len(y) == 59


def test_a_table_without_the_target_is_refused(fitted, monkeypatch, capsys):
    monkeypatch.chdir(fitted)
    pd.read_csv("train.csv").drop(columns="kind").to_csv("test.csv", index=False)
    assert main(["report", "model.joblib", "test.csv"]) == 2
    assert "lacks what the model predicts: 'kind'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "message"),
    [("none/page.html", "no folder none"), ("page.json", "path of a report")],
)
def test_a_page_that_cannot_be_saved_is_refused_before_the_search(
    folder, monkeypatch, capsys, path, message
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(commands, "_new_model", lambda *arguments: 1 / 0)
    assert main([*FIT, "--report", path]) == 2
    assert message in capsys.readouterr().err


def test_an_interrupt_says_that_there_is_no_report(folder, monkeypatch, capsys):
    class Slow:
        def report(self, *arguments, **options):
            raise KeyboardInterrupt

    monkeypatch.chdir(folder)
    monkeypatch.setattr(commands, "load_model", lambda path: Slow())
    assert main(["report", "model.joblib", "--out", "none.html"]) == 130
    assert "interrupted; there is no report" in capsys.readouterr().err
    assert not (folder / "none.html").exists()
