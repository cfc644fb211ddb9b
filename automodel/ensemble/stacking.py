"""Correct the mixture of an ensemble by what single models say beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from automodel.ensemble.calibration import log_proba, softmax
from automodel.targets.objective import Objective

N_ADDED = 4  # models beside those of the mixture
SPREAD = 0.3  # of the coefficients, before the data have spoken
N_STEPS, TOLERANCE = 8, 1e-3
MOST_CHANGE = 1.0  # of a coefficient in one step
LEAST_ERROR = 1e-9  # of the variance: below it values are exact, and rounding speaks
BLUNT_SHARE = 0.02  # of the mean loss: how far from its kink a pinball loss is bent
LEAST_MEAN = 1e-300
MOST_LOG_CHANGE = 5.0


@dataclass(frozen=True)
class Stack:
    """A linear model on top of a mixture.

    It adds `slope` times the mixture, and `coefficients` times how far each model is
    from the mixture, in either direction: of values, of their logarithms, or of
    logarithms of probabilities.

    Parameters
    ----------
    coefficients : ndarray of shape (n_models,)
        0 for a model that has no say.
    slope : float
        What a mixture that is too timid, or too bold, is stretched by.
    center, offset : float
        Of values: what stays where it is under the slope, and what is added.
    limits : tuple of float
        Of values: the stack does not lead beyond them.
    is_log : bool
        Whether it adds logarithms of values: those of positive means.
    """

    coefficients: np.ndarray
    slope: float
    center: float = 0.0
    offset: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)
    is_log: bool = False

    def take(self, models) -> Stack:
        """Return the same for some of the models, or in another order."""
        return replace(self, coefficients=self.coefficients[models])

    def predict(self, mixed: np.ndarray, predictions) -> np.ndarray:
        """Return the mixture with what the models add to it.

        Parameters
        ----------
        mixed : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Values, or probabilities, of the mixture.
        predictions : sequence of ndarray
            The same of each model.
        """
        is_values = mixed.ndim == 1
        linked = _link(is_values, self.is_log)
        base = linked(mixed)
        change = self.slope * (base - self.center) + self.offset
        for coefficient, prediction in zip(self.coefficients, predictions, strict=True):
            if coefficient:
                change += coefficient * (linked(prediction) - base)
        if not is_values:
            return softmax(base + change)
        low, high = self.limits
        low, high = np.minimum(low, mixed), np.maximum(high, mixed)
        if self.is_log:
            change = np.clip(change, -MOST_LOG_CHANGE, MOST_LOG_CHANGE)
            return np.clip(np.exp(base + change), low, high)
        return np.clip(base + change, low, high)


def fit_stack(
    y: np.ndarray,
    mixed: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray,
    sample_weight: np.ndarray | None = None,
    objective: Objective | None = None,
) -> Stack:
    """Fit the stack of a mixture to out-of-fold predictions.

    A mixture is a mean: it cannot be surer than its members, nor use that one of them
    errs as another does, but further. A linear model can [1]_, and overfits where it is
    free. This one is held in three ways: it starts from the mixture, and each
    coefficient has a normal prior around none; it sees the models of the mixture and
    few others, those that promise most by the gradient and curvature of the loss, one
    after the other; and all classes share a coefficient. The loss of values is that of
    the objective; the one of classes is logarithmic, whatever the metric.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Values, or column numbers of classes.
    mixed : ndarray of shape (n_samples,) or (n_samples, n_classes)
        Out-of-fold predictions of the mixture.
    predictions : ndarray of shape (n_models, n_samples[, n_classes])
        Of the models.
    weights : ndarray of shape (n_models,)
        Those of the mixture; a model with a positive one takes part.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows; one of 2 counts as two rows.
    objective : Objective, default=None
        What is learned of values; None is squared errors.

    Returns
    -------
    Stack

    References
    ----------
    .. [1] Breiman (1996), Stacked Regressions.

    Examples
    --------
    A mean of two halves the signal that each has a part of:

    >>> import numpy as np
    >>> parts = np.random.default_rng(0).normal(size=(2, 500))
    >>> stack = fit_stack(parts.sum(0), parts.mean(0), parts, np.array([0.5, 0.5]))
    >>> bool(abs(1 + stack.slope - 2) < 0.05)
    True
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    objective = Objective() if objective is None else objective
    is_values = mixed.ndim == 1
    linked = _link(is_values, objective.is_deviance)
    base = linked(mixed)
    deviations = linked(predictions) - base
    if is_values:
        center = float(np.average(base, weights=weight))
        spread = _spread(y, center, weight, objective)
        first = np.stack([base - center, np.full_like(base, spread)])
        loss = _loss_of_values(y, base, weight, objective)
    else:
        center, spread = 0.0, 0.0
        first = base[None]
        loss = _Logs(y, weight)
    chosen = list(np.flatnonzero(weights > 0))
    found = np.zeros(len(first) + len(chosen))
    for n_left in range(N_ADDED, -1, -1):
        columns = np.concatenate([first, deviations[chosen]])
        others = np.setdiff1d(np.arange(len(predictions)), chosen)
        is_last = not n_left or not len(others)
        found = _newton(loss, base, columns, found, loss.n_steps if is_last else 3)
        if is_last:
            break
        at = base + np.tensordot(found, columns, axes=1)
        chosen.append(others[np.argmax(_promise(loss, at, deviations[others]))])
        found = np.append(found, 0.0)
    coefficients = np.zeros(len(predictions))
    coefficients[chosen] = found[len(first) :]
    slope = float(found[0])
    if not is_values:
        return Stack(coefficients, slope)
    limits = float(y.min()), float(y.max())
    offset = float(found[1]) * spread
    is_log = objective.is_deviance
    return Stack(coefficients, slope, center, offset, limits, is_log)


def _spread(y, center, weight, objective: Objective) -> float:
    """Return the unit of the constant that is added."""
    if objective.is_deviance:  # a factor
        return 1.0
    if objective.is_quantile:  # squares would go by the tails
        return float(np.average(np.abs(y - center), weights=weight))
    return float(np.sqrt(np.average((y - center) ** 2, weights=weight)))


def _loss_of_values(y, base, weight, objective: Objective) -> _Loss:
    if objective.is_deviance:
        return _Deviance(y, base, weight, objective)
    if objective.is_quantile:
        return _Pinball(y, base, weight, objective)
    return _Squares(y, base, weight)


class _Loss(ABC):
    """A loss whose derivatives by the coefficients of columns are known.

    It is in units of its own spread, so that it compares to the prior.
    """

    n_steps = N_STEPS

    @abstractmethod
    def derivatives(self, at, columns):
        """Return the gradient and the curvature by the coefficients of columns."""

    @abstractmethod
    def derivatives_alone(self, at, columns):
        """Return them for each column as if it were the only one."""


class _ValueLoss(_Loss):
    """A loss of values, known by its derivatives in each row."""

    @abstractmethod
    def by_row(self, at):
        """Return the weighted slope and curvature of each row."""

    def derivatives(self, at, columns):
        slope, curvature = self.by_row(at)
        return columns @ slope, (columns * curvature) @ columns.T

    def derivatives_alone(self, at, columns):
        slope, curvature = self.by_row(at)
        return columns @ slope, (columns**2) @ curvature


class _Squares(_ValueLoss):
    """Squared errors in units of their variance."""

    def __init__(self, y, base, weight):
        self.y = y
        error = np.average((y - base) ** 2, weights=weight)
        variance = max(error, LEAST_ERROR * np.var(y))
        self.weight = weight / variance if variance > 0 else np.zeros(len(y))

    def by_row(self, at):
        return self.weight * (at - self.y), self.weight


class _Pinball(_ValueLoss):
    """Pinball losses in units of their mean, by squares that lie above them.

    These touch the loss where it is and are least where it is less (Hunter and Lange,
    2000, Quantile Regression via an MM Algorithm).
    """

    n_steps = 4 * N_STEPS

    def __init__(self, y, base, weight, objective: Objective):
        self.y, self.quantile = y, objective.quantile
        mean = np.average(objective.losses(y, base), weights=weight)
        least = max(mean, LEAST_ERROR * np.abs(y - np.median(y)).mean())
        self.weight = weight / least if least > 0 else np.zeros(len(y))
        self.blunt = BLUNT_SHARE * least

    def by_row(self, at):
        error = self.y - at
        curvature = 0.5 / (np.abs(error) + max(self.blunt, 1e-300))
        slope = -(error * curvature + self.quantile - 0.5)
        return self.weight * slope, self.weight * curvature


class _Deviance(_ValueLoss):
    """Deviances of the logarithm of a mean, in units of their own mean."""

    def __init__(self, y, base, weight, objective: Objective):
        self.y, self.power = y, objective.power
        mean = np.average(objective.losses(y, np.exp(base)), weights=weight)
        least = LEAST_ERROR * np.mean(y) ** (2 - self.power)  # in units of the target
        self.weight = weight / mean if mean > least else np.zeros(len(y))
        self.low, self.high = base.min() - 5.0, base.max() + 5.0

    def by_row(self, at):
        mean, power = np.exp(np.clip(at, self.low, self.high)), self.power
        true, own = self.y * mean ** (1 - power), mean ** (2 - power)
        curvature = np.maximum((power - 1) * true + (2 - power) * own, 0.0)
        return self.weight * (own - true), self.weight * curvature


class _Logs(_Loss):
    """Logarithmic losses of the softmax."""

    def __init__(self, y, weight):
        self.y, self.weight = y, weight

    def derivatives(self, at, columns):
        proba = softmax(at)
        slopes = columns * (proba * self.weight[:, None])
        means = (columns * proba).sum(axis=2)
        true = columns[:, np.arange(len(self.y)), self.y]
        flat = slopes.reshape(len(columns), -1) @ columns.reshape(len(columns), -1).T
        return (means - true) @ self.weight, flat - (means * self.weight) @ means.T

    def derivatives_alone(self, at, columns):
        proba = softmax(at)
        means = (columns * proba).sum(axis=2)
        true = columns[:, np.arange(len(self.y)), self.y]
        curvatures = (columns**2 * proba).sum(axis=2) - means**2
        return (means - true) @ self.weight, curvatures @ self.weight


def _newton(loss, base, columns, coefficients, n_steps) -> np.ndarray:
    """Return the coefficients of the least loss and prior, from some to begin with."""
    for _ in range(n_steps):
        at = base + np.tensordot(coefficients, columns, axes=1)
        gradient, curvature = loss.derivatives(at, columns)
        curvature = curvature + np.eye(len(columns)) / SPREAD**2
        step = np.linalg.solve(curvature, gradient + coefficients / SPREAD**2)
        step *= min(1.0, MOST_CHANGE / max(np.abs(step).max(), 1e-12))
        coefficients = coefficients - step
        if np.abs(step).max() < TOLERANCE:
            break
    return coefficients


def _promise(loss, at, columns) -> np.ndarray:
    """Return by how much one step of each column alone would lower the loss."""
    gradients, curvatures = loss.derivatives_alone(at, columns)
    return gradients**2 / (curvatures + 1 / SPREAD**2)


def _link(is_values: bool, is_log: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function whose scale predictions are added on."""
    if not is_values:
        return log_proba
    return _log if is_log else _float64


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, LEAST_MEAN, dtype=np.float64))


def _float64(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64)
