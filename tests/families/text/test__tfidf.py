"""The estimators of `text_tfidf`, apart from the search."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from automodel.families.text._heads import HEADS
from automodel.families.text._tfidf import TfidfClassifier, TfidfRegressor
from automodel.preprocessing.text.ngrams import NgramCounts
from tests.texts import make_labels, make_texts

TEXTS, VALUES = make_texts(120)
X, Y = NgramCounts().transform(TEXTS), make_labels(VALUES)
KINDS = np.digitize(VALUES, [-0.5, 0.5])


@pytest.mark.parametrize("y", [Y, KINDS], ids=["two", "three"])
@pytest.mark.parametrize("head", HEADS)
def test_probabilities_are_those_of_known_classes(head, y):
    model = TfidfClassifier(head=head, random_state=0).fit(X[:80], y[:80])
    proba = model.predict_proba(X[80:])
    assert proba.shape == (40, len(np.unique(y)))
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert np.mean(model.predict(X[80:]) == y[80:]) > np.bincount(KINDS).max() / 120
    again = pickle.loads(pickle.dumps(model)).predict_proba(X[80:])
    np.testing.assert_array_equal(again, proba)
    clone(model)


def test_a_larger_slope_gives_surer_probabilities_and_the_same_classes():
    flat, steep = (TfidfClassifier(slope=s, random_state=0).fit(X, Y) for s in (1, 9))
    np.testing.assert_array_equal(flat.predict(X), steep.predict(X))
    assert (
        steep.predict_proba(X).max(axis=1).mean()
        > 0.05 + flat.predict_proba(X).max(axis=1).mean()
    )


@pytest.mark.parametrize("head", sorted(set(HEADS) - {"complement_nb"}))
def test_balanced_classes_weigh_the_rare_one_more(head):
    rows = np.concatenate([np.flatnonzero(Y == "no"), np.flatnonzero(Y == "yes")[:8]])
    options = {"head": head, "random_state": 0}
    plain = TfidfClassifier(**options).fit(X[rows], Y[rows])
    balanced = TfidfClassifier(**options, class_weight="balanced")
    balanced.fit(X[rows], Y[rows])
    yes = [model.predict_proba(X)[:, 1].mean() for model in (plain, balanced)]
    assert yes[1] > yes[0]


@pytest.mark.parametrize("head", HEADS)
def test_a_row_of_weight_two_counts_as_two_rows(head):
    weight = np.arange(len(Y)) % 3 + 1.0
    rows = np.repeat(np.arange(len(Y)), weight.astype(int))
    options = {"head": head, "random_state": 0, "min_rows": 3}
    weighted = TfidfClassifier(**options).fit(X, Y, weight)
    repeated = TfidfClassifier(**options).fit(X[rows], Y[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), atol=0.01
    )


@pytest.mark.parametrize("y", [VALUES, np.column_stack([VALUES, -VALUES])])
def test_values_are_predicted(y):
    model = TfidfRegressor(head=Ridge(), words=1).fit(X[:90], y[:90])
    predicted = model.predict(X[90:])
    assert predicted.shape == y[90:].shape
    found = predicted.reshape(30, -1)[:, 0]
    assert np.corrcoef(found, VALUES[90:])[0, 1] > 0.7


def test_texts_without_any_known_ngram_are_predicted():
    model = TfidfClassifier(characters=0, random_state=0).fit(X, Y)
    proba = model.predict_proba(NgramCounts().transform(["", "!?", "xyz"]))
    assert np.isfinite(proba).all()
    np.testing.assert_array_equal(proba[0], proba[2])
