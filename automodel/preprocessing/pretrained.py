"""PretrainedEncoder: the base of encoders that use pretrained weights as they are."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.exceptions import WeightsError
from automodel.nets.weights import NOUNS, Weights, find_weights


class PretrainedEncoder(TransformerMixin, BaseEstimator):
    """Turn rows into the output of a pretrained net, which learns nothing from them.

    Subclasses have a parameter `weights`, and bring `transform`.

    Attributes
    ----------
    weights_ : Weights
        Name, place, licence and checksum of the weights.
    """

    _modality: str  # of the weights, as in `find_weights`
    _remedy: str  # what to do if none are found
    _column: str  # what the names of the columns begin with
    weights: str | os.PathLike | Weights
    weights_: Weights

    def fit(self, X: Any = None, y: Any = None, sample_weight: Any = None):
        """Find the weights, and check the parameters.

        Parameters
        ----------
        X, y, sample_weight : None
            Ignored.

        Returns
        -------
        self : object
            This encoder.
        """
        self._check_parameters()
        self.weights_ = self._found()
        return self

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, such as "embedding0" or "feature0".

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str objects
            The names.
        """
        width = self._n_columns(self.in_use())
        return np.array([f"{self._column}{i}" for i in range(width)], dtype=object)

    def in_use(self) -> Weights:
        """Return the weights that `transform` uses."""
        if hasattr(self, "weights_"):
            return self.weights_
        self._check_parameters()
        return self._found()

    def _found(self) -> Weights:
        found = find_weights(self.weights, self._modality)
        if not found:
            raise WeightsError(
                f"{type(self).__name__} found no pretrained weights of a "
                f"{NOUNS[self._modality]}. {self._remedy}"
            )
        return found[0]

    def _check_parameters(self) -> None:
        """Raise a ValueError if a parameter is wrong."""
        raise NotImplementedError

    def _n_columns(self, weights: Weights) -> int:
        """Return the number of columns of the output."""
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        return tags
