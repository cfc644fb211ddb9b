"""Text: hashed token counts, and what models get of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from automodel.preprocessing.table import Texts

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

    def fit(self, texts: Texts, y=None):
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

    def transform(self, texts: Texts) -> sparse.csr_matrix:
        """Return rows of unit length, of shape (n_samples, len(buckets_))."""
        texts = texts.used()
        return self.weighed(texts.counts)[texts.codes]

    def weighed(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return the weights of the tokens of single texts."""
        chosen = counts[:, self.buckets_].astype(np.float32)
        if not chosen.nnz:
            return chosen
        chosen.data = (1 + np.log(chosen.data)) * self.idf_[chosen.indices]
        return normalize(chosen, copy=False)


class TextComponents(TransformerMixin, BaseEstimator):
    """Reduce one text column to a few dense columns by truncated SVD of TF-IDF.

    Parameters
    ----------
    n_components : int, default=30
        Most components.
    alpha : float, default=0.1
        With a target, components are kept whose p-value is below it (F-test of a
        linear relation, or of classes with different means), the best one at least. Of
        few rows most components are noise, in which a model of trees gets lost.
    random_state : int, default=0
        Seed of the randomised SVD.
    """

    def __init__(
        self, n_components: int = 30, alpha: float = 0.1, random_state: int = 0
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, texts: Texts, y=None):
        """Learn the components, and which of them tell something about y."""
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

    def transform(self, texts: Texts) -> np.ndarray:
        """Return the components of rows, of shape (n_samples, n_components)."""
        texts = texts.used()
        matrix = self.tfidf_.weighed(texts.counts)
        return np.asarray(matrix @ self.components_)[texts.codes]


def telling_columns(X: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """Return the positions of the columns that have to do with the target.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        The columns.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Positions of classes (int) or values (float); of several columns one is enough.
    alpha : float
        The p-value of the F-test below which a column counts. The one with the lowest
        is returned in any case, and all where y has one value.
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
    """Return what to multiply a matrix with to get the components of its rows.

    They come from a truncated SVD of at most 20,000 rows. All are scaled alike,
    the widest one to unit spread: the last ones are noise and shall stay small.

    Parameters
    ----------
    matrix : csr_matrix of shape (n_rows, n_columns)
        The rows.
    n_components : int
        Most components.
    random_state : int
        Seed of the randomised SVD.
    repeats : ndarray of shape (n_rows,), default=None
        How many times each row stands for; once if None.

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
