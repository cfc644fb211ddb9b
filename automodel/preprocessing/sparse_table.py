"""SparseColumns: scales a sparse matrix, and makes it dense if a model needs that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.preprocessing.text.columns import component_names, fit_components

DENSE_COLUMNS = 2000
DENSE_CELLS = 2e7
COMPONENTS = 100


class SparseColumns(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Scale a sparse matrix without centring, so that it stays sparse.

    Parameters
    ----------
    missing : {"keep", "impute"}, default="keep"
        "impute" replaces missing values by zero.
    scale : bool, default=False
        Whether to divide each column by its largest absolute value.
    sparse_output : bool, default=True
        Whether to return a csr_matrix. If False, a small matrix is made dense, and a
        large one is reduced to at most 100 components.
    random_state : int, default=0
        Seed of the randomized SVD.

    Attributes
    ----------
    largest_ : ndarray of shape (n_features,)
        Largest absolute value of each column, or 1 if that is 0.
    components_ : ndarray of shape (n_features, n_components) or None
        The components on which the scaled matrix is projected.
    """

    def __init__(
        self,
        missing: str = "keep",
        scale: bool = False,
        sparse_output: bool = True,
        random_state: int = 0,
    ):
        self.missing = missing
        self.scale = scale
        self.sparse_output = sparse_output
        self.random_state = random_state

    def fit(self, X: sparse.csr_matrix, y=None, sample_weight=None):
        """Learn the largest absolute values, and the components if they are needed."""
        if sample_weight is not None:
            X = X[sample_weight > 0]
        n_rows, n_columns = X.shape
        largest = np.zeros(n_columns)
        np.fmax.at(largest, X.indices, np.abs(X.data))
        self.largest_ = np.where(largest > 0, largest, 1.0)
        self.components_ = None
        is_small = n_columns <= DENSE_COLUMNS and n_rows * n_columns <= DENSE_CELLS
        is_small = is_small or n_columns <= COMPONENTS
        if not (self.sparse_output or is_small):
            self.components_ = fit_components(
                self._scaled(X, fill=True), COMPONENTS, self.random_state
            )
        return self

    def transform(self, X: sparse.csr_matrix):
        """Return the scaled matrix, or its components."""
        if self.components_ is not None:
            return np.asarray(self._scaled(X, fill=True) @ self.components_)
        scaled = self._scaled(X, fill=self.missing == "impute")
        return scaled if self.sparse_output else scaled.toarray()

    def names_out(self, names: Sequence[str]) -> list[str]:
        """Return the names of the columns."""
        if self.components_ is None:
            return list(names)
        return component_names("x", self.components_.shape[1])

    def _scaled(self, X: sparse.csr_matrix, fill: bool) -> sparse.csr_matrix:
        data = X.data
        if fill:
            data = np.where(np.isnan(data), 0.0, data)
        if self.scale:
            data = data / self.largest_[X.indices]
        return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)
