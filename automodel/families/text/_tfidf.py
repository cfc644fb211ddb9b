"""Estimators of counts of n-grams: TF-IDF, followed by a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import Ridge
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from automodel.families.linear import Linear
from automodel.families.text._heads import HEADS
from automodel.monitor import Monitor
from automodel.preprocessing.text.tfidf import TfidfWeights


class _TfidfModel(BaseEstimator):
    """Base class, which weighs the counts."""

    def _weighed(self, X: Any, y: Any, sample_weight: Any) -> Any:
        self.tfidf_ = self._columns()
        return self.tfidf_.fit_transform(X, y, sample_weight)

    def _columns(self) -> Any:
        """Return a new transformer, from counts to the input of the linear model."""
        params = self.get_params(deep=False)
        names = TfidfWeights().get_params()
        return TfidfWeights(**{name: params[name] for name in names if name in params})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags


class TfidfClassifier(ClassifierMixin, _TfidfModel):
    """Classify counts of n-grams by TF-IDF and a linear model.

    Parameters
    ----------
    head : str, default="svm"
        "svm", "nb_svm", "logistic", "ridge" or "complement_nb".
    C : float, default=0.3
        Inverse strength of the regularization of all heads but "complement_nb".
    alpha : float, default=0.3
        Smoothing of the counts in "complement_nb" and "nb_svm".
    slope : float, default=4.0
        Factor between the decision and the logarithm of the odds, from which the
        probabilities of all heads but "logistic" are computed.
    class_weight : "balanced" or None, default=None
        Whether the classes have the same weight.
    words, characters, min_rows, sublinear, max_columns, n_telling
        As in `TfidfWeights`.
    random_state : int, default=None
        Seed of the support vector machines.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (n_outputs, n_features)
        Coefficients of the weighted counts; two classes have one output.
    intercept_ : ndarray of shape (n_outputs,)
        Intercepts.
    """

    def __init__(
        self,
        head="svm",
        C=0.3,
        alpha=0.3,
        slope=4.0,
        class_weight=None,
        words=2,
        characters=2,
        min_rows=2,
        sublinear=True,
        max_columns=None,
        n_telling=None,
        random_state=None,
    ):
        self.head = head
        self.C = C
        self.alpha = alpha
        self.slope = slope
        self.class_weight = class_weight
        self.words = words
        self.characters = characters
        self.min_rows = min_rows
        self.sublinear = sublinear
        self.max_columns = max_columns
        self.n_telling = n_telling
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None, monitor=None):
        """Fit the weights of the n-grams and the head.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        monitor : Monitor, default=None
            Ends the training at the deadline.
        """
        self.classes_, codes = np.unique(y, return_inverse=True)
        weighed = self._weighed(X, codes, sample_weight)
        weight = np.ones(len(codes)) if sample_weight is None else sample_weight
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, codes)
        head = HEADS[self.head]
        monitor = Monitor() if monitor is None else monitor
        coef, self.intercept_ = head(self, weighed, codes, weight, monitor)
        # In the order in which a sparse array is multiplied by its transpose.
        self.coef_ = np.asfortranarray(coef, dtype=np.float32)
        return self

    def decision_function(self, X):
        """Return the logarithm of the odds of each class, up to a constant.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        """
        check_is_fitted(self)
        decision = self.tfidf_.transform(X) @ self.coef_.T + self.intercept_
        slope = 1.0 if self.head == "logistic" else self.slope
        return (slope * decision).astype(np.float64)

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        """
        decision = self.decision_function(X)
        if decision.shape[1] > 1:
            return softmax(decision, axis=1)
        return np.hstack([expit(-decision), expit(decision)])

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class TfidfRegressor(RegressorMixin, _TfidfModel):
    """Predict values from counts of n-grams by TF-IDF and a linear model.

    Parameters
    ----------
    head : regressor, default=None
        Linear regressor, as the family "linear" returns; None for ridge regression.
    words, characters, min_rows, sublinear, max_columns
        As in `TfidfWeights`.

    Attributes
    ----------
    head_ : regressor
        The fitted head.
    """

    def __init__(
        self,
        head=None,
        words=2,
        characters=2,
        min_rows=2,
        sublinear=True,
        max_columns=None,
    ):
        self.head = head
        self.words = words
        self.characters = characters
        self.min_rows = min_rows
        self.sublinear = sublinear
        self.max_columns = max_columns

    def fit(self, X, y, sample_weight=None, monitor=None):
        """Fit the weights of the n-grams and the head.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        monitor : Monitor, default=None
            Ends the training at the deadline.
        """
        weighed = self._weighed(X, None, sample_weight)
        head = Ridge() if self.head is None else clone(self.head)
        self.head_ = Linear().fit(
            head,
            weighed,
            y,
            sample_weight=sample_weight,
            monitor=Monitor() if monitor is None else monitor,
        )
        return self

    def predict(self, X):
        """Return the predicted values.

        Parameters
        ----------
        X : sparse array of shape (n_samples, n_columns)
            Counts of n-grams.
        """
        check_is_fitted(self)
        return self.head_.predict(self.tfidf_.transform(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
