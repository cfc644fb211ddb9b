import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import chi2

from automodel.preprocessing.text.ngrams import BUCKETS, WORDS, NgramCounts
from automodel.preprocessing.text.tfidf import TfidfWeights, _chi_squared

TEXTS = ["a good dog", "a bad dog", "good good film", "the film", "", "!?"] * 2
COUNTS = NgramCounts().transform(TEXTS)
Y = np.array([1, 0, 1, 0, 0, 1] * 2)


@pytest.mark.parametrize("sublinear", [True, False])
def test_words_are_weighted_as_by_scikit_learn(sublinear):
    weights = TfidfWeights(words=2, characters=0, sublinear=sublinear, min_rows=2)
    own = weights.fit_transform(COUNTS).toarray()
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=sublinear,
        min_df=2,
        token_pattern=r"(?u)\w+",
    )
    other = vectorizer.fit_transform(TEXTS).toarray()
    assert own.shape == other.shape
    np.testing.assert_allclose(own @ own.T, other @ other.T, atol=1e-6)


def test_words_and_characters_have_unit_length_each():
    weights = TfidfWeights()
    rows = weights.fit_transform(COUNTS)
    is_word = weights.columns_ < BUCKETS * len(WORDS)
    squares = rows.multiply(rows).toarray()
    np.testing.assert_allclose(squares[:3, is_word].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(squares[:3, ~is_word].sum(axis=1), 1, rtol=1e-5)
    assert squares[4].sum() == 0


@pytest.mark.parametrize(
    ("words", "characters", "orders"),
    [(1, 0, {0}), (3, 0, {0, 1, 2}), (1, 5, {0, 6}), (2, 2, {0, 1, 3, 4, 5, 6})],
)
def test_the_lengths_of_the_ngrams(words, characters, orders):
    weights = TfidfWeights(words=words, characters=characters, min_rows=1)
    weights.fit(COUNTS)
    assert set(weights.columns_ // BUCKETS) == orders


def test_rare_ngrams_are_left_out_and_the_most_frequent_ones_kept():
    sizes = [
        TfidfWeights(characters=0, min_rows=n).fit_transform(COUNTS).shape[1]
        for n in (1, 3, 4)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    few = TfidfWeights(words=1, characters=0, max_columns=2).fit(COUNTS)
    assert few.columns_.shape == (2,)
    usual = TfidfWeights(words=1, characters=0).fit(COUNTS)
    np.testing.assert_array_equal(np.sort(few.idf_), np.sort(usual.idf_)[:2])


def test_a_choice_by_chi_squared_keeps_what_tells_the_classes_apart():
    weights = TfidfWeights(words=1, characters=0, n_telling=2)
    rows = weights.fit_transform(COUNTS, Y)
    assert rows.shape[1] == 2
    good = NgramCounts().transform(["good"]).indices
    assert set(good) & set(weights.columns_)


def test_the_chi_squared_statistic_is_that_of_scikit_learn():
    rows = TfidfWeights().fit_transform(COUNTS)
    own = _chi_squared(rows, Y, np.ones(len(Y)))
    np.testing.assert_allclose(own, chi2(rows, Y)[0], rtol=1e-4)


def test_a_row_of_weight_two_counts_as_two_rows():
    weight = np.arange(len(Y)) % 3 + 1
    options = {"min_rows": 4, "n_telling": 20, "max_columns": 60}
    weighted = TfidfWeights(**options).fit(COUNTS, Y, weight)
    rows = np.repeat(np.arange(len(Y)), weight)
    repeated = TfidfWeights(**options).fit(COUNTS[rows], Y[rows])
    np.testing.assert_array_equal(weighted.columns_, repeated.columns_)
    np.testing.assert_allclose(weighted.idf_, repeated.idf_)


@pytest.mark.parametrize("texts", [["", ""], ["!!!", "???"], ["a", "b"]])
@pytest.mark.parametrize("characters", [0, 2])
def test_texts_with_nothing_in_common_have_a_column_at_least(texts, characters):
    counts = NgramCounts().transform(texts)
    rows = TfidfWeights(characters=characters).fit_transform(counts)
    assert rows.shape[1] >= 1
    assert np.isfinite(rows.data).all()
