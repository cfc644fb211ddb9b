"""Targets: what is learned of them, how losses take them, how answers are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target


@dataclass
class ClassTarget:
    """One class per row.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels, sorted.
    """

    classes: np.ndarray
    is_multilabel = False

    @property
    def n_outputs(self) -> int:
        """One output per class."""
        return len(self.classes)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the number of each row's class."""
        if y.ndim != 1:
            raise ValueError(
                f"y has to hold one class per row, as before. Got shape {y.shape}."
            )
        known = np.isin(y, self.classes)
        if not known.all():
            raise ValueError(
                f"y has classes that are not in {self.classes.tolist()}: "
                f"{np.unique(y[~known]).tolist()}."
            )
        return np.searchsorted(self.classes, y).astype(np.int64)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the softmax of the outputs."""
        proba = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the most probable labels."""
        return self.classes[probabilities.argmax(axis=1)]


@dataclass
class LabelTarget:
    """Several labels per row, each there or not.

    Parameters
    ----------
    classes : ndarray of shape (n_labels,)
        Numbers of the labels.
    """

    classes: np.ndarray
    is_multilabel = True

    @property
    def n_outputs(self) -> int:
        """One output per label."""
        return len(self.classes)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the indicator matrix as floats."""
        if y.ndim != 2 or y.shape[1] != len(self.classes):
            raise ValueError(
                f"y has to be an indicator matrix of {len(self.classes)} columns, as "
                f"before. Got shape {y.shape}."
            )
        return y.astype(np.float32)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logistic function of the outputs."""
        half = np.exp(-np.abs(outputs))  # never overflows
        return np.where(outputs >= 0, 1.0, half) / (1 + half)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return 1 for labels that are more probable than not."""
        return (probabilities > 0.5).astype(int)


def learn_classes(y: np.ndarray) -> ClassTarget | LabelTarget:
    """Return the target of labels."""
    check_classification_targets(y)
    if y.ndim == 1:
        return ClassTarget(np.unique(y))
    if type_of_target(y, input_name="y") != "multilabel-indicator":
        raise ValueError(
            "y has several columns of classes, which this net does not support. Pass "
            "an indicator matrix of zeros and ones, or fit a net to each column, such "
            "as with MultiOutputClassifier."
        )
    return LabelTarget(np.arange(y.shape[1]))


@dataclass
class ValueTarget:
    """One or several numbers per row, standardised for the loss.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_targets,)
        Mean and standard deviation of each column.
    low, high : ndarray of shape (n_targets,)
        The range seen, in which predictions stay.
    is_flat : bool
        Whether y has one dimension.
    """

    mean: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_flat: bool

    @classmethod
    def learn(cls, y: np.ndarray, weight: np.ndarray | None) -> ValueTarget:
        """Return the target of the rows of positive weight."""
        columns = y.reshape(len(y), -1).astype(np.float64)
        if weight is not None:
            columns, weight = columns[weight > 0], weight[weight > 0]
        mean = np.average(columns, axis=0, weights=weight)
        deviation = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weight))
        scale = np.where(deviation > 0, deviation, 1.0)
        return cls(mean, scale, columns.min(0), columns.max(0), y.ndim == 1)

    @property
    def n_outputs(self) -> int:
        """One output per column."""
        return len(self.mean)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y in standard deviations from the mean, in its own shape."""
        columns = y.reshape(len(y), -1)
        if (y.ndim == 1) != self.is_flat or columns.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has to hold {self.n_outputs} numbers per row, as before. Got shape "
                f"{y.shape}."
            )
        encoded = (columns - self.mean) / self.scale
        return encoded.reshape(y.shape).astype(np.float32)

    def widen(self, y: np.ndarray) -> None:
        """Let predictions reach these values as well."""
        columns = y.reshape(len(y), -1).astype(np.float64)
        self.low = np.minimum(self.low, columns.min(0))
        self.high = np.maximum(self.high, columns.max(0))

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the values, within the range seen."""
        values = np.clip(outputs * self.scale + self.mean, self.low, self.high)
        return values[:, 0] if self.is_flat else values
