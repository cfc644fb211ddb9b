"""TfidfWeights: from counts of n-grams to TF-IDF, with a choice of the n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from automodel.preprocessing.text.ngrams import BUCKETS, CHARACTERS, WORDS


class TfidfWeights(TransformerMixin, BaseEstimator):
    """Choose n-grams, and weigh their counts by their inverse document frequency.

    The words of a text and its characters are scaled to unit length separately. A row
    of weight 2 counts as two rows.

    Parameters
    ----------
    words : int, default=2
        Largest number of words of an n-gram.
    characters : int, default=2
        Smallest number of characters of an n-gram within words, up to five; 0 for none.
    min_rows : int, default=2
        Number of rows in which an n-gram must occur.
    sublinear : bool, default=True
        Whether a count is replaced by 1 plus its logarithm.
    max_columns : int, default=None
        Largest number of n-grams; the most frequent ones are kept.
    n_telling : int, default=None
        Number of n-grams that are kept for being related to the classes, by the
        chi-squared statistic.

    Attributes
    ----------
    columns_ : ndarray of int
        The columns of counts that are kept, in ascending order.
    idf_ : ndarray of float64
        Smoothed inverse document frequency of each of them.

    Examples
    --------
    >>> from automodel.preprocessing.text.ngrams import NgramCounts
    >>> from automodel.preprocessing.text.tfidf import TfidfWeights
    >>> counts = NgramCounts().transform(["a good dog", "a bad dog", "good"])
    >>> TfidfWeights(words=1, characters=0).fit_transform(counts).shape
    (3, 3)
    """

    def __init__(
        self,
        words=2,
        characters=2,
        min_rows=2,
        sublinear=True,
        max_columns=None,
        n_telling=None,
    ):
        self.words = words
        self.characters = characters
        self.min_rows = min_rows
        self.sublinear = sublinear
        self.max_columns = max_columns
        self.n_telling = n_telling

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None):
        """Choose the columns, and learn their weights.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        y : ndarray of shape (n_samples,), default=None
            Classes, from which `n_telling` columns are chosen.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.
        """
        self.fit_transform(X, y, sample_weight)
        return self

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> sparse.csr_array:
        """Choose the columns, learn their weights and return the weighted counts."""
        weight, of_ngrams = np.ones(X.shape[0]), None
        if sample_weight is not None:
            weight = np.asarray(sample_weight)
            of_ngrams = np.repeat(weight, np.diff(X.indptr))
        frequency = np.bincount(X.indices, of_ngrams, minlength=X.shape[1])
        self.columns_ = self._chosen(frequency)
        idf = np.log((1 + weight.sum()) / (1 + frequency[self.columns_])) + 1
        self.idf_ = idf
        self.n_features_in_ = X.shape[1]
        weighed = self.transform(X)
        n_telling = self.n_telling
        if y is None or n_telling is None or n_telling >= weighed.shape[1]:
            return weighed
        scores = _chi_squared(weighed, y, weight)
        telling = np.sort(np.argsort(-scores, kind="stable")[:n_telling])
        self.columns_, self.idf_ = self.columns_[telling], self.idf_[telling]
        return self.transform(X)

    def transform(self, X: Any) -> sparse.csr_array:
        """Return the weighted counts of the chosen columns."""
        check_is_fitted(self)
        chosen = _of_columns(X, self.columns_)
        if self.sublinear:
            chosen.data = 1 + np.log(chosen.data)
        chosen.data = chosen.data * self.idf_[chosen.indices]
        is_character = self.columns_ >= BUCKETS * len(WORDS)
        _normalize_parts(chosen, is_character.astype(np.intp))
        return chosen

    def _chosen(self, frequency: np.ndarray) -> np.ndarray:
        order = np.arange(len(frequency) // BUCKETS)
        n_characters = order - len(WORDS) + CHARACTERS[0]
        are_words = order < min(self.words, len(WORDS))
        are_characters = (order >= len(WORDS)) & (n_characters >= self.characters)
        allowed = are_words | (are_characters if self.characters else False)
        usable = np.where(np.repeat(allowed, BUCKETS), frequency, 0)
        columns = np.flatnonzero(usable >= self.min_rows)
        if not len(columns):
            columns = np.flatnonzero(usable)
        if not len(columns):  # such as of texts without words: a column of zeros
            columns = np.zeros(1, dtype=np.intp)
        if self.max_columns is not None and len(columns) > self.max_columns:
            most_frequent = np.argsort(-usable[columns], kind="stable")
            columns = np.sort(columns[most_frequent[: self.max_columns]])
        return columns


def _of_columns(X: Any, columns: np.ndarray) -> sparse.csr_array:
    """Return some columns of a sparse array; faster than indexing if there are many."""
    position = np.full(X.shape[1], -1, dtype=np.int32)
    position[columns] = np.arange(len(columns), dtype=np.int32)
    moved = position[X.indices]
    is_kept = moved >= 0
    ends = np.zeros(len(moved) + 1, dtype=X.indptr.dtype)
    np.cumsum(is_kept, out=ends[1:])
    shape = X.shape[0], len(columns)
    parts = X.data[is_kept], moved[is_kept], ends[X.indptr]
    return sparse.csr_array(parts, shape=shape)


def _normalize_parts(X: sparse.csr_array, part_of_column: np.ndarray) -> None:
    """Scale each part of each row to unit length, in place."""
    cell = np.repeat(2 * np.arange(X.shape[0]), np.diff(X.indptr))
    cell += part_of_column[X.indices]
    squares = np.bincount(cell, X.data**2, minlength=1)
    X.data /= np.sqrt(squares[cell])


def _chi_squared(X: Any, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return how much the columns depend on the classes, with weights of the rows."""
    classes, codes = np.unique(y, return_inverse=True)
    shape = len(classes), len(y)
    indicator = sparse.csr_array((weight, (codes, np.arange(len(y)))), shape=shape)
    observed = np.asarray((indicator @ X).todense(), dtype=np.float64)
    shares = np.bincount(codes, weight) / weight.sum()
    expected = np.outer(shares, observed.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = (observed - expected) ** 2 / expected
    return np.nan_to_num(terms).sum(axis=0)
