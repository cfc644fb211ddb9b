"""What the boosting families share: rounds, early stopping, weights of deviances."""

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
    steps_of,
)
from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.monitor import Monitor, Steps
    from automodel.task import Task

ROUNDS_TIMES_RATE = 60.0  # rounds * learning rate after which nothing is to be gained
ROUNDS_LIMITS = (300, 4000)
PATIENCE = 20
PATIENCE_SHARE = 0.3
# Of a leaf, where logarithms are learned: Newton's step of a few small targets is huge.
MOST_STEP = 0.7


class BoostingFamily(TabularFamily):
    """A family that boosts: its folds choose the rounds, and drop those after them."""

    tasks = ALL_TASKS
    chooses_rounds = True

    def losses(self, task: Task) -> Sequence[str]:
        """Return squares beside absolute errors, whose gradients tell only a sign."""
        is_of_values = not task.is_classification
        if is_of_values and task.objective.loss == "absolute_error":
            return ("squared_error", "absolute_error")
        return ()

    def cut(self, estimator: BaseEstimator, n_iterations: Steps) -> BaseEstimator:
        """Return a copy of a fitted estimator with its first rounds alone."""
        shorter = copy(estimator)
        if isinstance(estimator, ColumnsEstimator):
            shorter.estimators_ = [
                self.cut(model, steps_of(n_iterations, column))
                for column, model in enumerate(estimator.estimators_)
            ]
        elif isinstance(estimator, VaryingColumns):
            shorter.estimator = self.cut(estimator.estimator, n_iterations)
        # A constant, where a fold had nothing to learn from, has no rounds.
        elif self.iteration_param in estimator.get_params():
            self.keep_rounds(shorter, max(1, cast(int, n_iterations)))
        return shorter

    def keep_rounds(self, estimator: BaseEstimator, n_rounds: int) -> None:
        """Drop later rounds of a copy, which may share them with its original."""
        raise NotImplementedError


def rounds_for(learning_rate: float, times: float = 1.0) -> int:
    """Return the most rounds to train at a learning rate."""
    low, high = ROUNDS_LIMITS
    return int(min(max(times * ROUNDS_TIMES_RATE / learning_rate, low), high))


def set_rounds(estimator: BaseEstimator, parameter: str, monitor: Monitor) -> int:
    """Fix the rounds to `monitor.n_iterations` if given; return the rounds to train."""
    if monitor.n_iterations is not None and not monitor.has_validation:
        estimator.set_params(**{parameter: max(1, monitor.n_iterations)})
    return estimator.get_params()[parameter]


def loss_params(
    task: Task, objectives: dict[str, str], *, quantile: str
) -> dict[str, Any]:
    """Return the parameters of the loss; none where it is the library's default.

    Parameters
    ----------
    task : Task
        With the objective.
    objectives : dict of str to str
        Names that the library gives the losses that are not its default.
    quantile : str
        Name of its parameter for the quantile.
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
    """Return the power of the deviance that is learned; None for other losses."""
    params = estimator.get_params()
    return params.get("tweedie_variance_power", powers.get(params["objective"]))


def scale_penalty(estimator: BaseEstimator, y: np.ndarray) -> None:
    """Make the L1 penalty of squared errors, whose gradients have a unit, free of it.

    The gradients of other losses are of the size of one already.
    """
    if estimator.reg_alpha:
        estimator.set_params(reg_alpha=estimator.reg_alpha * float(np.std(y)))


def mean_of(y: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """Return the mean of a target that is not negative; 1 where all of it is 0."""
    return float(np.average(y, weights=sample_weight)) or 1.0


def deviance_weights(
    y: np.ndarray, sample_weight: np.ndarray | None, power: float | None
) -> np.ndarray | None:
    """Return weights by which the gradients of a deviance are of the size of one.

    Their unit is that of `y` to the power of 2 - `power`. Penalties and least hessians
    of a leaf would otherwise mean something else in every unit.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        The target, not negative.
    sample_weight : ndarray of shape (n_samples,) or None
        Those given.
    power : float or None
        Of the variance function of the deviance; None for other losses, whose weights
        stay.
    """
    if power is None or power == 2:
        return sample_weight
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    return weight * mean_of(y, sample_weight) ** (power - 2)


class RoundTracker:
    """Follow the validation part over the rounds and say when to stop.

    The patience is a share of the best round: a fixed 300 rounds, as is common,
    takes most of a short budget to confirm that a model of 100 rounds is done, and
    is too short for tiny learning rates.

    Parameters
    ----------
    monitor : Monitor
        Of the fold in training.
    """

    def __init__(self, monitor: Monitor):
        self.monitor = monitor
        self.stops_early = monitor.has_validation and len(monitor.y_valid) > 0
        self.rounds = 0
        self.best_round = 0
        self.best_value = -math.inf

    @property
    def rounds_used(self) -> int:
        """The best round, or all where there is no validation part."""
        return self.best_round if self.best_round else self.rounds

    def add_round(self, value: float | None = None) -> bool:
        """Count a round, report its value, and return whether to stop training.

        Parameters
        ----------
        value : float, default=None
            Score on the validation part, greater is better.
        """
        self.rounds += 1
        self.monitor.steps_trained = self.rounds
        if value is not None:
            if value > self.best_value:
                self.best_round, self.best_value = self.rounds, value
            self.monitor.report(self.rounds, value)
        return self.monitor.expired or self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the best round is too long ago to wait for a better one."""
        if not self.best_round:
            return False
        patience = PATIENCE + PATIENCE_SHARE * self.best_round
        return self.rounds - self.best_round > patience
