"""PlainTexts: texts as they are, for estimators that take strings."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.preprocessing.text.reader import read_texts


class PlainTexts(TransformerMixin, BaseEstimator):
    """Return texts as an array of str objects, for estimators that take them.

    Examples
    --------
    >>> from automodel.preprocessing.text.plain import PlainTexts
    >>> PlainTexts().transform(["good", None])
    array(['good', ''], dtype=object)
    """

    def fit(self, X: Any, y: Any = None):
        """Do nothing.

        Parameters
        ----------
        X : sequence of str
            Ignored.
        y : None
            Ignored.
        """
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the texts.

        Parameters
        ----------
        X : sequence of str or Texts
            The texts.

        Returns
        -------
        ndarray of shape (n_samples,)
            The texts, as str objects.
        """
        return read_texts(X).values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
