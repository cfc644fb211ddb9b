"""Estimators that predict in the units of the user, or given predictions."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class DecodedClassifier(ClassifierMixin, BaseEstimator):
    """Classifier of class numbers that predicts class labels.

    Parameters
    ----------
    estimator : classifier
        Classifier that is fitted to the numbers 0, 1, ... of the classes.
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
        """Fit the estimator again, to labels."""
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
    """Regressor of encoded values that predicts in the units of the target.

    Parameters
    ----------
    estimator : regressor
        Regressor that is fitted to values that the objective has encoded.
    objective : Objective
        Loss that was learned, with the encoding of values.
    """

    def __init__(self, estimator, objective):
        self.estimator = estimator
        self.objective = objective

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again, to encoded values."""
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator.fit(X, self.objective.encode(np.asarray(y)), **weight)
        return self

    def predict(self, X) -> np.ndarray:
        """Return the value of each row, within the domain of the score."""
        return self.objective.decode(np.ravel(self.estimator.predict(X)))


class _Answers(BaseEstimator):
    """Estimator that returns given predictions, for scorers."""

    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self) -> bool:
        return True


class RegressorAnswers(RegressorMixin, _Answers):
    """Regressor that returns given predictions.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples,)
        Predictions in the units of the user.
    """

    def predict(self, X) -> np.ndarray:
        """Return the predictions."""
        return self.prediction


class ClassifierAnswers(ClassifierMixin, _Answers):
    """Classifier that returns given probabilities.

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
        """Return the most probable labels."""
        return self.classes[self.prediction.argmax(axis=1)]


class BoxAnswers(_Answers):
    """Detector that returns given boxes.

    Parameters
    ----------
    prediction : list of dict
        The boxes, labels and scores of each image.
    """

    def predict(self, X) -> list[dict[str, np.ndarray]]:
        """Return the boxes."""
        return self.prediction


class LabelAnswers(ClassifierMixin, _Answers):
    """Classifier that returns given probabilities of labels.

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
        """Return the labels with a probability above 0.5, as an indicator matrix."""
        return (self.prediction > 0.5).astype(np.int64)


class _DecodedOfSeveral(BaseEstimator):
    """Estimator of several columns that predicts in the units of the user."""

    def __init__(self, estimator, target):
        self.estimator = estimator
        self.target = target

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again, to a y that the target encodes."""
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator.fit(X, self.target.encode(np.asarray(y)), **weight)
        return self

    def predict(self, X) -> np.ndarray:
        """Return the predictions, of shape (n_samples, n_outputs)."""
        return self.target.decode(self.target.predict(self.estimator, X, None))


class DecodedValues(RegressorMixin, _DecodedOfSeveral):
    """Regressor of several columns that predicts in their units.

    Parameters
    ----------
    estimator : regressor
        Regressor that is fitted to a y that the target has encoded.
    target : ValuesTarget
        The target.
    """


class DecodedLabels(ClassifierMixin, _DecodedOfSeveral):
    """Classifier that predicts an indicator matrix.

    Parameters
    ----------
    estimator : classifier
        Classifier that is fitted to a y that the target has encoded.
    target : LabelsTarget
        The target.
    """

    @property
    def classes_(self) -> np.ndarray:
        """Whether a row has a label, for each of them."""
        return classes_of_labels(self.target.n_outputs)

    def predict_proba(self, X) -> np.ndarray:
        """Return the probability of each label, of shape (n_samples, n_labels)."""
        return self.target.predict(self.estimator, X, None)


class DecodedDetector(BaseEstimator):
    """Detector of class numbers that predicts labels.

    Parameters
    ----------
    estimator : detector
        Detector that is fitted to a y that the target has encoded.
    target : BoxTarget
        The target.
    """

    def __init__(self, estimator, target):
        self.estimator = estimator
        self.target = target

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X, y):
        """Fit the estimator again, to the boxes of each image."""
        self.estimator.fit(X, self.target.encode(y))
        return self

    def predict(self, X) -> list[dict[str, np.ndarray]]:
        """Return the boxes, labels and scores of each image."""
        return self.target.decode(self.target.predict(self.estimator, X, None))


def classes_of_labels(n_labels: int) -> np.ndarray:
    """Return 0 and 1 for each label, of shape (n_labels, 2).

    The numbers of the labels, which scikit-learn's `MLPClassifier` has, are taken for
    two classes by its scorers if there are two labels.
    """
    return np.tile([0, 1], (n_labels, 1))
