"""Encoders of the text columns of tables: token counts, TF-IDF and components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.sparsefuncs_fast import inplace_csr_row_normalize_l2

from automodel.preprocessing.table import TextColumn

N_BUCKETS = 2**18
SVD_ROWS = 20_000
TINY = 1e-9


def count_tokens(texts: Sequence[str], tokens: str) -> sparse.csr_matrix:
    """Count the hashed tokens of texts.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    tokens : {"word", "char"}
        "word" counts words and pairs of words. "char" counts sequences of 3 and 4
        characters within words, which suit short texts such as names and titles.

    Returns
    -------
    csr_matrix of shape (len(texts), 2**18), float32
        The token counts.

    Examples
    --------
    >>> from automodel.preprocessing.text.columns import count_tokens
    >>> count_tokens(["good dog food", "bad"], "word").sum(axis=1).ravel()
    matrix([[5., 1.]], dtype=float32)
    """
    from sklearn.feature_extraction.text import HashingVectorizer  # slow to load

    is_word = tokens == "word"
    vectorizer = HashingVectorizer(
        analyzer="word" if is_word else "char_wb",
        ngram_range=(1, 2) if is_word else (3, 4),
        n_features=N_BUCKETS,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    return sparse.csr_matrix(vectorizer.transform(texts))


class TfidfColumns(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Turn the hashed token counts of a text column into TF-IDF.

    Only the most frequent buckets that occur in at least two training rows are kept.

    Parameters
    ----------
    max_buckets : int, default=50000
        Largest number of buckets.

    Attributes
    ----------
    buckets_ : ndarray of int
        The buckets that are kept, in ascending order.
    idf_ : ndarray of float32
        The smoothed inverse document frequency of each bucket.
    """

    def __init__(self, max_buckets: int = 50_000):
        self.max_buckets = max_buckets

    def fit(self, texts: TextColumn, y=None):
        """Choose the buckets and learn their weights."""
        n_rows, counts = len(texts), texts.counts
        rows_of_token = np.repeat(texts.repeats, np.diff(counts.indptr))
        frequency = np.bincount(counts.indices, rows_of_token, counts.shape[1])
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

    def transform(self, texts: TextColumn) -> sparse.csr_matrix:
        """Return rows of unit length, of shape (n_samples, len(buckets_))."""
        if len(texts) == 1:
            places, weights = self.weights_of_one(texts)
            parts = weights, places, np.array([0, len(places)])
            return sparse.csr_matrix(parts, shape=(1, len(self.buckets_)))
        texts = texts.used()
        return self.weighed(texts.counts)[texts.codes]

    def weights_of_one(self, texts: TextColumn) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of a single row that are not 0, and their values.

        SciPy would go through all the buckets that there are.
        """
        buckets, counts = texts.tokens(0)
        places = np.searchsorted(self.buckets_, buckets)
        is_kept = places < len(self.buckets_)
        is_kept[is_kept] = self.buckets_[places[is_kept]] == buckets[is_kept]
        places = places[is_kept]
        weights = (1 + np.log(counts[is_kept])) * self.idf_[places]
        ends = np.array([0, len(places)])
        inplace_csr_row_normalize_l2(_Matrix(weights, places, ends, (1, 0)))
        return places, weights

    def names_out(self, name: str) -> list[str]:
        """Return the names of the columns, which are those of their buckets."""
        return [f"{name}_bucket{bucket}" for bucket in self.buckets_]

    def weighed(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return the TF-IDF of texts, given their token counts."""
        from sklearn.preprocessing import normalize  # slow to load

        chosen = counts[:, self.buckets_].astype(np.float32)
        if not chosen.nnz:
            return chosen
        chosen.data = (1 + np.log(chosen.data)) * self.idf_[chosen.indices]
        return normalize(chosen, copy=False)


class _Matrix(NamedTuple):
    """The arrays of a CSR matrix, which take long to put into one."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]


class TextComponents(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Reduce a text column to a few dense columns by a truncated SVD of its TF-IDF.

    Parameters
    ----------
    n_components : int, default=30
        Largest number of components.
    alpha : float, default=0.1
        If there is a target, only the components whose p-value in an F-test is at most
        `alpha` are kept, and at least the best one. If there are few rows, most
        components are noise, which misleads trees.
    random_state : int, default=0
        Seed of the randomized SVD.
    """

    def __init__(
        self, n_components: int = 30, alpha: float = 0.1, random_state: int = 0
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, texts: TextColumn, y=None):
        """Learn the components, and which of them are related to y."""
        texts = texts.used()
        self.tfidf_ = TfidfColumns(max_buckets=20_000).fit(texts)
        matrix = self.tfidf_.weighed(texts.counts)
        axes = fit_components(
            matrix, self.n_components, self.random_state, repeats=texts.repeats
        )
        if y is not None:
            columns = np.asarray(matrix @ axes)[texts.codes]
            axes = axes[:, telling_columns(columns, y, self.alpha)]
        self.components_ = axes
        return self

    def transform(self, texts: TextColumn) -> np.ndarray:
        """Return the components of rows, of shape (n_samples, n_components)."""
        if len(texts) == 1:
            places, weights = self.tfidf_.weights_of_one(texts)
            parts = weights[:, None] * self.components_[places]
            # Added up one after the other, as SciPy does.
            return parts.cumsum(axis=0)[-1:] if len(parts) else parts.sum(axis=0)[None]
        texts = texts.used()
        matrix = self.tfidf_.weighed(texts.counts)
        return np.asarray(matrix @ self.components_)[texts.codes]

    def names_out(self, name: str) -> list[str]:
        """Return the names of the components."""
        return component_names(name, self.components_.shape[1])


def component_names(name: str, n_components: int) -> list[str]:
    """Return the names of the components of the column or matrix called `name`."""
    return [f"{name}_component{i}" for i in range(n_components)]


def telling_columns(X: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """Return the positions of the columns that are related to the target.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        The columns.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class numbers (int) or values (float). If there are several columns, it is
        enough to be related to one of them.
    alpha : float
        Largest p-value of a column in the F-test. The column with the lowest p-value is
        always returned. If y is constant, all columns are.
    """
    from sklearn.feature_selection import f_classif, f_regression  # slow to load

    if y.ndim == 2:
        each = [telling_columns(X, column, alpha) for column in y.T]
        return np.unique(np.concatenate(each))
    varied = np.flatnonzero(X.std(axis=0) > TINY)
    if len(varied) == 0 or len(np.unique(y)) < 2:
        return np.arange(X.shape[1])
    test = f_regression if y.dtype.kind == "f" else f_classif
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = test(X[:, varied], y)[1]
    p_values = np.nan_to_num(p_values, nan=1.0)
    return varied[p_values <= max(alpha, p_values.min())]


def fit_components(
    matrix: sparse.csr_matrix,
    n_components: int,
    random_state: int,
    repeats: np.ndarray | None = None,
) -> np.ndarray:
    """Return the axes on which a matrix is projected to get components of its rows.

    They are found by a truncated SVD of at most 20,000 rows. All are scaled by the same
    factor, so that the widest component has unit standard deviation and the last ones,
    which are mostly noise, stay small.

    Parameters
    ----------
    matrix : csr_matrix of shape (n_rows, n_columns)
        The rows.
    n_components : int
        Largest number of components.
    random_state : int
        Seed of the randomized SVD.
    repeats : ndarray of shape (n_rows,), default=None
        How many times each row occurs. If None, each occurs once.

    Returns
    -------
    ndarray of shape (n_columns, n_components)
        The axes.
    """
    n_rows, n_columns = matrix.shape
    weight = np.ones(n_rows) if repeats is None else repeats
    if n_rows > SVD_ROWS:
        chosen = np.linspace(0, n_rows - 1, SVD_ROWS).astype(np.intp)
        matrix, weight = matrix[chosen], weight[chosen]
    if n_columns <= n_components or matrix.nnz == 0:
        return np.eye(n_columns, min(n_columns, n_components), dtype=matrix.dtype)
    n_components = min(n_components, matrix.shape[0])
    scale = sparse.diags_array(np.sqrt(weight).astype(matrix.dtype))
    _, _, axes = randomized_svd(
        scale @ matrix, n_components, n_iter=3, random_state=random_state
    )
    spread = float(_spread(matrix @ axes.T, weight).max())
    return axes.T / spread if spread > TINY else axes.T


def _spread(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column."""
    distance = columns - np.average(columns, axis=0, weights=weight)
    return np.sqrt(np.average(distance**2, axis=0, weights=weight))
