"""AutoTextClassifier and AutoTextRegressor with a tiny pretrained encoder."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from automodel import AutoTextClassifier, AutoTextRegressor
from automodel.exceptions import FitWarning, WeightsError
from automodel.nets.weights import find_weights
from automodel.preprocessing.text.embedding import TextEmbedding
from tests.texts import CHEAP_TEXT, make_labels, make_texts, predicted_offline
from tests.tiny_encoder import write_encoder

pytest.importorskip("transformers")

X, VALUES = make_texts(120)
Y = make_labels(VALUES)
NEW, NEW_VALUES = make_texts(60, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("weights") / "tiny", width=64)


def search(folder, kind=AutoTextClassifier, **params):
    params = {"families": ["text_embedding"], "weights": folder, **params}
    return kind(**{**CHEAP_TEXT, **params})


@pytest.fixture(scope="module")
def fitted(folder):
    return search(folder).fit(X, Y)


def test_a_classifier_learns_from_embeddings(fitted, folder):
    assert np.mean(fitted.predict(NEW) == make_labels(NEW_VALUES)) > 0.6
    board = fitted.leaderboard_
    assert set(board["status"]) == {"complete"}
    assert fitted.weights_ == find_weights(folder)
    assert fitted.weights_[0].license == "mit"
    assert all("tiny" in str(params) for params in board["params"])
    (found,) = fitted.weights_
    assert set(board["weights"]) == {str(found)}
    assert "mit" in str(found)
    assert found.checksum[:12] in str(found)


def test_a_regressor_learns_from_embeddings(folder):
    model = search(folder, AutoTextRegressor).fit(X, VALUES)
    assert model.score(NEW, NEW_VALUES) > 0.1


def test_texts_are_embedded_once_for_all_folds_trials_and_refits(folder, monkeypatch):
    n_embedded = []
    transform = TextEmbedding.transform

    def count(self, X, *args, **options):
        n_embedded.append(len(X))
        return transform(self, X, *args, **options)

    monkeypatch.setattr(TextEmbedding, "transform", count)
    search(folder, n_trials=4, refit=True).fit(X, Y)
    assert sum(n_embedded) == len(X)


def test_a_fit_repeats_and_replays(fitted):
    expected = fitted.predict_proba(NEW)
    again = clone(fitted).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(NEW), expected)
    np.testing.assert_array_equal(fitted.replay(X, Y).predict_proba(NEW), expected)


def test_a_search_goes_on_with_the_same_weights(folder, fitted, tmp_path):
    search(folder, n_trials=1, storage=tmp_path).fit(X, Y)
    resumed = search(folder, storage=tmp_path).fit(X, Y)
    expected = fitted.predict_proba(NEW)
    np.testing.assert_array_equal(resumed.predict_proba(NEW), expected)


def test_a_pickled_model_predicts_in_a_fresh_process_without_a_network(
    fitted, tmp_path
):
    assert len(pickle.dumps(fitted)) < 500_000
    found = predicted_offline(fitted, NEW, tmp_path)
    np.testing.assert_array_equal(found, fitted.predict_proba(NEW))


@pytest.mark.slow
def test_workers_give_the_same_model(fitted, folder):
    parallel = search(folder, n_jobs=2).fit(X, Y)
    expected = fitted.predict_proba(NEW)
    np.testing.assert_array_equal(parallel.predict_proba(NEW), expected)


def test_without_weights_there_is_one_warning_and_a_model():
    options = {"families": None, "n_trials": 1}
    with pytest.warns(FitWarning, match="pip install") as caught:
        model = search("auto", **options).fit(X, Y)
    assert len(caught) == 1
    assert model.weights_ == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(None, **options).fit(X, Y)


def test_models_without_weights_have_none_in_the_leaderboard(folder):
    families = ["text_tfidf", "text_embedding"]
    board = search(folder, families=families, n_trials=2).fit(X, Y).leaderboard_
    for family, weights in zip(board["family"], board["weights"], strict=True):
        assert bool(weights) == (family == "text_embedding")


def test_named_weights_that_take_too_long_are_warned_of_once(folder, monkeypatch):
    monkeypatch.setattr("automodel.families.text.embedding.ENCODING_SHARE", 0.0)
    options = {"families": None, "n_trials": 1, "time_budget": 600}
    with pytest.warns(FitWarning, match="are not used.* embedding the texts") as caught:
        model = search(folder, **options).fit(X, Y)
    assert len(caught) == 1
    errors = " ".join(model.leaderboard_["error"])
    assert "embedding the texts takes about" in errors
    with pytest.warns(FitWarning, match="none of the families uses"):
        search(folder, families=["text_tfidf"], n_trials=1).fit(X, Y)
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search("auto", **options).fit(X, Y)


def test_wrong_weights_are_an_error_before_any_training(folder, tmp_path):
    for weights in ("unknown", "./unknown"):
        with pytest.raises(WeightsError):
            search(weights).fit(X, Y)
    broken = write_encoder(tmp_path / "broken")
    (broken / "vocab.txt").unlink()
    with pytest.raises(WeightsError, match="no tokenizer"):
        search(broken).fit(X, Y)
    with pytest.raises(ValueError, match="None .* has no pretrained weights"):
        search(None).fit(X, Y)


def test_the_weights_of_the_variable_are_found(folder, monkeypatch):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    model = search("auto", n_trials=1).fit(X, Y)
    assert model.weights_[0].source == "AUTOMODEL_WEIGHTS"
