"""ValueTarget: each row has a number."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.dummy import DummyRegressor

from automodel.exceptions import FitWarning
from automodel.targets.base import AveragedTarget
from automodel.targets.checks import as_column, is_number, is_numeral, missing
from automodel.targets.decoded import DecodedRegressor, RegressorAnswers
from automodel.targets.link import Identity, Log
from automodel.targets.losses import Deviance, Pinball, Squares, StackingLoss
from automodel.targets.objective import Objective


class ValueTarget(AveragedTarget):
    """Target whose rows have a number.

    Parameters
    ----------
    objective : Objective, default=Objective()
        Loss that models learn, of the values or of their logarithms.

    Examples
    --------
    >>> from automodel.targets.values import ValueTarget
    >>> ValueTarget().encode(ValueTarget.check([1, 2, 4]))
    array([1., 2., 4.])
    """

    kind = "regression"
    scored_as = "value"
    n_outputs = 1
    default_scoring = "neg_root_mean_squared_error"

    def __init__(self, objective: Objective | None = None):
        self.objective = Objective() if objective is None else objective
        self.link = Log() if self.objective.is_deviance else Identity()

    @staticmethod
    def check(y: Any) -> np.ndarray:
        """Return y as a one-dimensional float array.

        Raises
        ------
        ValueError
            If y contains text, dates, missing or infinite values.
        """
        y = as_column(y)
        bad = missing(y)
        if bad.any():
            raise ValueError(
                f"Input y contains NaN or infinity in {int(bad.sum())} of {len(y)} "
                "rows. Drop those rows or fill them."
            )
        if y.dtype.kind not in "biuf":
            wrong = [value for value in y if not is_number(value)]
            if wrong:
                example = next((v for v in wrong if not is_numeral(v)), wrong[0])
                raise ValueError(
                    f"y of AutoRegressor must hold numbers. Got {str(example)!r} of "
                    f"type {type(example).__name__.rstrip('_')}. "
                    "Convert y to numbers, or use AutoClassifier for labels."
                )
        y = y.astype(np.float64)
        if len(y) > 1 and y.min() == y.max():
            warnings.warn(
                f"The target y is constant: {y[0]} in all rows. All predictions are "
                "constant, too.",
                FitWarning,
                stacklevel=2,
            )
        return y

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> ValueTarget:
        """Return the target of y, whose squared errors are learned."""
        return cls()

    def encode(self, y):
        """Return the values, or their logarithms."""
        return self.objective.encode(y)

    def restore(self, y):
        """Return the values."""
        return self.objective.decode_target(y)

    def decode(self, prediction, decision=None):
        """Return the values, of shape (n_samples,), within the domain of the score."""
        values = np.asarray(prediction, np.float64).reshape(-1)
        return self.objective.decode(values)

    def bounds(self, values):
        """Return bounds of new targets in their units, within the domain."""
        values = np.maximum(values, self.objective.least_target)
        with np.errstate(over="ignore"):  # a bound may be infinite
            return self.objective.decode_target(values)

    def answers(self, prediction):
        """Return a regressor that predicts these values."""
        return RegressorAnswers(self.decode(prediction))

    def truth(self, y):
        """Return the values."""
        return y[:, None]

    def sample(self, y):
        """Return values between the extremes; some scores fail for a mean of zero."""
        return np.linspace(y.min(), y.max(), len(y) + 2)[1:-1, None]

    def decoded(self, estimator, columns):
        """Return the regressor, which then predicts in the units of the user."""
        if not self.objective.decodes:
            return estimator
        return DecodedRegressor(estimator, self.objective)

    def learning(self, objective, y=None, name="the score", counted=None):
        """Return the target whose models learn the objective of a score."""
        if y is not None:
            objective = objective.of_target(y, name, counted)
        return ValueTarget(objective)

    def predict(self, estimator, X, columns):
        """Return the values, within the domain of the score."""
        values = np.asarray(estimator.predict(X), dtype=np.float64)
        return np.clip(values.reshape(-1, 1), *self.objective.limits)

    def baseline(self):
        """Return an estimator of the constant that minimises the loss."""
        return self.objective.baseline()

    def constant(self, y):
        """Return an estimator for a single value; None if there are several."""
        return DummyRegressor() if (y == y[0]).all() else None

    def training_weight(self, y, sample_weight):
        """Return the weights, which include those of relative errors."""
        return self.objective.weights(y, sample_weight)

    def losses(self, y, prediction):
        """Return the loss of the objective."""
        return self.objective.losses(y, prediction.reshape(-1))

    def errors(self, y, prediction):
        """Return the values minus the predictions."""
        return y - prediction.reshape(-1)

    def stacking_loss(self, y, base, weight) -> StackingLoss:
        """Return the loss of the objective."""
        loss: type[Squares | Pinball | Deviance] = Squares
        if self.objective.is_deviance:
            loss = Deviance
        elif self.objective.is_quantile:
            loss = Pinball
        return loss(y, base, weight, self.objective)
