"""Linear models of embeddings and TF-IDF beside each other."""

import numpy as np
import pytest
from scipy import sparse

from automodel.families.text._joint import JointClassifier, JointColumns, JointRegressor
from automodel.preprocessing.side_by_side import beside
from automodel.preprocessing.text.ngrams import NgramCounts
from automodel.preprocessing.text.tfidf import TfidfWeights

COUNTER = NgramCounts(characters=False)
WIDTH = 6


def make_rows(n_rows=200):
    """Return embeddings and counts, each of which tells half of the target."""
    rng = np.random.default_rng(0)
    embedded = (5 + 3 * rng.normal(size=(n_rows, WIDTH))).astype(np.float32)
    is_good = rng.integers(0, 2, n_rows)
    texts = [f"a {'good' if good else 'bad'} film" for good in is_good]
    values = (embedded[:, 0] - 5) / 3 + 2 * is_good - 1
    return embedded, COUNTER.transform(texts), values


def test_the_columns_are_scaled_embeddings_and_tfidf():
    embedded, counts, _ = make_rows()
    columns = JointColumns(COUNTER.n_columns, scale=0.5, characters=0)
    found = columns.fit_transform(beside([embedded, counts]))
    assert sparse.issparse(found)
    own = found[:, :WIDTH].toarray()
    assert np.mean(np.sum(own**2, axis=1)) == pytest.approx(0.25, rel=1e-5)
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-6)
    expected = TfidfWeights(characters=0).fit_transform(counts).toarray()
    np.testing.assert_array_equal(found[:, WIDTH:].toarray(), expected)


@pytest.mark.parametrize("head", ["svm", "logistic"])
def test_a_classifier_learns_from_both_parts(head):
    embedded, counts, values = make_rows()
    y = values > 0

    def accuracy(*parts):
        X = beside(parts)
        model = JointClassifier(head, C=3.0, scale=4.0, characters=0)
        return np.mean(model.fit(X[::2], y[::2]).predict(X[1::2]) == y[1::2])

    both = accuracy(embedded, counts)
    assert both > accuracy(0 * embedded, counts) + 0.05
    same_words = COUNTER.transform(["a film"] * len(y))
    assert both > accuracy(embedded, same_words) + 0.05


def test_a_regressor_learns_from_both_parts():
    embedded, counts, values = make_rows()
    X = beside([embedded, counts])
    model = JointRegressor(scale=4.0, characters=0).fit(X[::2], values[::2])
    assert model.score(X[1::2], values[1::2]) > 0.8
