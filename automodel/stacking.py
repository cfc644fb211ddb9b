"""Correct the mixture of an ensemble by what single models say beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automodel.calibration import log_proba, softmax

N_ADDED = 4  # models beside those of the mixture
SPREAD = 0.3  # of the coefficients, before the data have spoken
N_STEPS, TOLERANCE = 8, 1e-3
MOST_CHANGE = 1.0  # of a coefficient in one step
LEAST_ERROR = 1e-9  # of the variance: below it values are exact, and rounding speaks


@dataclass(frozen=True)
class Stack:
    """A linear model on top of a mixture.

    It adds `slope` times the mixture, and `coefficients` times how far each model is
    from the mixture, in either direction: of values, or of logarithms of probabilities.

    Parameters
    ----------
    coefficients : ndarray of shape (n_models,)
        0 for a model that has no say.
    slope : float
        What a mixture that is too timid, or too bold, is stretched by.
    center, offset : float
        Of values: what stays where it is under the slope, and what is added.
    limits : tuple of float
        Of values: the correction does not lead beyond them.
    """

    coefficients: np.ndarray
    slope: float
    center: float = 0.0
    offset: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)

    def take(self, models) -> Stack:
        """Return the same for some of the models, or in another order."""
        return replace(self, coefficients=self.coefficients[models])

    def corrected(self, mixed: np.ndarray, predictions) -> np.ndarray:
        """Return the corrected mixture.

        Parameters
        ----------
        mixed : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Values, or probabilities, of the mixture.
        predictions : sequence of ndarray
            The same of each model.
        """
        is_values = mixed.ndim == 1
        base = _linked(mixed, is_values)
        change = self.slope * (base - self.center) + self.offset
        for coefficient, prediction in zip(self.coefficients, predictions, strict=True):
            if coefficient:
                change += coefficient * (_linked(prediction, is_values) - base)
        if not is_values:
            return softmax(base + change)
        low, high = self.limits
        return np.clip(base + change, np.minimum(low, base), np.maximum(high, base))


def fit_stack(
    y: np.ndarray,
    mixed: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Stack:
    """Fit the correction of a mixture to out-of-fold predictions.

    A mixture is a mean: it cannot be surer than its members, nor use that one of them
    errs as another does, but further. A linear model can [1]_, and overfits where it is
    free. This one is held in three ways: it corrects the mixture, and each
    coefficient has a normal prior around none; it sees the models of the mixture and
    few others, those that promise most by the gradient and curvature of the loss, one
    after the other; and all classes share a coefficient. The loss is that of squares
    or of logarithms, whatever the metric: what is fitted has to be compared by it.

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
    is_values = mixed.ndim == 1
    base = _linked(mixed, is_values)
    deviations = _linked(predictions, is_values) - base
    if is_values:
        center = float(np.average(base, weights=weight))
        spread = float(np.sqrt(np.average((y - center) ** 2, weights=weight)))
        first = np.stack([base - center, np.full_like(base, spread)])
        loss: _Squares | _Logs = _Squares(y, base, weight)
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
        found = _newton(loss, base, columns, found, N_STEPS if is_last else 3)
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
    return Stack(coefficients, slope, center, float(found[1]) * spread, limits)


class _Squares:
    """Squared errors in units of their variance, so that they compare to the prior."""

    def __init__(self, y, base, weight):
        self.y = y
        error = np.average((y - base) ** 2, weights=weight)
        variance = max(error, LEAST_ERROR * np.var(y))
        self.weight = weight / variance if variance > 0 else np.zeros(len(y))

    def derivatives(self, at, columns):
        """Return the gradient and the curvature by the coefficients of columns."""
        slopes = columns * self.weight
        return slopes @ (at - self.y), slopes @ columns.T

    def derivatives_alone(self, at, columns):
        """Return them for each column as if it were the only one."""
        slopes = columns * self.weight
        return slopes @ (at - self.y), (slopes * columns).sum(axis=1)


class _Logs:
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


def _linked(prediction: np.ndarray, is_values: bool) -> np.ndarray:
    return np.asarray(prediction, np.float64) if is_values else log_proba(prediction)
