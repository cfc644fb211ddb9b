"""Fitted estimators that answer in the units of the user, and with what is known."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


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


class DecodedRegressor(RegressorMixin, BaseEstimator):
    """A fitted regressor of encoded values that answers in the units of the target.

    Parameters
    ----------
    estimator : regressor
        Fitted on what the objective encodes.
    objective : Objective
        What was learned.
    """

    def __init__(self, estimator, objective):
        self.estimator = estimator
        self.objective = objective

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again, on encoded values."""
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator.fit(X, self.objective.encode(np.asarray(y)), **weight)
        return self

    def predict(self, X) -> np.ndarray:
        """Return the value of each row, within the domain of the score."""
        return self.objective.decode(np.ravel(self.estimator.predict(X)))


class _Answers(BaseEstimator):
    """An estimator that answers with predictions made before, for scorers."""

    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self) -> bool:
        return True


class RegressorAnswers(RegressorMixin, _Answers):
    """A regressor whose predictions were made before.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples,)
        In the units of the user.
    """

    def predict(self, X) -> np.ndarray:
        """Return the predictions."""
        return self.prediction


class ClassifierAnswers(ClassifierMixin, _Answers):
    """A classifier whose probabilities were made before.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples, n_classes)
        The probabilities.
    classes : ndarray of shape (n_classes,)
        The labels.
    """

    def __init__(self, prediction, classes):
        super().__init__(prediction)
        self.classes = classes

    @property
    def classes_(self) -> np.ndarray:
        """The labels."""
        return self.classes

    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities."""
        return self.prediction

    def predict(self, X) -> np.ndarray:
        """Return the likeliest labels."""
        return self.classes[self.prediction.argmax(axis=1)]


class LabelAnswers(ClassifierMixin, _Answers):
    """A classifier whose probabilities of labels were made before.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples, n_labels)
        The probabilities.
    """

    @property
    def classes_(self) -> np.ndarray:
        """Whether a row has a label, for each of them."""
        return classes_of_labels(self.prediction.shape[1])

    def predict_proba(self, X) -> np.ndarray:
        """Return the probabilities."""
        return self.prediction

    def predict(self, X) -> np.ndarray:
        """Return an indicator matrix of the labels that are likely."""
        return (self.prediction > 0.5).astype(np.int64)


class _DecodedOfSeveral(BaseEstimator):
    """A fitted estimator of several columns that answers in the units of the user."""

    def __init__(self, estimator, target):
        self.estimator = estimator
        self.target = target

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again, on what the target encodes."""
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator.fit(X, self.target.encode(np.asarray(y)), **weight)
        return self

    def predict(self, X) -> np.ndarray:
        """Return the answers, of shape (n_samples, n_outputs)."""
        return self.target.decode(self.target.predict(self.estimator, X, None))


class DecodedValues(RegressorMixin, _DecodedOfSeveral):
    """A fitted regressor of several columns that answers in their units.

    Parameters
    ----------
    estimator : regressor
        Fitted on what the target encodes.
    target : ValuesTarget
        What y is.
    """


class DecodedLabels(ClassifierMixin, _DecodedOfSeveral):
    """A fitted classifier that answers with an indicator matrix.

    Parameters
    ----------
    estimator : classifier
        Fitted on what the target encodes.
    target : LabelsTarget
        What y is.
    """

    @property
    def classes_(self) -> np.ndarray:
        """Whether a row has a label, for each of them."""
        return classes_of_labels(self.target.n_outputs)

    def predict_proba(self, X) -> np.ndarray:
        """Return the probability of each label, of shape (n_samples, n_labels)."""
        return self.target.predict(self.estimator, X, None)


def classes_of_labels(n_labels: int) -> np.ndarray:
    """Return 0 and 1 for each label, of shape (n_labels, 2).

    The numbers of the labels, which scikit-learn's `MLPClassifier` has, are taken for
    two classes by its scorers if there are two labels.
    """
    return np.tile([0, 1], (n_labels, 1))
