"""LabelsTarget: each row has any number of several labels."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import expit, xlog1py, xlogy
from sklearn.base import BaseEstimator, ClassifierMixin

from automodel.exceptions import FitWarning
from automodel.targets.base import AveragedTarget
from automodel.targets.checks import (
    as_columns,
    column_names,
    missing,
    refuse_cell,
)
from automodel.targets.decoded import DecodedLabels, LabelAnswers
from automodel.targets.link import LEAST_PROBABILITY, Logistic
from automodel.targets.losses import LabelLoss, StackingLoss

LEAST_ROWS = 10  # of a stratum, so that each of five folds gets two of them
MOST_STRATA = 50
EXPECTED = (
    "If y has several columns, AutoClassifier needs a multilabel indicator of 0 and 1 "
    "without missing values. For several columns of classes, use "
    "sklearn.multioutput.MultiOutputClassifier around AutoClassifier."
)


class LabelsTarget(AveragedTarget):
    """Target whose rows have any number of several labels.

    A prediction holds the probability of each label. Models learn an indicator matrix,
    which is 1 where a row has a label and 0 where it does not.

    Parameters
    ----------
    n_outputs : int
        Number of labels.

    Examples
    --------
    >>> from automodel.targets.labels import LabelsTarget
    >>> target = LabelsTarget.of(LabelsTarget.check([[0, 1], [1, 1], [0, 0]]))
    >>> target.decode([[0.2, 0.9]])
    array([[0, 1]])
    """

    kind = "multilabel"
    scored_as = "labels"
    default_scoring = "neg_log_loss"
    link = Logistic()

    def __init__(self, n_outputs: int):
        self.n_outputs = n_outputs

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return a dense or sparse indicator as a matrix of integers.

        Raises
        ------
        ValueError
            If a value is missing or neither 0 nor 1. The message names its row and its
            column.
        """
        values, names = as_columns(y), column_names(y)
        is_missing = missing(values.ravel()).reshape(values.shape)
        if values.dtype.kind in "biuf":
            known = np.isin(values, [0, 1])
        else:  # includes strings, which are never equal to 0 or 1
            known = np.frompyfunc(_is_zero_or_one, 1, 1)(values).astype(bool)
        refuse_cell(values, is_missing | ~known, names, EXPECTED)
        return values.astype(np.int64)

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> LabelsTarget:
        """Return the target of an indicator matrix.

        A `FitWarning` names labels that all rows have, or none.

        Raises
        ------
        ValueError
            If no label varies among the rows with a weight above zero.
        """
        counted = y if sample_weight is None else y[sample_weight > 0]
        constant = np.flatnonzero((counted == counted[:1]).all(axis=0))
        if len(constant) == y.shape[1]:
            raise ValueError(
                "y holds the same labels in all rows, so there is nothing to learn. "
                "A classifier needs rows with a label and rows without it."
            )
        if len(constant):
            warnings.warn(
                f"Columns of y with one value in all rows: {constant[:10].tolist()}. "
                "This value is predicted for all rows. Consider dropping the columns.",
                FitWarning,
                stacklevel=2,
            )
        return cls(y.shape[1])

    def encode(self, y):
        """Return the indicator matrix."""
        return np.asarray(y, dtype=np.int64)

    def restore(self, y):
        """Return the indicator matrix."""
        return y

    def compact(self, y):
        """Return the indicator matrix in bytes."""
        return y.astype(np.int8)

    def decode(self, prediction, decision=None):
        """Return the indicator of labels above their thresholds, by default 0.5."""
        threshold = 0.5 if decision is None else decision
        return (np.asarray(prediction) > threshold).astype(np.int64)

    def decided(self, prediction, decision):
        """Return a probability of 1 for the labels that the decision chooses."""
        return self.decode(prediction, decision).astype(np.float64)

    def probabilities(self, prediction):
        """Return the probability of each label."""
        return np.clip(prediction, 0.0, 1.0)

    def answers(self, prediction):
        """Return a classifier that predicts these probabilities."""
        return LabelAnswers(self.probabilities(np.asarray(prediction, np.float64)))

    def truth(self, y):
        """Return a probability of 1 for the labels of each row."""
        return y.astype(np.float64)

    def sample(self, y):
        """Return underconfident probabilities of the correct labels."""
        return 0.5 * self.truth(y) + 0.25

    def decoded(self, estimator, columns):
        """Return the classifier, which then predicts an indicator matrix."""
        return DecodedLabels(estimator, self)

    def strata(self, y):
        """Return the stratum of each row: rows with equal rare values have the same.

        A row belongs to its rarest value, which is a label or the lack of one. Large
        strata are divided further by the labels that are rarest among all rows. This
        simplifies the iterative stratification of Sechidis et al. (2011), On the
        Stratification of Multi-Label Data: the rarest label comes first, but a row with
        several labels is spread only by the rarest.
        """
        counts = y.sum(axis=0)
        n_rare = np.minimum(counts, len(y) - counts)
        order = np.argsort(n_rare, kind="stable")
        order = order[n_rare[order] > 0]
        is_rare = (y == (2 * counts <= len(y)))[:, order]
        if not len(order):
            return np.zeros(len(y), dtype=np.int64)
        first = np.where(is_rare.any(axis=1), is_rare.argmax(axis=1), len(order))
        strata = np.unique(first, return_inverse=True)[1]
        for label in is_rare.T:
            strata = _parted(strata, label)
        if np.bincount(strata).max() < LEAST_ROWS:  # nothing that folds could spread
            return np.zeros(len(y), dtype=np.int64)
        return strata

    def column(self, column):
        """Return the target of one label."""
        return LabelsTarget(1)

    def predict(self, estimator, X, columns):
        """Return the probability of each label."""
        if hasattr(estimator, "predict_proba"):
            proba = estimator.predict_proba(X)
            if isinstance(proba, list):
                pairs = zip(proba, estimator.classes_, strict=True)
                return np.column_stack([_of_label(*pair) for pair in pairs])
        elif hasattr(estimator, "decision_function"):
            proba = expit(np.asarray(estimator.decision_function(X), np.float64))
        else:
            proba = estimator.predict(X)
        return np.asarray(proba, dtype=np.float64)

    def baseline(self):
        """Return an estimator that predicts the share of each label."""
        return Prevalence()

    def constant(self, y):
        """Return an estimator for labels that do not vary; None if they do."""
        return Prevalence() if (y == y[:1]).all() else None

    def losses(self, y, prediction):
        """Return the sum of the log losses of all labels."""
        most = 1.0 - LEAST_PROBABILITY
        proba = np.clip(prediction, LEAST_PROBABILITY, most, dtype=np.float64)
        return -(xlogy(y, proba) + xlog1py(1 - y, -proba)).sum(axis=1)

    def stacking_loss(self, y, base, weight) -> StackingLoss:
        """Return the log loss of all labels."""
        return LabelLoss(y, weight)


class Prevalence(ClassifierMixin, BaseEstimator):
    """Predict the share of the training rows that have each label."""

    def fit(self, X, y, sample_weight=None):
        """Count the rows of each label."""
        self.classes_ = np.arange(y.shape[1])
        self.shares_ = np.average(y, axis=0, weights=sample_weight)
        return self

    def predict_proba(self, X) -> np.ndarray:
        """Return the shares for each row."""
        return np.tile(self.shares_, (X.shape[0], 1))

    def predict(self, X) -> np.ndarray:
        """Return the labels of more than half of the rows."""
        return (self.predict_proba(X) > 0.5).astype(np.int64)


def _is_zero_or_one(value: Any) -> bool:
    try:
        return bool(value in (0, 1))
    except (TypeError, ValueError):  # such as NA of pandas
        return False


def _of_label(proba, classes) -> np.ndarray:
    """Return the probability of a label from those of its values 0 and 1."""
    proba, has = np.asarray(proba, np.float64), np.asarray(classes) == 1
    return proba[:, has].sum(axis=1)


def _parted(strata: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Divide strata by a label if they have enough rows with it and without it."""
    n_strata = strata.max() + 1
    with_it = np.bincount(strata, label, n_strata)
    fewest = np.minimum(with_it, np.bincount(strata, minlength=n_strata) - with_it)
    can_part = fewest >= LEAST_ROWS
    if not can_part.any() or n_strata + can_part.sum() > MOST_STRATA:
        return strata
    parted = 2 * strata + (can_part[strata] & label)
    return np.unique(parted, return_inverse=True)[1]
