"""A linear model on top of the mean of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automodel.targets.base import AveragedTarget
from automodel.targets.link import Link

N_ADDED = 4  # models beside those of the mixture
SPREAD = 0.3  # of the coefficients, before the data have spoken
TOLERANCE = 1e-3
MOST_CHANGE = 1.0  # of a coefficient in one step


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
    link : Link
        The scale on which it adds.
    center, offset : float
        Of values: what stays where it is under the slope, and what is added.
    limits : tuple of float
        Of values: the stack does not lead beyond them.
    """

    coefficients: np.ndarray
    slope: float
    link: Link
    center: float = 0.0
    offset: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)

    def take(self, models) -> Stack:
        """Return the same for some of the models, or in another order."""
        return replace(self, coefficients=self.coefficients[models])

    def predict(self, mixed: np.ndarray, predictions) -> np.ndarray:
        """Return the mixture with what the models add to it.

        Parameters
        ----------
        mixed : ndarray of shape (n_samples, n_outputs)
            Of the mixture.
        predictions : sequence of ndarray
            The same of each model.
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
    y : sequence of length n_samples
        Encoded by the target.
    mixed : ndarray of shape (n_samples, n_outputs)
        Out-of-fold predictions of the mixture.
    predictions : ndarray of shape (n_models, n_samples, n_outputs)
        Of the models.
    weights : ndarray of shape (n_models,)
        Those of the mixture; a model with a positive one takes part.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows; one of 2 counts as two rows.
    target : AveragedTarget
        Says on which scale predictions are added, and by which loss.

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
    offset = float(found[1]) * loss.spread if len(first) > 1 else 0.0
    slope = float(found[0])
    return Stack(coefficients, slope, link, loss.center, offset, loss.limits)


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
