"""ClassTarget: each row has one of several classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.dummy import DummyClassifier
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from automodel.exceptions import FitWarning
from automodel.targets.base import AveragedTarget
from automodel.targets.checks import as_column, is_number, missing
from automodel.targets.decoded import ClassifierAnswers, DecodedClassifier
from automodel.targets.link import Softmax, log_proba
from automodel.targets.losses import LogLoss, StackingLoss


class ClassTarget(AveragedTarget):
    """Target whose rows have one of several classes.

    A prediction holds the probabilities of the classes. Models learn the numbers of the
    sorted class labels.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels.

    Examples
    --------
    >>> from automodel.targets.classes import ClassTarget
    >>> target = ClassTarget.of(ClassTarget.check(["no", "yes", "no"]))
    >>> target.encode(["no", "no", "yes"]), target.kind
    (array([0, 0, 1]), 'binary')
    """

    scored_as = "classes"
    default_scoring = "neg_log_loss"
    link = Softmax()
    classes: np.ndarray

    def __init__(self, classes: np.ndarray):
        self.classes = np.asarray(classes)
        self.n_outputs = len(self.classes)
        self.kind = "binary" if len(self.classes) == 2 else "multiclass"

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return the labels as a one-dimensional array.

        Raises
        ------
        ValueError
            If labels are missing, continuous, or of more than one kind.
        """
        y = as_column(y)
        is_missing = missing(y)
        if is_missing.any():
            raise ValueError(
                f"Input y contains NaN: {int(is_missing.sum())} labels are missing or "
                "infinite. Drop those rows, or give them a label of their own."
            )
        y = _plain_labels(y)
        if type_of_target(y) == "continuous":
            raise ValueError(
                "Unknown label type: continuous. y holds real numbers, as a regression "
                "target does. Use AutoRegressor, or bin y into classes."
            )
        check_classification_targets(y)
        return y

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> ClassTarget:
        """Return the target whose classes are those of y.

        Raises
        ------
        ValueError
            If the rows with a weight above zero have only one class.
        """
        classes, codes = np.unique(y, return_inverse=True)
        weighted = codes if sample_weight is None else codes[sample_weight > 0]
        if len(np.unique(weighted)) < 2:
            with_weight = (
                "" if sample_weight is None else " with a positive sample weight"
            )
            raise ValueError(
                f"y holds only one class{with_weight}: "
                f"{classes.tolist()[weighted[0]]!r}. "
                "A classifier needs at least two classes."
            )
        single = classes[np.bincount(codes) == 1].tolist()
        if single:
            warnings.warn(
                f"Classes with a single row: {single[:10]}. No model can be validated "
                "on them. Add rows, or merge or drop these classes.",
                FitWarning,
                stacklevel=2,
            )
        return cls(classes)

    def encode(self, y):
        """Return the numbers of the labels."""
        y = np.asarray(y)
        codes = np.searchsorted(self.classes, y).clip(max=self.n_outputs - 1)
        unknown = np.flatnonzero(self.classes[codes] != y)
        if len(unknown):
            row = unknown[0]
            raise ValueError(
                f"Row {row} of y is {y[row]!r}, but the classes are {self.classes}."
            )
        return codes

    def restore(self, y):
        """Return the labels of the numbers."""
        return self.classes[y]

    def decode(self, prediction, decision=None):
        """Return the label of the largest weighted probability of each row."""
        if decision is None:
            return self.classes[prediction.argmax(axis=1)]
        return self.classes[labels_of(prediction, decision)]

    def decided(self, prediction, decision):
        """Return a probability of 1 for the class that the decision chooses."""
        return np.eye(self.n_outputs)[labels_of(prediction, decision)]

    def probabilities(self, prediction):
        """Return the probabilities of the classes; they sum to 1."""
        return prediction / prediction.sum(axis=1, keepdims=True)

    def answers(self, prediction):
        """Return a classifier that predicts these probabilities."""
        return ClassifierAnswers(prediction, self.classes)

    def truth(self, y):
        """Return a probability of 1 for the class of each row."""
        return np.eye(self.n_outputs)[y]

    def sample(self, y):
        """Return underconfident probabilities of the correct classes."""
        return 0.5 * self.truth(y) + 0.5 / self.n_outputs

    def decoded(self, estimator, columns):
        """Return the classifier, which then predicts class labels."""
        return DecodedClassifier(estimator, self.classes[columns])

    def check_like(self, other):
        """Raise an error if the other target has other classes."""
        if not np.array_equal(self.classes, other.classes):
            raise ValueError(
                f"y has the classes {other.classes}, but the ensemble was made for "
                f"{self.classes}. Call fit for these classes."
            )

    def strata(self, y):
        """Return the numbers of the classes."""
        return y

    def is_learnable(self, columns):
        """Tell whether there is more than one class."""
        return len(columns) > 1

    def known_rows(self, columns, y):
        """Tell which rows have a class that the model has learned."""
        return np.isin(y, columns)

    def local(self, y, columns=None):
        """Return the classes that occur, and y as positions among them."""
        if columns is not None:
            return columns, np.searchsorted(columns, y)
        return np.unique(y, return_inverse=True)

    def columns_of(self, estimator):
        """Return the numbers of the classes that the estimator has learned."""
        return estimator.classes_

    def predict(self, estimator, X, columns):
        """Return the probabilities of all classes, 0 for those not learned."""
        proba = np.zeros((X.shape[0], self.n_outputs))
        proba[:, columns] = _probabilities(estimator, X, len(columns))
        return proba

    def baseline(self):
        """Return an estimator that predicts the shares of the classes."""
        return DummyClassifier(strategy="prior")

    def constant(self, y):
        """Return an estimator for a single class; None if there are several."""
        return DummyClassifier() if (y == y[0]).all() else None

    def losses(self, y, prediction):
        """Return the negative logarithm of the probability of each row's class."""
        return -log_proba(prediction[np.arange(len(y)), y])

    def stacking_loss(self, y, base, weight) -> StackingLoss:
        """Return the log loss."""
        return LogLoss(y, weight)


def labels_of(proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the column with the largest weighted probability of each row.

    For two classes, the weights (t, 1 - t) are a threshold of t for the second class.
    """
    return (proba * weights).argmax(axis=1)


def _probabilities(estimator, X, n_classes: int) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)
    if hasattr(estimator, "decision_function"):
        decision = np.asarray(estimator.decision_function(X), dtype=np.float64)
        if decision.ndim == 1:
            return np.column_stack([expit(-decision), expit(decision)])
        return softmax(decision, axis=1)
    return np.eye(n_classes)[np.asarray(estimator.predict(X), dtype=int)]


def _plain_labels(y: np.ndarray) -> np.ndarray:
    """Return labels of one type: strings, numbers or booleans."""
    if y.dtype.kind not in "OmM":
        return y
    values = y.tolist() if y.dtype == object else list(y)
    if all(isinstance(value, str) for value in values):
        return y
    if all(isinstance(value, bool | np.bool_) for value in values):
        return y.astype(bool)
    if all(is_number(value) for value in values):
        return np.array(values)
    kinds = sorted({type(value).__name__ for value in values})
    raise ValueError(
        "The labels in y must be all strings, all numbers or all booleans. Got values "
        f"of type {', '.join(kinds)}. Convert them to one type, as by y.astype(str)."
    )
