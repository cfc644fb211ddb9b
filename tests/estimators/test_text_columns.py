"""AutoClassifier and AutoRegressor on text columns with a tiny pretrained encoder."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from automodel import AutoClassifier, AutoRegressor
from automodel.preprocessing.text.embedding import TextEmbedding
from tests.texts import make_labels, make_texts, predicted_offline
from tests.tiny_encoder import write_encoder

pytest.importorskip("transformers")

ENCODINGS = {
    "linear": {"tfidf", "tfidf+embedding"},
    "hist_gradient_boosting": {"svd", "svd+embedding"},
}


def make_frame(n_rows, seed):
    texts, values = make_texts(n_rows, seed)
    size = np.random.default_rng(seed).normal(size=n_rows)
    return pd.DataFrame({"size": size, "review": texts}), values


X, VALUES = make_frame(120, 0)
Y = make_labels(VALUES)
NEW, _ = make_frame(40, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("weights") / "tiny", width=32)


@pytest.fixture
def weights(folder, monkeypatch):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))


def search(kind=AutoClassifier, family="linear", **params):
    options = {"families": [family], "n_trials": 3, "time_budget": None, "cv": 3}
    return kind(**{**options, "random_state": 0, **params})


def encodings(model):
    return {params.get("text") for params in model.leaderboard_["params"]}


@pytest.fixture(scope="module")
def fitted(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMODEL_WEIGHTS", str(folder))
        return search().fit(X, Y)


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
@pytest.mark.parametrize("family", ENCODINGS)
def test_embeddings_are_a_choice(family, kind, weights):
    y = Y if kind is AutoClassifier else VALUES
    model = search(kind, family).fit(X, y)
    assert not len(model.failures_)
    tried = [trial.params["text"] for trial in model.studies_[family]]
    assert (set(tried), tried[1]) == (ENCODINGS[family], f"{tried[0]}+embedding")


def test_every_loss_is_tried_with_embeddings(weights):
    options = {"scoring": "neg_mean_absolute_error", "n_trials": 5}
    family = "hist_gradient_boosting"
    model = search(AutoRegressor, family, **options).fit(X, VALUES)
    assert encodings(model) == ENCODINGS[family]


def test_texts_are_embedded_once_for_all_folds_trials_and_refits(weights, monkeypatch):
    embedded = []
    transform = TextEmbedding.transform

    def count(self, X, *args, **options):
        embedded.extend(X)
        return transform(self, X, *args, **options)

    monkeypatch.setattr(TextEmbedding, "transform", count)
    model = search(refit=True).fit(X, Y)
    assert encodings(model) == ENCODINGS["linear"]
    assert sorted(embedded) == sorted(["", *X["review"]])


def test_a_fit_repeats_and_replays(fitted, weights):
    expected = fitted.predict_proba(NEW)
    again = clone(fitted).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(NEW), expected)
    np.testing.assert_array_equal(fitted.replay(X, Y).predict_proba(NEW), expected)


@pytest.mark.slow
def test_workers_give_the_same_model(fitted, weights):
    parallel = search(n_jobs=2).fit(X, Y)
    expected = fitted.predict_proba(NEW)
    np.testing.assert_array_equal(parallel.predict_proba(NEW), expected)


def test_without_weights_there_is_neither_a_choice_nor_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = search(n_trials=3).fit(X, Y)
    assert encodings(model) == {None}
    assert model.task_.facts.weights is None


def test_weights_change_nothing_for_tables_without_text(weights):
    numbers = np.random.default_rng(0).normal(size=(120, 3))
    model = search(n_trials=3).fit(numbers, Y)
    assert encodings(model) == {None}
    assert model.task_.facts.weights is None


def test_a_pickled_model_predicts_in_a_fresh_process_without_a_network(
    fitted, tmp_path
):
    found = predicted_offline(fitted, NEW, tmp_path)
    np.testing.assert_allclose(found, fitted.predict_proba(NEW), rtol=1e-6)
