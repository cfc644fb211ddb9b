"""The hashed n-grams are those of scikit-learn's vectorizers."""

from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import get_tags

from automodel.preprocessing.text import ngrams
from automodel.preprocessing.text.ngrams import (
    BUCKETS,
    CHARACTERS,
    WORDS,
    NgramCounts,
)

TEXTS = [
    "The quick  brown fox,\tthe quick dog!",
    "",
    "a",
    "!!! ...",
    "Ünïcödé naïve_word don't",
    "机器学习很有趣 机器",
    "שלום עולם 🙂🙂",
    "null\0char and a\u2003wide blank",
    "the the the the",
]


def of_length(counts, order):
    """Return the counts of the n-grams of one length, sorted, for each text."""
    part = counts[:, order * BUCKETS : (order + 1) * BUCKETS].toarray()
    return [sorted(row[row > 0].tolist()) for row in part]


def expected(n, analyzer):
    vectorizer = CountVectorizer(
        analyzer=analyzer, ngram_range=(n, n), token_pattern=r"(?u)\w+"
    )
    analyze = vectorizer.build_analyzer()
    return [sorted(Counter(analyze(text)).values()) for text in TEXTS]


@pytest.fixture(scope="module")
def counts():
    return NgramCounts().transform(TEXTS)


@pytest.mark.parametrize("order", range(len(WORDS)))
def test_words_are_counted_as_by_scikit_learn(counts, order):
    assert of_length(counts, order) == expected(WORDS[order], "word")


@pytest.mark.parametrize("n", CHARACTERS)
def test_characters_are_counted_as_by_scikit_learn(counts, n):
    own = of_length(counts, len(WORDS) + n - CHARACTERS[0])
    # A word shorter than n is counted once more by scikit-learn, as it is.
    texts = [f" {' '.join(text.lower().split())} " for text in TEXTS]
    words = [[f" {word} " for word in text.split()] for text in texts]
    pieces = [
        Counter(w[i : i + n] for w in own_words for i in range(len(w) - n + 1))
        for own_words in words
    ]
    assert own == [sorted(found.values()) for found in pieces]


def test_equal_ngrams_of_different_texts_have_the_same_column():
    one, other = NgramCounts(characters=False).transform(["a dog", "Dog A dog"])[:, :]
    assert set(one.nonzero()[-1]) & set(other.nonzero()[-1])


def test_without_characters_the_columns_of_words_are_the_same(counts):
    words = NgramCounts(characters=False).transform(TEXTS)
    assert words.shape[1] == BUCKETS * len(WORDS)
    assert (words != counts[:, : words.shape[1]]).nnz == 0


def test_blocks_of_texts_give_the_same_as_all_at_once(counts, monkeypatch):
    monkeypatch.setattr(ngrams, "BLOCK_CHARACTERS", 10)
    again = NgramCounts().transform(TEXTS)
    assert again.shape == counts.shape
    assert (again != counts).nnz == 0
    assert again.dtype == np.float32


def test_no_texts_give_no_rows():
    assert NgramCounts().transform([]).shape[0] == 0


def test_it_learns_nothing():
    assert not get_tags(NgramCounts()).requires_fit


def test_few_ngrams_share_a_column():
    texts = [f"word{i}" for i in range(5000)]
    words = NgramCounts(characters=False).transform(texts)
    assert len(np.unique(words.indices)) > 4950


def test_shorter_sequences_at_the_beginning_alone(counts):
    pairs = NgramCounts(longest=2).transform(TEXTS)
    n_columns = BUCKETS * (len(WORDS) + 1)
    assert pairs.shape == counts.shape
    assert (pairs[:, :n_columns] != counts[:, :n_columns]).nnz == 0
    assert not pairs[:, n_columns:].nnz
    starts = NgramCounts(longest=2, n_first=3).transform(TEXTS)
    assert (starts[:, : BUCKETS * 3] != counts[:, : BUCKETS * 3]).nnz == 0
    n_pairs = starts[:, BUCKETS * 3 :].sum(axis=1).tolist()
    assert n_pairs == [3.0, 0.0, 2.0, *[3.0] * 6]
