"""Linear models of sentence embeddings and TF-IDF beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from automodel.families._columns import one_per_column
from automodel.families.linear import Linear
from automodel.families.text._tfidf import TfidfClassifier, TfidfRegressor
from automodel.families.text.tfidf import (
    FEW_CLASSES,
    TextTfidf,
    counts_of,
    smallest_characters,
)
from automodel.preprocessing.text.ngrams import NgramCounts
from automodel.preprocessing.text.tfidf import TfidfWeights


class JointColumns(TransformerMixin, BaseEstimator):
    """Scale embeddings, and turn the counts of n-grams beside them into TF-IDF.

    Parameters
    ----------
    n_counts : int
        Number of columns at the end that are counts of n-grams.
    scale : float, default=1.0
        Root mean square of the length of an embedding. The TF-IDF of the words of a
        text has length 1, and so has that of its characters.
    characters : int, default=2
        As in `TfidfWeights`.
    """

    def __init__(self, n_counts: int, scale: float = 1.0, characters: int = 2):
        self.n_counts = n_counts
        self.scale = scale
        self.characters = characters

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None):
        """Learn the scale of the embeddings and the weights of the n-grams.

        Parameters
        ----------
        X : csr_array of shape (n_samples, n_columns)
            Embeddings, followed by counts of n-grams.
        y : None
            Ignored.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.
        """
        self.fit_transform(X, y, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn from the rows, and return their columns."""
        embedded, counts = self._split(X)
        self.tfidf_ = TfidfWeights(characters=self.characters)
        self.scaler_ = StandardScaler()
        scaled = self.scaler_.fit_transform(embedded, sample_weight=sample_weight)
        tfidf = self.tfidf_.fit_transform(counts, sample_weight=sample_weight)
        return self._beside(scaled, tfidf)

    def transform(self, X: Any) -> sparse.csr_array:
        """Return the scaled embeddings, followed by the TF-IDF of the n-grams."""
        check_is_fitted(self)
        embedded, counts = self._split(X)
        scaled, tfidf = self.scaler_.transform(embedded), self.tfidf_.transform(counts)
        return self._beside(scaled, tfidf)

    def _split(self, X: Any) -> tuple[np.ndarray, Any]:
        width = X.shape[1] - self.n_counts
        return X[:, :width].toarray().astype(np.float64), X[:, width:]

    def _beside(self, scaled: np.ndarray, tfidf: Any) -> sparse.csr_array:
        scaled = self.scale / np.sqrt(scaled.shape[1]) * scaled
        return sparse.hstack([sparse.csr_array(scaled), tfidf], format="csr")


class JointClassifier(TfidfClassifier):
    """Classify embeddings and counts of n-grams by one linear model.

    Parameters
    ----------
    head : {"svm", "logistic", "ridge"}, default="svm"
        As in `TfidfClassifier`.
    C : float, default=0.3
        Inverse strength of the regularization.
    scale : float, default=1.0
        Weight of the embeddings, see `JointColumns`.
    slope : float, default=4.0
        As in `TfidfClassifier`.
    characters : int, default=2
        As in `TfidfWeights`.
    class_weight : "balanced" or None, default=None
        Whether the classes have the same weight.
    random_state : int, default=None
        Seed of the support vector machines.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Coefficients of the embeddings, followed by those of the n-grams.
    """

    def __init__(
        self,
        head="svm",
        C=0.3,
        scale=1.0,
        slope=4.0,
        characters=2,
        class_weight=None,
        random_state=None,
    ):
        self.head = head
        self.C = C
        self.scale = scale
        self.slope = slope
        self.characters = characters
        self.class_weight = class_weight
        self.random_state = random_state

    def _columns(self) -> JointColumns:
        return _columns_of(self)


class JointRegressor(TfidfRegressor):
    """Predict values from embeddings and counts of n-grams by one linear model.

    Parameters
    ----------
    head : regressor, default=None
        Linear regressor, as the family "linear" returns; None for ridge regression.
    scale : float, default=1.0
        Weight of the embeddings, see `JointColumns`.
    characters : int, default=2
        As in `TfidfWeights`.
    """

    def __init__(self, head=None, scale=1.0, characters=2):
        self.head = head
        self.scale = scale
        self.characters = characters

    def _columns(self) -> JointColumns:
        return _columns_of(self)


class JointHead(TextTfidf):
    """How models of embeddings beside TF-IDF are made and fitted; no family itself."""

    def estimator(self, task, random_state: int):
        characters = smallest_characters(task)[0]
        if task.is_classification:
            slope = 4.0 if task.n_classes <= FEW_CLASSES else 6.0
            model = JointClassifier(
                slope=slope, characters=characters, random_state=random_state
            )
            return one_per_column(model, task)
        head = Linear().estimator(task, random_state)
        return JointRegressor(head=head, characters=characters)

    def preprocessor(self, estimator, task) -> NgramCounts:
        return counts_of(smallest_characters(task)[0], task)

    def cost(self, params: dict[str, Any], task, width: int = 0) -> float:
        """Return the seconds of a fit, with embeddings of this width."""
        own = {"characters": smallest_characters(task)[0], **params}
        of_embedding = self.seconds(task.n_samples * width, own, task)
        return super().cost(own, task) + of_embedding


def _columns_of(model: JointClassifier | JointRegressor) -> JointColumns:
    n_counts = NgramCounts(characters=model.characters > 0).n_columns
    return JointColumns(n_counts, model.scale, model.characters)
