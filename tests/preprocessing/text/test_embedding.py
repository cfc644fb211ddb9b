"""Sentence embeddings of tiny encoders that are made on the spot."""

import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached, WeightsError
from automodel.preprocessing.stateless import PART_ROWS, output_in_memory
from automodel.preprocessing.text.embedding import TextEmbedding
from automodel.preprocessing.text.texts import Texts
from tests.conftest import FakeClock
from tests.tiny_encoder import write_encoder

pytest.importorskip("transformers")

TEXTS = ["good food", "bad service", "", "the food was very very good.", "bad"]
LONG = "good food bad service the very poor was great " * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture
def encoder(folder):
    return TextEmbedding(folder)


def embed_by_hand(folder, text):
    """Return the mean of the token embeddings as transformers computes them."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)([text], return_tensors="pt")
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden = model(**tokens).last_hidden_state[0]
    return hidden.mean(dim=0).numpy(), hidden[0].numpy()


def test_embeddings_are_those_of_transformers(encoder, folder):
    X = encoder.transform(TEXTS)
    assert X.shape == (len(TEXTS), 16)
    assert X.dtype == np.float32
    for row, text in zip(X, TEXTS, strict=True):
        np.testing.assert_allclose(row, embed_by_hand(folder, text)[0], atol=1e-5)


def test_the_first_token_is_used_if_the_folder_says_so(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "first")
    (other / "1_Pooling").mkdir()
    said = '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}'
    (other / "1_Pooling" / "config.json").write_text(said)
    X = TextEmbedding(other).transform(TEXTS[:1])
    expected = embed_by_hand(folder, TEXTS[0])[1]
    np.testing.assert_allclose(X[0], expected, atol=1e-5)


def test_embeddings_have_length_one_if_the_folder_says_so(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "unit")
    said = '[{"type": "sentence_transformers.models.Normalize"}]'
    (other / "modules.json").write_text(said)
    X = TextEmbedding(other).transform(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, atol=1e-6)


def test_all_forms_of_input_give_the_same(encoder):
    expected = encoder.transform(TEXTS)
    array = np.array(TEXTS, dtype=object)
    for X in (tuple(TEXTS), array, array.astype(str), pd.Series(TEXTS), Texts(array)):
        np.testing.assert_array_equal(encoder.transform(X), expected)
    missing = [None if text == "" else text for text in TEXTS]
    np.testing.assert_array_equal(encoder.transform(missing), expected)
    assert encoder.transform([]).shape == (0, 16)


def test_a_row_does_not_depend_on_the_others(encoder):
    texts = [f"{text} {word}" for text in TEXTS for word in LONG.split()[:40]]
    X = encoder.transform(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = encoder.transform([texts[i] for i in order])
    np.testing.assert_allclose(shuffled, X[order], atol=1e-5)
    for i in range(0, len(texts), 37):
        alone = encoder.transform(texts[i : i + 1])[0]
        np.testing.assert_allclose(alone, X[i], atol=1e-5)


def test_a_long_text_is_the_mean_of_its_chunks(folder):
    words = LONG.split()[:24]
    whole = TextEmbedding(folder, max_tokens=14).transform([" ".join(words)])[0]
    parts = [" ".join(words[:12]), " ".join(words[12:])]
    each = TextEmbedding(folder, max_tokens=14).transform(parts)
    np.testing.assert_allclose(whole, each.mean(axis=0), atol=1e-5)


def test_only_the_first_chunks_are_read(folder):
    encoder = TextEmbedding(folder, max_tokens=12, max_chunks=2)
    beginning = " ".join(LONG.split()[:20])
    X = encoder.transform([LONG, beginning, f"bad {beginning}"])
    np.testing.assert_allclose(X[0], X[1], atol=1e-5)
    assert np.abs(X[0] - X[2]).max() > 1e-3


def test_a_chunk_is_no_longer_than_the_encoder_can_read(folder):
    X = TextEmbedding(folder, max_tokens=10_000).transform([LONG])
    assert np.isfinite(X).all()


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "food " * 200_000, "\ud800 food", "a\0b", "🙂🙂", "مرحبا", "好吃"],
    ids=["word", "megabyte", "surrogate", "null", "emoji", "arabic", "chinese"],
)
def test_unusual_texts_are_embedded(encoder, text):
    X = encoder.transform([text, "good food"])
    assert np.isfinite(X).all()
    np.testing.assert_allclose(X[1], encoder.transform(["good food"])[0], atol=1e-5)


def test_it_works_in_a_pipeline_and_a_grid_search(folder):
    texts, y = TEXTS * 6, [1, 0, 0, 1, 0] * 6
    model = make_pipeline(TextEmbedding(folder), LogisticRegression(C=100))
    grid = {"textembedding__max_tokens": [8, 16]}
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(texts, y)
    assert found.score(texts, y) == 1
    frames = TextEmbedding(folder).set_output(transform="pandas")
    assert list(frames.fit_transform(TEXTS).columns[:2]) == ["embedding0", "embedding1"]


def test_it_ends_at_the_deadline_within_a_part(encoder):
    class Watched(TextEmbedding):
        def transform(self, X, deadline):
            parts.append(len(X))
            return super().transform(X, deadline)

    parts = []
    texts = Texts(np.array(TEXTS * 200, dtype=object))
    with pytest.raises(DeadlineReached):
        deadline = Deadline.after(5, FakeClock(step=1.0))
        output_in_memory(Watched(encoder.weights), texts, deadline)
    assert parts == [PART_ROWS]
    assert output_in_memory(encoder, texts).shape == (1000, 16)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_chunks": 1.5}, "max_chunks"),
        ({"max_chunks": True}, "max_chunks"),
        ({"weights": 3}, "weights"),
        ({"precision": "float16"}, "precision"),
    ],
)
def test_wrong_parameters_are_refused(folder, params, message):
    for use in (TextEmbedding.fit, TextEmbedding.transform):
        with pytest.raises(ValueError, match=message):
            use(TextEmbedding(**{"weights": folder, **params}), TEXTS)


def test_weights_with_missing_tensors_are_refused(folder, tmp_path):
    from tests.tiny_encoder import _tensors, write_tensors

    other = shutil.copytree(folder, tmp_path / "part")
    tensors = _tensors(np.random.default_rng(0), 16, 2)
    del tensors["encoder.layer.0.output.dense.weight"]
    write_tensors(other / "model.safetensors", tensors)
    with pytest.raises(WeightsError, match="1 tensors are missing"):
        TextEmbedding(other).transform(TEXTS)


def test_the_universal_encoder_ends_while_it_splits_texts():
    from automodel.nets._sentences import CHECKED_TEXTS, UniversalEncoder

    class Watched(str):
        def split(self):
            read.append(self)
            return [str(self)]

        def __getitem__(self, part):
            return self

    read = []
    encoder = UniversalEncoder.__new__(UniversalEncoder)
    deadline = Deadline.after(1.5, FakeClock(step=1.0))
    with pytest.raises(DeadlineReached):
        encoder.embed([Watched("a")] * 1000, 128, 4, deadline.check)
    assert len(read) == CHECKED_TEXTS
