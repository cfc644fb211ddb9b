"""Importance, dependence and notes on the page, from stand-ins of what finds them."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from sklearn.utils import Bunch

from automodel import AutoClassifier, AutoRegressor
from automodel.reporting.page.facts import gather
from automodel.reporting.page.render import render
from tests.reporting.makers import Page, honest_of, rng_of

X = rng_of().normal(size=(40, 5))
Y = X[:, 0] + 0.1 * X[:, 1]
NAMES = np.array(["a", "<b>", "$c", "d", "e"], dtype=object)
QUICK = {"families": ["linear"], "n_trials": 1, "time_budget": None, "cv": 2}


def importance(X, y, sample_weight=None, groups=None, *, n_repeats=5, seconds=20.0):
    """Know nothing of the last column, and find the second one most important."""
    assert len(X) == len(y)
    assert 0 < seconds <= 20
    pairs = (("sample_weight", sample_weight), ("groups", groups))
    given = [name for name, values in pairs if values is not None]
    mean = np.array([0.2, 0.5, 0.3, -0.1, np.nan])
    return Bunch(
        importances=np.tile(mean[:, None], n_repeats),
        importances_mean=mean,
        importances_std=np.full(5, 0.01),
        feature_names=NAMES,
        members=[0],
        n_rows=40,
        notes=[f"given: {given}"],
    )


def data_notes(estimator, X, y):
    text = "<i>b</i> holds the same value in all rows."
    one = {"kind": "constant", "columns": ("<i>b</i>",), "text": text}
    return [SimpleNamespace(**one, severity="medium")]


def partial_dependence(estimator, X, features, *, seconds):
    assert seconds >= 0
    n_outputs = len(getattr(estimator, "classes_", [0]))
    kinds = [
        ("number", [1.0, 2.5, None]),
        ("category", ["a$", "_b", None]),
        ("date", [np.datetime64("2026-01-01", "us").item()] * 2 + [None]),
    ]
    average = np.arange(3.0 * n_outputs).reshape(3, n_outputs) / 10
    return [
        SimpleNamespace(
            feature=f"x{feature}",
            kind=kind,
            values=values,
            average=average,
            low=average - 0.1,
            high=average + 0.1,
            shares=np.full(3, 1 / 3),
        )
        for feature, (kind, values) in zip(features, kinds, strict=False)
    ]


@pytest.fixture(autouse=True)
def other_parts(monkeypatch):
    """Put the stand-ins where the page imports these functions from."""
    for name, function in (
        ("data_notes", data_notes),
        ("dependence", partial_dependence),
    ):
        module = ModuleType(f"automodel.reporting.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture(scope="module", params=["classes", "values"])
def model(request):
    if request.param == "classes":
        labels = np.digitize(Y, [-0.5, 0.5])
        found = AutoClassifier(**QUICK, random_state=0).fit(X, labels)
        found._honest = honest_of(found, X, labels)
    else:
        found = AutoRegressor(**QUICK, random_state=0).fit(X, Y)
        found._honest = honest_of(found, X, Y)
    found.permutation_importance = importance
    return found


def test_features_come_in_the_order_of_their_importance(model):
    facts = gather(model, X, Y)
    found = [(f["name"], f["mean"]) for f in facts["importance"]["features"]]
    assert found == [("<b>", 0.5), ("$c", 0.3), ("a", 0.2), ("d", -0.1), ("e", None)]
    page = Page(render(facts))
    assert "The models are those of the trials 0." in page.text
    assert "could not be" not in page.text


def test_the_most_important_features_have_a_figure_of_dependence(model):
    facts = gather(model, X, Y)
    found = facts["dependence"]["features"]
    assert [(f["name"], f["kind"]) for f in found] == [
        ("x1", "number"),
        ("x2", "category"),
        ("x0", "date"),
    ]
    assert len(found[0]["average"]) == len(facts["dependence"]["outputs"])
    html = render(facts)
    assert html.count('aria-label="Dependence on') == 3


def test_notes_about_the_data_are_on_the_first_screen_and_in_a_table(model):
    page = Page(render(gather(model, X, Y)))
    assert page.text.count("<i>b</i> holds the same value") == 2


def test_without_rows_the_page_says_how_to_get_these_parts(model):
    facts = gather(model)
    for name in ("importance", "dependence", "notes"):
        assert facts[name]["message"].startswith("Pass the X and y of `fit`")


def test_the_groups_of_a_fit_are_used_again(model):
    model._honest.groups = np.arange(40)
    try:
        notes = gather(model, X, Y)["importance"]["notes"]
        model._honest.rows = np.arange(39)  # not all rows are known
        others = gather(model, X, Y)["importance"]["notes"]
    finally:
        model._honest.groups, model._honest.rows = None, np.arange(40)
    assert notes == ["given: ['groups']"]
    assert others == ["given: []"]


def test_rows_that_are_refused_give_a_message(model, monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("X must be that of fit.")

    monkeypatch.setattr(model, "permutation_importance", refuse)
    facts = gather(model, X, Y)
    assert facts["importance"] == facts["dependence"]
    assert facts["importance"] == {"message": "X must be that of fit."}
