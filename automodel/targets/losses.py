"""Losses of the stack, the linear model on top of an ensemble."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit

from automodel.targets.link import softmax
from automodel.targets.objective import Objective

N_STEPS = 8
LEAST_ERROR = 1e-9  # share of the variance; smaller errors are due to rounding
BLUNT_SHARE = 0.02  # width of the smoothed kink of a pinball loss, of the mean loss


class StackingLoss(ABC):
    """A loss with its derivatives by the coefficients of columns.

    The loss is in units of its own spread, so that it can be compared with a prior.
    Columns are arrays of shape (n_columns, n_samples, n_outputs) on the scale of a
    link.

    Attributes
    ----------
    n_steps : int
        Number of steps of Newton's method that the loss needs.
    center : float
        Value that the slope of the mean leaves unchanged.
    spread : float
        Unit of the constant that is added; 0 if there is no constant.
    limits : tuple of float
        Smallest and largest prediction.
    """

    n_steps = N_STEPS
    center = 0.0
    spread = 0.0
    limits = (-np.inf, np.inf)

    def first_columns(self, base: np.ndarray) -> np.ndarray:
        """Return the columns of the mean itself: for its slope, and for a constant."""
        return base[None]

    @abstractmethod
    def derivatives(self, at, columns):
        """Return the gradient and the curvature by the coefficients of columns."""

    @abstractmethod
    def derivatives_alone(self, at, columns):
        """Return the derivatives for each column as if it were the only one."""


class _ValueLoss(StackingLoss):
    """A loss of values, with its derivatives in each row."""

    def __init__(self, y, base, weight, objective: Objective):
        self.y, base = y.reshape(-1), base.reshape(-1)
        self.objective = objective
        self.limits = float(y.min()), float(y.max())
        self.center = float(np.average(base, weights=weight))
        self.spread = self._spread(weight)
        self.weight = self._scaled(base, weight)

    def first_columns(self, base):
        """Return the distance from the center, and a constant."""
        return np.stack([base - self.center, np.full_like(base, self.spread)])

    def derivatives(self, at, columns):
        slope, curvature = self.by_row(at.reshape(-1))
        columns = columns.reshape(len(columns), -1)
        return columns @ slope, (columns * curvature) @ columns.T

    def derivatives_alone(self, at, columns):
        slope, curvature = self.by_row(at.reshape(-1))
        columns = columns.reshape(len(columns), -1)
        return columns @ slope, (columns**2) @ curvature

    @abstractmethod
    def by_row(self, at):
        """Return the weighted slope and curvature of each row."""

    @abstractmethod
    def _spread(self, weight) -> float:
        """Return the unit of the constant that is added."""

    @abstractmethod
    def _scaled(self, base, weight) -> np.ndarray:
        """Return the weights in units of the loss of the mean."""


class Squares(_ValueLoss):
    """Squared errors in units of their variance."""

    def by_row(self, at):
        """Return the slope and the curvature."""
        return self.weight * (at - self.y), self.weight

    def _spread(self, weight):
        return float(np.sqrt(np.average((self.y - self.center) ** 2, weights=weight)))

    def _scaled(self, base, weight):
        error = np.average((self.y - base) ** 2, weights=weight)
        variance = max(error, LEAST_ERROR * np.var(self.y))
        return weight / variance if variance > 0 else np.zeros(len(self.y))


class Pinball(_ValueLoss):
    """Pinball losses in units of their mean, majorised by squares.

    The squares touch the loss at the current prediction, and minimising them lowers the
    loss (Hunter and Lange, 2000, Quantile Regression via an MM Algorithm).
    """

    n_steps = 4 * N_STEPS

    def by_row(self, at):
        """Return the slope and the curvature of the squares."""
        error = self.y - at
        curvature = 0.5 / (np.abs(error) + max(self.blunt, 1e-300))
        slope = -(error * curvature + self.objective.quantile - 0.5)
        return self.weight * slope, self.weight * curvature

    def _spread(self, weight):  # squares would depend on the tails
        return float(np.average(np.abs(self.y - self.center), weights=weight))

    def _scaled(self, base, weight):
        y = self.y
        mean = np.average(self.objective.losses(y, base), weights=weight)
        least = max(mean, LEAST_ERROR * np.abs(y - np.median(y)).mean())
        self.blunt = BLUNT_SHARE * least
        return weight / least if least > 0 else np.zeros(len(y))


class Deviance(_ValueLoss):
    """Deviances of the logarithm of a mean, in units of their own mean."""

    def by_row(self, at):
        """Return the slope and the curvature."""
        power = self.objective.power
        mean = np.exp(np.clip(at, self.low, self.high))
        true, own = self.y * mean ** (1 - power), mean ** (2 - power)
        curvature = np.maximum((power - 1) * true + (2 - power) * own, 0.0)
        return self.weight * (own - true), self.weight * curvature

    def _spread(self, weight):  # a factor
        return 1.0

    def _scaled(self, base, weight):
        self.low, self.high = base.min() - 5.0, base.max() + 5.0
        mean = np.average(self.objective.losses(self.y, np.exp(base)), weights=weight)
        # In units of the target.
        least = LEAST_ERROR * np.mean(self.y) ** (2 - self.objective.power)
        return weight / mean if mean > least else np.zeros(len(self.y))


class LogLoss(StackingLoss):
    """Log loss of the softmax."""

    def __init__(self, y, weight):
        self.y, self.weight = y, weight

    def derivatives(self, at, columns):
        """Return the gradient and the curvature."""
        proba = softmax(at)
        slopes = columns * (proba * self.weight[:, None])
        means = (columns * proba).sum(axis=2)
        true = columns[:, np.arange(len(self.y)), self.y]
        flat = slopes.reshape(len(columns), -1) @ columns.reshape(len(columns), -1).T
        return (means - true) @ self.weight, flat - (means * self.weight) @ means.T

    def derivatives_alone(self, at, columns):
        """Return them for each column alone."""
        proba = softmax(at)
        means = (columns * proba).sum(axis=2)
        true = columns[:, np.arange(len(self.y)), self.y]
        curvatures = (columns**2 * proba).sum(axis=2) - means**2
        return (means - true) @ self.weight, curvatures @ self.weight


class LabelLoss(StackingLoss):
    """Log loss of labels, of which each row may have several."""

    def __init__(self, y, weight):
        self.y, self.weight = y, weight[:, None]

    def derivatives(self, at, columns):
        """Return the gradient and the curvature."""
        slope, curvature = self._by_cell(at)
        columns = columns.reshape(len(columns), -1)
        return columns @ slope, (columns * curvature) @ columns.T

    def derivatives_alone(self, at, columns):
        """Return them for each column alone."""
        slope, curvature = self._by_cell(at)
        columns = columns.reshape(len(columns), -1)
        return columns @ slope, columns**2 @ curvature

    def _by_cell(self, at):
        proba = expit(at)
        slope = self.weight * (proba - self.y)
        return slope.ravel(), (self.weight * proba * (1.0 - proba)).ravel()
