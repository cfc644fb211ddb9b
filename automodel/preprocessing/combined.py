"""CombinedEncoder: the base of encoders that are made of other encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin


class CombinedEncoder(TransformerMixin, BaseEstimator):
    """Make one output of those of other encoders, which learn nothing from the rows.

    A search keeps the outputs of these, so that encoders that are used in several ways
    are not used twice.

    Attributes
    ----------
    encoders : list of Encoder
        The other encoders.
    """

    encoders: Sequence[Any]

    def of(self, encoders: Sequence[Any]) -> Self:
        """Return the same, with what it has learned, for equal encoders."""
        raise NotImplementedError

    def join(self, outputs: Sequence[Any]) -> Any:
        """Return one output for those of all encoders for the same rows."""
        raise NotImplementedError

    def fit(self, X: Any = None, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X, y : None
            Ignored.
        """
        return self

    def transform(self, X: Any) -> Any:
        """Return the combined output.

        Parameters
        ----------
        X : Rows
            The rows.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_columns)
            The output.
        """
        with config_context(transform_output="default"):
            outputs = [encoder.transform(X) for encoder in self.encoders]
        return self.join(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
