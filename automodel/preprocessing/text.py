"""Text: hashed token counts, and what models get of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

N_BUCKETS = 2**18


def count_tokens(texts: Sequence[str], tokens: str) -> sparse.csr_matrix:
    """Count the hashed tokens of texts.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    tokens : {"word", "char"}
        Words and pairs of words, or pieces of 3 and 4 characters inside words:
        names and titles are short, and their parts tell more than whole words.

    Returns
    -------
    csr_matrix of shape (len(texts), 2**18), float32
        The counts.

    Examples
    --------
    >>> from automodel.preprocessing.text import count_tokens
    >>> count_tokens(["good dog food", "bad"], "word").sum(axis=1).ravel()
    matrix([[5., 1.]], dtype=float32)
    """
    is_word = tokens == "word"
    vectorizer = HashingVectorizer(
        analyzer="word" if is_word else "char_wb",
        ngram_range=(1, 2) if is_word else (3, 4),
        n_features=N_BUCKETS,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    if not len(texts):
        return sparse.csr_matrix((0, N_BUCKETS), dtype=np.float32)
    return sparse.csr_matrix(vectorizer.transform(texts))


class TfidfColumns(TransformerMixin, BaseEstimator):
    """Weigh the hashed token counts of one text column.

    Buckets are chosen and weighted on the training rows: those that occur in at
    least two rows, the most frequent first.

    Parameters
    ----------
    max_buckets : int, default=50000
        Most buckets that are kept.

    Attributes
    ----------
    buckets_ : ndarray of int
        The buckets kept, ascending.
    idf_ : ndarray of float32
        Their smoothed inverse document frequencies.
    """

    def __init__(self, max_buckets: int = 50_000):
        self.max_buckets = max_buckets

    def fit(self, counts: sparse.csr_matrix, y=None):
        """Choose the buckets and learn their weights."""
        n_rows = counts.shape[0]
        frequency = np.bincount(counts.indices, minlength=counts.shape[1])
        buckets = np.flatnonzero(frequency >= 2)
        if len(buckets) == 0:
            buckets = np.flatnonzero(frequency)
        if len(buckets) > self.max_buckets:
            order = np.argsort(-frequency[buckets], kind="stable")
            buckets = np.sort(buckets[order[: self.max_buckets]])
        self.buckets_ = buckets
        idf = np.log((1 + n_rows) / (1 + frequency[buckets])) + 1
        self.idf_ = idf.astype(np.float32)
        return self

    def transform(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return rows of unit length, of shape (n_samples, len(buckets_))."""
        chosen = counts[:, self.buckets_].astype(np.float32)
        chosen.data = (1 + np.log(chosen.data)) * self.idf_[chosen.indices]
        return normalize(chosen, copy=False)


class TextComponents(TransformerMixin, BaseEstimator):
    """Reduce one text column to a few dense columns by truncated SVD of TF-IDF.

    Parameters
    ----------
    n_components : int, default=30
        Most components.
    random_state : int, default=0
        Seed of the randomised SVD.
    """

    def __init__(self, n_components: int = 30, random_state: int = 0):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, counts: sparse.csr_matrix, y=None):
        """Learn the components."""
        self._fit(counts)
        return self

    def fit_transform(self, counts: sparse.csr_matrix, y=None) -> np.ndarray:
        """Learn the components and return those of the training rows."""
        return self._scale(self.svd_.transform(self._fit(counts)))

    def transform(self, counts: sparse.csr_matrix) -> np.ndarray:
        """Return the components of rows, of shape (n_samples, n_components)."""
        return self._scale(self.svd_.transform(self.tfidf_.transform(counts)))

    def _fit(self, counts):
        self.tfidf_ = TfidfColumns(max_buckets=20_000).fit(counts)
        tfidf = self.tfidf_.transform(counts)
        self.svd_, self.scale_ = fit_components(
            tfidf, self.n_components, self.random_state
        )
        return tfidf

    def _scale(self, components: np.ndarray) -> np.ndarray:
        return components * self.scale_


def fit_components(
    matrix: sparse.csr_matrix, n_components: int, random_state: int
) -> tuple[TruncatedSVD, float]:
    """Fit a truncated SVD, and the factor that gives its widest component unit spread.

    One factor for all keeps the components in proportion: the last ones are noise.
    """
    n_components = max(1, min(n_components, matrix.shape[1], matrix.shape[0]))
    svd = TruncatedSVD(n_components, n_iter=3, random_state=random_state)
    spread = float(svd.fit_transform(matrix).std(axis=0).max())
    return svd, 1.0 / spread if spread > 0 else 1.0
