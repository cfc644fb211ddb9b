"""Early stopping that the boosting families share, decided round by round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from automodel.monitor import Monitor

ROUNDS_TIMES_RATE = 60.0  # rounds * learning rate after which nothing is to be gained
ROUNDS_LIMITS = (300, 4000)
PATIENCE = 20
PATIENCE_SHARE = 0.3


def rounds_for(learning_rate: float, times: float = 1.0) -> int:
    """Return the most rounds to train at a learning rate."""
    low, high = ROUNDS_LIMITS
    return int(min(max(times * ROUNDS_TIMES_RATE / learning_rate, low), high))


def set_rounds(estimator: BaseEstimator, parameter: str, monitor: Monitor) -> int:
    """Fix the rounds to `monitor.n_iterations` if given; return the rounds to train."""
    if monitor.n_iterations is not None and not monitor.has_validation:
        estimator.set_params(**{parameter: max(1, monitor.n_iterations)})
    return estimator.get_params()[parameter]


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
        """Rounds that the returned model is to be made of."""
        return self.best_round if self.best_round else self.rounds

    def add_round(self, value: float | None = None) -> bool:
        """Count a round, report its value, and return whether to stop training.

        Parameters
        ----------
        value : float, default=None
            Score on the validation part, greater is better.
        """
        self.rounds += 1
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
