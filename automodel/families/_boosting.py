"""BoostingFamily: the number of rounds, early stopping and the loss of boosting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.base import BaseEstimator

from automodel.families._columns import (
    ALL_TASKS,
    ColumnsEstimator,
    VaryingColumns,
    each_changed,
    steps_of,
)
from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.monitor import Monitor, Steps
    from automodel.task import Task

ROUNDS_TIMES_RATE = 60.0  # rounds times learning rate at which nothing more is gained
ROUNDS_LIMITS = (300, 4000)
GROWTH_OF_CLASSES, GROWTH_OF_VALUES = 0.25, 0.6  # powers of the rows
PATIENCE = 20
PATIENCE_SHARE = 0.3
# Largest step of a leaf for logarithms, where a few small targets have huge steps.
MOST_STEP = 0.7


class BoostingFamily(TabularFamily):
    """A boosting family, whose folds choose the number of rounds."""

    tasks = ALL_TASKS
    chooses_rounds = True
    encoder_param = "text"
    is_compressed = True
    embeds_text = True

    def losses(self, task: Task) -> Sequence[str]:
        """Offer squared errors in place of absolute ones, whose gradients are signs."""
        is_of_values = not task.is_classification
        if is_of_values and task.objective.loss == "absolute_error":
            return ("squared_error", "absolute_error")
        return ()

    def growth_of_steps(self, task: Task) -> float:
        """Let rounds grow less for classes: log losses soon punish overfitting."""
        return GROWTH_OF_CLASSES if task.is_classification else GROWTH_OF_VALUES

    def cut(self, estimator: BaseEstimator, n_iterations: Steps) -> BaseEstimator:
        """Return a copy of a fitted estimator that has only its first rounds."""
        shorter = copy(estimator)
        if isinstance(estimator, ColumnsEstimator):
            shorter.estimators_ = [
                self.cut(model, steps_of(n_iterations, column))
                for column, model in enumerate(estimator.estimators_)
            ]
        elif isinstance(estimator, VaryingColumns):
            shorter.estimator = self.cut(estimator.estimator, n_iterations)
        elif self._has_rounds(estimator):
            self.keep_rounds(shorter, max(1, cast(int, n_iterations)))
        return shorter

    def compact(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return the model, or that of each column, without what predicts nothing."""

        def change(model):
            return self.lean(model) if self._has_rounds(model) else model

        return each_changed(estimator, change)

    def lean(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return the model of one column without what prediction does not need."""
        raise NotImplementedError

    def _has_rounds(self, estimator: BaseEstimator) -> bool:
        """Tell a model from a constant, of a fold without anything to learn."""
        return self.iteration_param in estimator.get_params()

    def keep_rounds(self, estimator: BaseEstimator, n_rounds: int) -> None:
        """Drop the later rounds of a copy without changing the original."""
        raise NotImplementedError


def rounds_for(learning_rate: float, times: float = 1.0) -> int:
    """Return the largest number of rounds for a learning rate."""
    low, high = ROUNDS_LIMITS
    return int(min(max(times * ROUNDS_TIMES_RATE / learning_rate, low), high))


def set_rounds(estimator: BaseEstimator, parameter: str, monitor: Monitor) -> int:
    """Set the rounds to `monitor.n_iterations` if given, and return their number."""
    if monitor.n_iterations is not None and not monitor.has_validation:
        estimator.set_params(**{parameter: max(1, monitor.n_iterations)})
    return estimator.get_params()[parameter]


def loss_params(
    task: Task, objectives: dict[str, str], *, quantile: str
) -> dict[str, Any]:
    """Return the parameters of the loss, or none for the default of the library.

    Parameters
    ----------
    task : Task
        The task, which has the objective.
    objectives : dict of str to str
        Names of the losses in the library, except for its default.
    quantile : str
        Name of the parameter of the library for the quantile.
    """
    asked = task.objective
    if task.is_classification or asked.loss not in objectives:
        return {}
    params: dict[str, Any] = {"objective": objectives[asked.loss]}
    if asked.loss == "quantile":
        params[quantile] = asked.quantile
    if asked.loss == "tweedie":
        params["tweedie_variance_power"] = asked.power
    if asked.is_deviance:
        params["max_delta_step"] = MOST_STEP
    return params


def power_of(estimator: BaseEstimator, powers: dict[str, float]) -> float | None:
    """Return the power of the deviance that is learned, or None for other losses."""
    params = estimator.get_params()
    return params.get("tweedie_variance_power", powers.get(params["objective"]))


def scale_penalty(estimator: BaseEstimator, y: np.ndarray) -> None:
    """Scale the L1 penalty of squared errors by the standard deviation of y.

    The gradients of squared errors have the unit of y. Those of other losses are of
    order one already.
    """
    if estimator.reg_alpha:
        estimator.set_params(reg_alpha=estimator.reg_alpha * float(np.std(y)))


def mean_of(y: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """Return the mean of a target that is not negative, or 1 if it is 0."""
    return float(np.average(y, weights=sample_weight)) or 1.0


def deviance_weights(
    y: np.ndarray, sample_weight: np.ndarray | None, power: float | None
) -> np.ndarray | None:
    """Return weights that make the gradients of a deviance of order one.

    The gradients have the unit of `y` to the power of 2 - `power`. Without the weights,
    the effect of penalties and of the least hessian of a leaf would depend on the unit.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        The target, which is not negative.
    sample_weight : ndarray of shape (n_samples,) or None
        The given weights.
    power : float or None
        Power of the variance function of the deviance. None stands for other losses,
        whose weights are not changed.
    """
    if power is None or power == 2:
        return sample_weight
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    return weight * mean_of(y, sample_weight) ** (power - 2)


class RoundTracker:
    """Follows the score on the validation part, and tells when to stop.

    The patience is a share of the best round. A fixed patience of 300 rounds, as is
    common, would take most of a short budget after 100 useful rounds, and would be too
    short for small learning rates.

    Parameters
    ----------
    monitor : Monitor
        The monitor of the fold in training.
    """

    def __init__(self, monitor: Monitor):
        self.monitor = monitor
        self.stops_early = monitor.has_validation and len(monitor.y_valid) > 0
        self.rounds = 0
        self.best_round = 0
        self.best_value = -math.inf

    @property
    def rounds_used(self) -> int:
        """The best round, or the last one if there is no validation part."""
        return self.best_round if self.best_round else self.rounds

    def add_round(self, value: float | None = None) -> bool:
        """Count a round, report its value, and return whether to stop training.

        Parameters
        ----------
        value : float, default=None
            Score on the validation part. Greater is better.
        """
        self.rounds += 1
        self.monitor.steps_trained = self.rounds
        if value is not None:
            if value > self.best_value:
                self.best_round, self.best_value = self.rounds, value
            self.monitor.report(self.rounds, value)
        is_over, is_late = self.is_over, self.monitor.expired
        if is_late and not is_over:
            self.monitor.steps_cut = self.rounds
        return is_late or is_over

    @property
    def is_over(self) -> bool:
        """Whether the best round is so long ago that a better one is unlikely."""
        if not self.best_round:
            return False
        patience = PATIENCE + PATIENCE_SHARE * self.best_round
        return self.rounds - self.best_round > patience
