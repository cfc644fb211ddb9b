"""Targets: labels for models that were trained on class numbers."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class DecodedClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier of class numbers that answers with labels.

    Parameters
    ----------
    estimator : classifier
        Fitted on the numbers 0, 1, ... of the classes.
    labels : ndarray of shape (n_classes,)
        The label of each number.
    """

    def __init__(self, estimator, labels):
        self.estimator = estimator
        self.labels = labels

    @property
    def classes_(self) -> np.ndarray:
        """The labels."""
        return self.labels

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again, on labels."""
        self.labels, codes = np.unique(y, return_inverse=True)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator.fit(X, codes, **weight)
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities of the labels, in the order of `classes_`."""
        return self.estimator.predict_proba(X)

    def predict(self, X) -> np.ndarray:
        """Return the label of each row."""
        return self.labels[np.asarray(self.estimator.predict(X), dtype=int).ravel()]
