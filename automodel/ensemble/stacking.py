"""Stacking: a linear model on top of the mean of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automodel.ensemble.limits import Limits
from automodel.targets.base import AveragedTarget
from automodel.targets.link import Link

N_ADDED = 4  # models in addition to those of the mixture
SPREAD = 0.3  # prior standard deviation of the coefficients
TOLERANCE = 1e-3
MOST_CHANGE = 1.0  # of a coefficient in one step


@dataclass(frozen=True)
class Stack:
    """A linear model on top of a mixture.

    It adds `slope` times the mixture, and `coefficients` times the differences between
    the models and the mixture, to the mixture. All are on the scale of the link.

    Parameters
    ----------
    coefficients : ndarray of shape (n_models,)
        Stacking coefficients of the models, 0 for a model that is not used.
    slope : float
        How much the mixture is stretched; negative if it is shrunk.
    link : Link
        The scale on which predictions are added up.
    center, offset : float
        For values: the point that the slope does not move, and a constant to add.
    limits : tuple of float
        For values: the range beyond which the stack moves no prediction.
    """

    coefficients: np.ndarray
    slope: float
    link: Link
    center: float = 0.0
    offset: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)

    def take(self, models) -> Stack:
        """Return the stack of some of the models, or of another order of them."""
        return replace(self, coefficients=self.coefficients[models])

    def predict(self, mixed: np.ndarray, predictions) -> np.ndarray:
        """Return the predictions of the stack.

        Parameters
        ----------
        mixed : ndarray of shape (n_samples, n_outputs)
            Predictions of the mixture.
        predictions : sequence of ndarray
            Predictions of each model.
        """
        base = self.link.forward(mixed)
        change = self.slope * (base - self.center) + self.offset
        for coefficient, prediction in zip(self.coefficients, predictions, strict=True):
            if coefficient:
                change += coefficient * (self.link.forward(prediction) - base)
        moved = self.link.moved(base, change)
        if not np.isfinite(self.limits).any():
            return moved
        low, high = self.limits
        return np.clip(moved, np.minimum(low, mixed), np.maximum(high, mixed))


def fit_stack(
    y: np.ndarray,
    mixed: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    target: AveragedTarget,
    limits: Limits | None = None,
) -> Stack:
    """Fit the stack of a mixture to out-of-fold predictions.

    A mixture is a mean. It cannot be more confident than its members, and it cannot
    subtract the errors of a model from those of a better one. A linear model can [1]_,
    but it overfits unless it is regularized. This one is regularized in three ways. It
    starts from the mixture, and each coefficient has a normal prior with mean 0. It
    uses the models of the mixture and at most four others, which are added one by one,
    each time the one that promises most by the gradient and the curvature of the loss.
    And all classes share a coefficient. The loss of values is that of the objective.
    The loss of classes is the log loss, whatever the metric.

    Parameters
    ----------
    y : sequence of length n_samples
        Encoded by the target.
    mixed : ndarray of shape (n_samples, n_outputs)
        Out-of-fold predictions of the mixture.
    predictions : ndarray of shape (n_models, n_samples, n_outputs)
        Out-of-fold predictions of the models.
    weights : ndarray of shape (n_models,)
        Weights of the models in the mixture.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows. A row of weight 2 counts as two rows.
    target : AveragedTarget
        Has the link and the loss.
    limits : Limits, default=None
        What the models cost, and what all together may cost; None for no limits.

    Returns
    -------
    Stack
        The fitted stack.

    References
    ----------
    .. [1] Breiman (1996), Stacked Regressions.

    Examples
    --------
    Two models that each predict a part of the signal have a mean of half of it:

    >>> import numpy as np
    >>> from automodel.targets.values import ValueTarget
    >>> parts = np.random.default_rng(0).normal(size=(2, 500, 1))
    >>> y, weights = parts.sum(0).ravel(), np.array([0.5, 0.5])
    >>> stack = fit_stack(y, parts.mean(0), parts, weights, target=ValueTarget())
    >>> bool(abs(1 + stack.slope - 2) < 0.05)
    True
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    link = target.link
    base = link.forward(mixed)
    deviations = link.forward(predictions) - base
    loss = target.stacking_loss(y, base, weight)
    first = loss.first_columns(base)
    limits = limits or Limits.none(len(weights))
    chosen = list(np.flatnonzero(weights > 0))
    found = np.zeros(len(first) + len(chosen))
    for n_left in range(N_ADDED, -1, -1):
        columns = np.concatenate([first, deviations[chosen]])
        is_chosen = np.isin(np.arange(len(predictions)), chosen)
        others = np.flatnonzero(limits.affordable(is_chosen) & ~is_chosen)
        is_last = not n_left or not len(others)
        found = _newton(loss, base, columns, found, loss.n_steps if is_last else 3)
        if is_last:
            break
        at = base + np.tensordot(found, columns, axes=1)
        chosen.append(others[np.argmax(_promise(loss, at, deviations[others]))])
        found = np.append(found, 0.0)
    coefficients = np.zeros(len(predictions))
    coefficients[chosen] = found[len(first) :]
    offset = float(found[1]) * loss.spread if len(first) > 1 else 0.0
    slope = float(found[0])
    return Stack(coefficients, slope, link, loss.center, offset, loss.limits)


def _newton(loss, base, columns, coefficients, n_steps) -> np.ndarray:
    """Minimize the loss plus the penalty of the prior, starting from coefficients."""
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
    """Estimate by how much a step of each column alone would reduce the loss."""
    gradients, curvatures = loss.derivatives_alone(at, columns)
    return gradients**2 / (curvatures + 1 / SPREAD**2)
