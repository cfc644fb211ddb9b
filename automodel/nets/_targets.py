"""Targets of nets: how they are encoded for losses, and outputs decoded.

The outputs of a net that is an ensemble have the shape (n_rows, n_members, n_outputs),
and `combine` returns (n_rows, n_outputs).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

DEVIANCES = ("poisson", "gamma", "tweedie")  # losses of positive means
LEAST_SHARE = 1e-3  # of the least positive value: what a positive prediction may be
MOST_TIMES_THE_MEAN = 1e13  # that a loss takes


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

    def widen(self, y: np.ndarray) -> None:
        """Do nothing, since no class is added later."""

    def combine(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithm of the members' mean probabilities."""
        return _log_mean_exp(outputs - _log_sum_exp(outputs, 2))

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
    shares : ndarray of shape (n_labels,)
        0 for the labels that no row has had, 1 for those of all, NaN for the others.
    """

    classes: np.ndarray
    shares: np.ndarray
    is_multilabel = True

    @classmethod
    def learn(cls, y: np.ndarray, weight) -> LabelTarget:
        """Return the target of the rows of positive weight."""
        counted = y if weight is None else y[weight > 0]
        target = cls(np.arange(y.shape[1]), counted[0].astype(np.float64))
        target.widen(counted)
        return target

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

    def widen(self, y: np.ndarray) -> None:
        """Learn the labels that these rows do not all have or lack, as others did."""
        self.shares = np.where((y == self.shares).all(axis=0), self.shares, np.nan)

    def combine(self, outputs: np.ndarray) -> np.ndarray:
        """Return the log-odds of the members' mean probabilities."""
        softplus = np.log1p(np.exp(-np.abs(outputs)))
        yes, no = (np.minimum(x, 0) - softplus for x in (outputs, -outputs))
        return _log_mean_exp(yes) - _log_mean_exp(no)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logistic function of the outputs, or the share of all rows."""
        half = np.exp(-np.abs(outputs))  # never overflows
        proba = np.where(outputs >= 0, 1.0, half) / (1 + half)
        return np.where(np.isnan(self.shares), proba, self.shares)

    def decode(self, probabilities: np.ndarray) -> np.ndarray:
        """Return 1 for labels that are more probable than not."""
        return (probabilities > 0.5).astype(int)


def learn_classes(y: np.ndarray, weight=None) -> ClassTarget | LabelTarget:
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
    return LabelTarget.learn(y, weight)


@dataclass
class NumberTarget(ABC):
    """One or several numbers per row, scaled for the loss.

    Parameters
    ----------
    scale : ndarray of shape (n_targets,)
        What each column is divided by.
    low, high : ndarray of shape (n_targets,)
        The range in which predictions stay.
    is_flat : bool
        Whether y has one dimension.
    """

    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    is_flat: bool

    @classmethod
    @abstractmethod
    def learn(cls, y: np.ndarray, weight, spare_scale=None) -> NumberTarget:
        """Return the target of the rows of positive weight.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Values.
        weight : ndarray of shape (n_samples,) or None
            Weights of the rows.
        spare_scale : ndarray of shape (n_targets,), default=None
            The scale of columns of which these rows have none; None for one.
        """

    @property
    def n_outputs(self) -> int:
        """One output per column."""
        return len(self.scale)

    @abstractmethod
    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y as the loss takes it, in its own shape, float32."""

    def combine(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean of the members."""
        return outputs.mean(axis=1)

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the values, within the range seen."""

    def widen(self, y: np.ndarray) -> None:
        """Let predictions reach these values as well."""
        low, high = self._range(y.reshape(len(y), -1).astype(np.float64), self.scale)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)

    @staticmethod
    @abstractmethod
    def _range(columns: np.ndarray, scale: np.ndarray):
        """Return the range in which predictions stay, of some rows."""

    def _columns(self, y: np.ndarray) -> np.ndarray:
        columns = y.reshape(len(y), -1)
        if (y.ndim == 1) != self.is_flat or columns.shape[1] != self.n_outputs:
            raise ValueError(
                f"y has to hold {self.n_outputs} numbers per row, as before. Got shape "
                f"{y.shape}."
            )
        return columns

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        values = np.clip(values, self.low, self.high)
        return values[:, 0] if self.is_flat else values


@dataclass
class ValueTarget(NumberTarget):
    """Numbers, standardised for the loss, and predicted within the range seen.

    Parameters
    ----------
    scale, low, high, is_flat
        See `NumberTarget`; the scale is the standard deviation.
    mean : ndarray of shape (n_targets,)
        Mean of each column.
    """

    mean: np.ndarray

    @classmethod
    def learn(cls, y, weight, spare_scale=None) -> ValueTarget:
        """Return the target of the rows of positive weight."""
        columns, weight = _counted(y, weight)
        mean = np.average(columns, axis=0, weights=weight)
        deviation = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weight))
        spare = 1.0 if spare_scale is None else spare_scale
        low, high = columns.min(0), columns.max(0)
        # Rounding makes the mean of equal numbers differ from them.
        scale = np.where((high > low) & (deviation > 0), deviation, spare)
        return cls(scale, low, high, y.ndim == 1, mean)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y in standard deviations from the mean, in its own shape."""
        encoded = (self._columns(y) - self.mean) / self.scale
        return encoded.reshape(y.shape).astype(np.float32)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the values, within the range seen."""
        return self._shaped(outputs * self.scale + self.mean)

    @staticmethod
    def _range(columns, scale):
        return columns.min(0), columns.max(0)


@dataclass
class PositiveTarget(NumberTarget):
    """Numbers of a positive mean, whose logarithm is the output.

    They are divided by their mean, the scale, so that an output of zero is the mean
    itself. Predictions are at most the largest value seen, and at least the smallest;
    where that is zero, they are at least a thousandth of the mean or of the smallest
    positive value.
    """

    @classmethod
    def learn(cls, y, weight, spare_scale=None) -> PositiveTarget:
        """Return the target of the rows of positive weight."""
        columns, weight = _counted(y, weight)
        mean = np.average(columns, axis=0, weights=weight)
        scale = np.where(mean > 0, mean, 1.0 if spare_scale is None else spare_scale)
        low, high = cls._range(columns, scale)
        return cls(scale, low, high, y.ndim == 1)

    @staticmethod
    def check(y: np.ndarray, loss: str) -> None:
        """Raise if a value is none that the loss can take; names the row."""
        may_be_zero = loss != "gamma"
        refused = (y < 0) if may_be_zero else (y <= 0)
        if refused.any():
            place = tuple(np.argwhere(refused)[0])
            bound = "of at least 0" if may_be_zero else "above 0"
            raise ValueError(
                f"loss={loss!r} needs values {bound}, and row {place[0]} of y has "
                f"{y[place]:g}. Use another loss, such as 'squared_error'."
            )

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return y in units of the mean, in its own shape."""
        encoded = np.clip(self._columns(y) / self.scale, 0, MOST_TIMES_THE_MEAN)
        return encoded.reshape(y.shape).astype(np.float32)

    def combine(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logarithm of the members' mean."""
        return _log_mean_exp(outputs)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the values, positive and within the range seen."""
        limits = np.log(self.low / self.scale), np.log(self.high / self.scale)
        return self._shaped(np.exp(np.clip(outputs, *limits)) * self.scale)

    @staticmethod
    def _range(columns, scale):
        least = np.where(columns > 0, columns, scale).min(0)
        low = columns.min(0)
        low = np.where(low > 0, low, LEAST_SHARE * np.minimum(least, scale))
        return low, np.maximum(columns.max(0), low)


def _counted(y: np.ndarray, weight):
    """Return the rows of positive weight as columns, and their weights."""
    columns = y.reshape(len(y), -1).astype(np.float64)
    if weight is None:
        return columns, None
    return columns[weight > 0], weight[weight > 0]


def _log_mean_exp(outputs: np.ndarray) -> np.ndarray:
    """Return the logarithm of the members' mean of exponentials."""
    return _log_sum_exp(outputs, 1)[:, 0] - np.log(outputs.shape[1])


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    largest = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - largest).sum(axis=axis, keepdims=True)) + largest
