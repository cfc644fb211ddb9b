"""The facts of a report, for every kind of target and where something is missing."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from automodel import (
    AutoClassifier,
    AutoImageClassifier,
    AutoRegressor,
    AutoTextClassifier,
)
from automodel.reporting.page.facts import gather
from automodel.reporting.page.render import render
from tests.images import make_images
from tests.reporting.makers import Page, honest_of, rng_of
from tests.texts import make_texts

QUICK = {"n_trials": 1, "time_budget": None, "cv": 2, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::automodel.exceptions.FitWarning")


def table(n_rows=60):
    X = rng_of().normal(size=(n_rows, 3))
    return X, X @ [1.0, 2.0, 0.0]


def fitted(kind, X, y, **options):
    model = kind(**{"families": ["linear"], **QUICK, **options}).fit(X, y)
    model._honest = honest_of(model, X, y)
    return model


def facts_of(model, *data, **options):
    """Return the facts and the page, which has to be complete."""
    facts = json.loads(json.dumps(gather(model, *data, **options), allow_nan=False))
    page = Page(render(facts))
    assert "How to repeat it" in page.text
    assert "could not be" not in page.text, page.text
    return facts, page


def test_two_classes():
    X, value = table()
    y = np.where(value > 0, "$yes", "_no")
    facts, page = facts_of(fitted(AutoClassifier, X, y))
    errors = facts["errors"]
    assert np.sum(errors["confusion"]) == errors["n_rows"] == 60
    assert [score["name"] for score in errors["scores"]][-1] == "ROC AUC"
    assert [curve["name"] for curve in errors["curves"]["roc"]] == ["_no"]
    assert page.tags.count("svg") == 7
    assert facts["score"]["baseline"] < facts["score"]["expected"]


def test_many_classes_are_listed_by_pairs():
    X = rng_of().normal(size=(300, 3))
    y = (10 * (X[:, 0] - X[:, 0].min())).astype(int) % 30
    facts, page = facts_of(fitted(AutoClassifier, X, y))
    errors = facts["errors"]
    n_classes = len(errors["classes"])
    assert n_classes > 25
    assert errors["confusion"] is None
    assert errors["confused"][0]["n"] == max(pair["n"] for pair in errors["confused"])
    assert len(errors["curves"]["roc"]) == 5
    assert "are confused most often" in page.text


def test_several_labels():
    X, value = table()
    y = pd.DataFrame({"a": value > 0, "b": X[:, 0] > 1}).astype(int)
    facts, page = facts_of(fitted(AutoClassifier, X, y))
    assert {row["name"] for row in facts["errors"]["by_class"]} == {"a", "b"}
    assert "2 labels" in page.text


def test_values():
    X, y = table()
    facts, page = facts_of(fitted(AutoRegressor, X, y))
    (points,) = facts["errors"]["points"]
    assert np.allclose(points["actual"], y, rtol=1e-3)
    assert facts["errors"]["columns"][0]["r2"] > 0.5
    assert page.tags.count("image") == 2  # the points, as images within the figures


def test_values_in_several_columns():
    X, y = table()
    y = np.column_stack([y, 1000 + 5 * X[:, 2], -y, y**2, y])
    facts, page = facts_of(fitted(AutoRegressor, X, y))
    assert [column["name"] for column in facts["errors"]["columns"]][1] == "target 1"
    assert len(facts["errors"]["points"]) == 3
    assert "5 columns of numbers" in page.text


def test_sparse_rows_and_examples_of_them():
    X, value = table()
    X = csr_matrix(X * (np.abs(X) > 1))
    facts, _ = facts_of(
        fitted(AutoClassifier, X, value > 0), X, value > 0, show_examples=True
    )
    assert len(facts["examples"]["worst"][0]["cells"]) == 3


@pytest.mark.parametrize("has_honest", [True, False])
def test_one_row_for_most_classes(has_honest):
    X, _ = table(8)
    model = fitted(AutoClassifier, X, list("aabcdefg"))
    if not has_honest:
        del model._honest
    facts_of(model)


def test_the_baseline_alone():
    X, value = table(20)
    model = AutoClassifier(families=["linear"], time_budget=1e-6).fit(X, value > 0)
    facts, page = facts_of(model)
    assert facts["score"]["is_baseline"]
    assert "Careful: the model is the baseline" in page.text
    assert "No trial has ended" in page.text


def test_without_honest_predictions_there_is_a_message():
    X, value = table()
    model = fitted(AutoClassifier, X, value > 0)
    model._honest, model.expected_score_ = None, np.nan
    model._score_interval = (np.nan, np.nan)
    facts, page = facts_of(model)
    assert facts["score"]["expected"] is None
    assert "There are no predictions of rows that did not choose" in page.text
    assert "too few rows, models or time for an honest score" in page.text


def test_an_estimator_of_an_earlier_version_has_a_page():
    X, value = table()
    model = fitted(AutoClassifier, X, value > 0)
    del model._provenance
    for trial in model._trials["linear"]:
        del trial["user_attrs"]["worker"], trial["user_attrs"]["predict_seconds"]
    facts, page = facts_of(model)
    assert facts["recipe"]["versions"] == {}
    assert "saved by an earlier version" in page.text


def test_one_part_that_fails_does_not_cost_the_page(monkeypatch):
    X, y = table()
    model = fitted(AutoRegressor, X, y)
    model._honest.predictions = np.full((60, 1), np.nan)
    facts = gather(model)
    assert facts["errors"]["message"].startswith("This part could not be made. Value")
    assert "This part could not be made" in Page(render(facts)).text


def test_the_most_trusted_numbers_are_those_of_the_estimator():
    X, value = table()
    model = fitted(AutoClassifier, X, value > 0)
    model._score_interval = (-0.3, -0.1)
    facts, page = facts_of(model)
    assert facts["score"]["expected"] == model.expected_score_
    assert "95 % interval -0.3 to -0.1" in page.text
    (member,) = facts["ensemble"]
    assert (member["family"], member["weight"]) == ("linear", 1.0)


def test_the_call_can_be_repeated():
    X, value = table()
    y = value > 0
    model = fitted(AutoClassifier, X, y, random_state=None)
    call = gather(model)["recipe"]["call"]
    again = eval(call, {"AutoClassifier": AutoClassifier, "X": X, "y": y})
    assert again._seed_ == model._seed_
    assert (again.predict_proba(X) == model.predict_proba(X)).all()


def test_rows_are_shown_only_if_they_are_asked_for():
    X, value = table()
    model = fitted(AutoClassifier, X, value > 0)
    frame = pd.DataFrame(X + 0.123456789, columns=["secret", "b", "c"])
    _, page = facts_of(model, frame.to_numpy())
    assert "with `show_examples=True`" in page.text
    _, page = facts_of(model, frame.to_numpy(), show_examples=True)
    assert "Predicted worst" in page.text


def test_the_worst_texts_are_shown():
    texts = [f"{text} <i>" for text in make_texts(40)[0]]
    y = np.arange(40) % 2
    model = fitted(AutoTextClassifier, texts, y, families=["text_tfidf"], weights=None)
    facts, page = facts_of(model, texts, y, show_examples=True)
    assert facts["examples"]["worst"][0]["text"] in texts
    losses = [example["loss"] for example in facts["examples"]["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert page.tags.count("blockquote") == 16
    assert "blockquote" not in Page(render(gather(model, texts, y))).tags


def test_the_worst_images_are_shown():
    images = make_images(20)[0]
    y = np.arange(20) % 2
    model = fitted(
        AutoImageClassifier, images, y, families=["image_pixels"], weights=None
    )
    _, page = facts_of(model, images, y, show_examples=True)
    assert sum(link.startswith("data:image/jpeg") for link in page.links) == 16
    assert "img" not in Page(render(gather(model, images, y))).tags


def test_examples_need_the_rows_of_the_fit():
    X, value = table()
    model = fitted(AutoClassifier, X, value > 0)
    facts, _ = facts_of(model, X[:7], show_examples=True)
    assert facts["examples"]["message"].startswith("X has 7 rows, but that of `fit`")
