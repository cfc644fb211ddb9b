"""SideBySide: the columns of several encoders that learn nothing, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin


class SideBySide(TransformerMixin, BaseEstimator):
    """Put the columns of several encoders beside each other.

    The encoders learn nothing from the rows. A search keeps the output of each of them,
    so that encoders that are used alone, too, are not used twice.

    Parameters
    ----------
    encoders : list of Encoder
        The encoders.

    Examples
    --------
    >>> from automodel.preprocessing.side_by_side import SideBySide
    >>> from automodel.preprocessing.text.ngrams import NgramCounts
    >>> words = NgramCounts(characters=False)
    >>> SideBySide([words, words]).transform(["a dog", "a good dog"]).shape
    (2, 3145728)
    """

    def __init__(self, encoders: Sequence[Any]):
        self.encoders = encoders

    def fit(self, X: Any = None, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X, y : None
            Ignored.
        """
        return self

    def transform(self, X: Any) -> Any:
        """Return the columns of all encoders.

        Parameters
        ----------
        X : Rows
            The rows.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_columns)
            The columns; sparse if an encoder returns sparse ones.
        """
        return beside([encoder.transform(X) for encoder in self.encoders])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def beside(parts: Sequence[Any]) -> Any:
    """Return arrays of the same rows as one array, sparse if one of them is."""
    if not any(map(sparse.issparse, parts)):
        return np.hstack(parts)
    as_sparse = [sparse.csr_array(part) for part in parts]
    return sparse.hstack(as_sparse, format="csr")
