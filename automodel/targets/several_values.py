"""ValuesTarget: each row has a number in each of several columns."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.dummy import DummyRegressor

from automodel.exceptions import FitWarning
from automodel.targets.base import AveragedTarget
from automodel.targets.checks import (
    as_columns,
    column_names,
    is_number,
    missing,
    refuse_cell,
)
from automodel.targets.decoded import DecodedValues, RegressorAnswers
from automodel.targets.link import Identity
from automodel.targets.losses import Pinball, Squares, StackingLoss
from automodel.targets.objective import Objective

EXPECTED = (
    "AutoRegressor needs finite numbers. Drop rows with missing values or fill them, "
    "and use AutoClassifier for labels."
)
NO_LIMITS = (-np.inf, np.inf)
DIGITS = 12  # of a value that is restored
LEAST_SIZE = 1e-290  # of a column whose values are rounded so


def scaled_root_mean_squared_error(y_true, y_pred, *, deviations, sample_weight=None):
    """Return the mean over columns of the RMSE in units of standard deviations.

    All columns count alike, whatever their units are.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, n_columns)
        True and predicted values, in the units of the user.
    deviations : ndarray of shape (n_columns,)
        Standard deviations of the columns.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    """
    errors = (np.asarray(y_true) - np.asarray(y_pred)) / deviations
    return np.mean(np.sqrt(np.average(errors**2, axis=0, weights=sample_weight)))


class ValuesTarget(AveragedTarget):
    """Target whose rows have a number in each of several columns.

    Models learn all columns, each in units of its standard deviation.

    Parameters
    ----------
    means, deviations : ndarray of shape (n_outputs,)
        Means and standard deviations of the columns, as the objective encodes them.
    objective : Objective, default=Objective()
        Loss that models learn in each column.
    limits : tuple of ndarray of shape (n_outputs,), default=None
        Smallest and largest predictions, in the units that are learned; None for no
        limits.

    Examples
    --------
    >>> from automodel.targets.several_values import ValuesTarget
    >>> target = ValuesTarget.of(ValuesTarget.check([[1, 200], [3, 400]]))
    >>> target.encode([[1, 400]])
    array([[-1.,  1.]])
    """

    kind = "multioutput"
    scored_as = "values"
    link = Identity()

    def __init__(
        self,
        means: np.ndarray,
        deviations: np.ndarray,
        objective: Objective | None = None,
        limits: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        from sklearn.metrics import make_scorer  # slow to load

        self.means, self.deviations = means, deviations
        self.n_outputs = len(means)
        self.objective = Objective() if objective is None else objective
        self.limits = NO_LIMITS if limits is None else limits
        self.default_scoring = make_scorer(
            scaled_root_mean_squared_error,
            greater_is_better=False,
            deviations=deviations,
        )

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return the values as a float array of two dimensions.

        Raises
        ------
        ValueError
            If a value is missing, infinite or not a number. The message names its row
            and its column.
        """
        values, names = as_columns(y), column_names(y)
        refused = missing(values.ravel()).reshape(values.shape)
        if values.dtype.kind in "mM":  # dates and durations
            refused[:] = True
        elif values.dtype.kind not in "biuf":
            is_none = np.frompyfunc(lambda value: not is_number(value), 1, 1)
            refused |= is_none(values).astype(bool)
        refuse_cell(values, refused, names, EXPECTED)
        numbers = values.astype(np.float64)
        refuse_cell(values, ~np.isfinite(numbers), names, EXPECTED)  # a Decimal may be
        return numbers

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> ValuesTarget:
        """Return the target of y, whose squared errors are learned.

        A `FitWarning` names columns that are constant.
        """
        counted = y if sample_weight is None else y[sample_weight > 0]
        constant = np.flatnonzero((counted == counted[:1]).all(axis=0))
        if len(constant) and len(counted) > 1:
            warnings.warn(
                f"Columns of y that are constant: {constant[:10].tolist()}. Their "
                "predictions are constant, too.",
                FitWarning,
                stacklevel=2,
            )
        return cls(*_means_and_deviations(counted))

    def encode(self, y):
        """Return the values, or their logarithms, in units of deviations."""
        encoded = self.objective.encode(np.asarray(y, np.float64))
        return (encoded - self.means) / self.deviations

    def restore(self, y):
        """Return the values, rounded to twelve digits so that counts are whole."""
        values = self._in_units(y)
        size = self.objective.decode_target(np.abs(self.means) + self.deviations)
        decimals = DIGITS - np.ceil(np.log10(np.maximum(size, LEAST_SIZE))).astype(int)
        columns = [np.round(*pair) for pair in zip(values.T, decimals, strict=True)]
        return np.column_stack(columns)

    def decode(self, prediction, decision=None):
        """Return the values in their units, within the domain of the score."""
        return self._in_units(np.clip(prediction, *self.limits, dtype=np.float64))

    def bounds(self, values):
        """Return bounds of new targets in their units, within the domain."""
        if self.objective.is_log:
            values = np.maximum(values, self.limits[0])
        with np.errstate(over="ignore"):  # a bound may be infinite
            return self._in_units(values)

    def _in_units(self, y):
        return self.objective.decode_target(y * self.deviations + self.means)

    def answers(self, prediction):
        """Return a regressor that predicts these values."""
        return RegressorAnswers(self.decode(prediction))

    def truth(self, y):
        """Return the values."""
        return y

    def sample(self, y):
        """Return values between the extremes; some scores fail for a mean of zero."""
        return np.linspace(y.min(axis=0), y.max(axis=0), len(y) + 2)[1:-1]

    def decoded(self, estimator, columns):
        """Return the regressor, which then predicts in the units of the user."""
        return DecodedValues(estimator, self)

    def learning(self, objective, y=None, name="the score", counted=None):
        """Return the target whose models learn the objective of a score.

        Relative errors are learned as absolute errors, because their weights would
        differ between columns.
        """
        if objective.has_positive_predictions:
            raise ValueError(
                f"scoring={name!r} is for one column, but y has {self.n_outputs}. Use "
                "'neg_root_mean_squared_error', 'neg_mean_absolute_error' or "
                "'neg_root_mean_squared_log_error', or fit one AutoRegressor to each "
                "column, as sklearn.multioutput.MultiOutputRegressor does."
            )
        objective = replace(objective, is_relative=False)
        if not objective.is_log or y is None:
            return ValuesTarget(self.means, self.deviations, objective)
        limits = [_limits(objective, y, i, name, counted) for i in range(y.shape[1])]
        known = y if counted is None else y[counted]
        means, deviations = _means_and_deviations(objective.encode(known))
        low, high = (np.array(limits).T - means) / deviations
        return ValuesTarget(means, deviations, objective, (low, high))

    def column(self, column):
        """Return the target of one column, in the same units."""
        at = [column]
        low, high = (np.broadcast_to(x, self.means.shape)[at] for x in self.limits)
        means, deviations = self.means[at], self.deviations[at]
        return ValuesTarget(means, deviations, self.objective, (low, high))

    def predict(self, estimator, X, columns):
        """Return the values, within the domain of the score."""
        values = np.asarray(estimator.predict(X), dtype=np.float64)
        return np.clip(values, *self.limits)

    def errors(self, y, prediction):
        """Return the signed errors of one column, or the losses of several."""
        if self.n_outputs > 1:
            return self.losses(y, prediction)
        return (y - prediction)[:, 0]

    def baseline(self):
        """Return an estimator of the constants that minimise the loss."""
        return self.objective.baseline()

    def constant(self, y):
        """Return an estimator for values that do not vary; None if they do."""
        return DummyRegressor() if (y == y[:1]).all() else None

    def losses(self, y, prediction):
        """Return the mean over the columns of the loss of the objective."""
        return self.objective.losses(y, prediction).mean(axis=1)

    def stacking_loss(self, y, base, weight) -> StackingLoss:
        """Return the loss of the objective, where all columns count alike."""
        loss = Pinball if self.objective.is_quantile else Squares
        weight = np.repeat(weight, self.n_outputs)
        return loss(y.ravel(), base.ravel(), weight, self.objective)


def _limits(objective: Objective, y, column: int, name: str, counted):
    try:
        return objective.of_target(y[:, column], name, counted).limits
    except ValueError as error:
        raise ValueError(f"Column {column} of y: {error}") from error


def _means_and_deviations(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = np.abs(y).max(axis=0)
    size = np.where(size > 0, size, 1.0)  # whose square may be no number
    deviations = size * (y / size).std(axis=0)
    is_constant = (y == y[:1]).all(axis=0) | ~(deviations > 0)
    means = np.where(is_constant, y[0], size * (y / size).mean(axis=0))
    return means, np.where(is_constant, 1.0, deviations)
