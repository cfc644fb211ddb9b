"""Embeddings of the text columns of tables."""

import pickle

import numpy as np
import pandas as pd
import pytest

from automodel.nets.weights import Weights
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.tabular import TabularEncoder
from automodel.preprocessing.text.embedded import (
    EmbeddedComponents,
    column_embedding,
    embeddings_of,
)
from automodel.preprocessing.text.embedding import TextEmbedding
from tests.texts import make_labels, make_texts
from tests.tiny_encoder import write_encoder

pytest.importorskip("transformers")

TEXTS, VALUES = make_texts(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("weights") / "tiny", width=32)


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    texts = [*TEXTS[:40], *[None] * 10, *TEXTS[:10]]
    return pd.DataFrame({"size": rng.normal(size=60), "review": texts})


@pytest.fixture
def table(frame, folder, monkeypatch):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    return TableReader().fit_transform(frame)


@pytest.fixture
def embedding(folder):
    return column_embedding(Weights.of_folder(folder), "float32")


def test_a_distinct_text_is_embedded_once(table, embedding, monkeypatch):
    embedded = []
    transform = TextEmbedding.transform

    def count(self, X, *args, **options):
        embedded.extend(X)
        return transform(self, X, *args, **options)

    monkeypatch.setattr(TextEmbedding, "transform", count)
    texts = table.text[0]
    components = EmbeddedComponents(embedding).fit(texts.take(np.arange(30)))
    components.transform(texts.take(slice(20, 60)))
    assert sorted(embedded) == sorted(["", *TEXTS[:40]])


def test_rows_share_embeddings_that_are_not_pickled(table, embedding):
    texts = table.text[0]
    found = embeddings_of(texts.take([3, 4]), embedding)
    assert embeddings_of(texts, embedding) is found
    assert not pickle.loads(pickle.dumps(texts)).outputs
    before = table.fingerprint()
    texts.outputs.clear()
    assert table.fingerprint() == before


def test_missing_texts_are_equal_and_told_from_others(table, embedding):
    columns = EmbeddedComponents(embedding).fit_transform(table.text[0])
    missing, others = columns[40:50], columns[:40]
    assert (missing == missing[0]).all()
    assert (np.abs(others - missing[0]).max(axis=1) > 0.01).all()


def test_the_first_component_has_unit_deviation(table, embedding):
    components = EmbeddedComponents(embedding, n_components=5)
    columns = components.fit_transform(table.text[0])
    assert columns.shape == (60, 5)
    np.testing.assert_allclose(columns[:, 0].std(), 1, rtol=1e-3)
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-5)
    assert (np.diff(columns.std(axis=0)) <= 1e-5).all()


def test_long_texts_have_more_components_than_short_ones(
    folder, embedding, monkeypatch
):
    monkeypatch.setenv("AUTOMODEL_WEIGHTS", str(folder))
    short = [f"good film {i}" for i in range(60)]
    frame = pd.DataFrame({"short": short, "long": [" ".join([t] * 3) for t in TEXTS]})
    widths = [
        EmbeddedComponents(embedding).fit(texts).components_.shape[1]
        for texts in TableReader().fit_transform(frame).text
    ]
    assert widths == [10, 32]  # as many as the encoder has columns


def test_components_that_tell_nothing_of_the_target_are_left_out(table, embedding):
    texts, y = table.text[0], np.tile([0, 1], 30)
    n_all = EmbeddedComponents(embedding).fit(texts).components_.shape[1]
    assert EmbeddedComponents(embedding).fit(texts, y).components_.shape[1] < n_all


@pytest.mark.parametrize("text", ["embedding", "svd+embedding", "tfidf+embedding"])
@pytest.mark.parametrize("sparse_output", [False, True])
def test_a_table_is_encoded_with_embeddings(
    text, sparse_output, table, frame, embedding
):
    y = make_labels(VALUES) == "yes"
    encoder = TabularEncoder(
        missing="impute",
        categories="onehot",
        text=text,
        embedding=embedding,
        sparse_output=sparse_output,
    )
    X = encoder.fit_transform(table, y.astype(int))
    names = list(encoder.get_feature_names_out())
    assert len(names) == X.shape[1] == len(set(names))
    assert "review_embedding0" in names
    dense = X.toarray() if hasattr(X, "toarray") else X
    column = dense[:, names.index("review_embedding0")]
    fitted = encoder.text_[text.count("+")]
    np.testing.assert_array_equal(column, fitted.transform(table.text[0])[:, 0])
    again = encoder.transform(table.take(slice(30)))
    again = again.toarray() if hasattr(again, "toarray") else again
    np.testing.assert_allclose(again, dense[:30], rtol=1e-6)


def test_embeddings_need_an_encoder(table):
    with pytest.raises(ValueError, match="needs the parameter 'embedding'"):
        TabularEncoder(text="svd+embedding").fit(table)


def test_texts_are_kept_only_if_there_are_weights(frame, table):
    assert list(table.text[0].strings) == [*dict.fromkeys(TEXTS[:40]), ""]


def test_texts_are_not_kept_without_weights(frame):
    reader = TableReader()
    table = reader.fit_transform(frame)
    assert table.text[0].strings is None
    encoder = TabularEncoder(text="embedding", embedding=TextEmbedding())
    with pytest.raises(ValueError, match="does not hold its texts"):
        encoder.fit(table)
    facts = reader.facts(table)
    assert (facts.n_text, facts.weights, facts.embedding_seconds) == (1, None, 0.0)
