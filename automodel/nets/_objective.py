"""Losses that nets minimize, and by which their epochs are judged.

Outputs have the shape (n_rows, n_outputs). Those of a net that is an ensemble have the
shape (n_rows, n_members, n_outputs): each member minimizes a loss of its own, and the
predictions of the members are combined.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from automodel.nets._targets import DEVIANCES

PRIOR_ROWS = 10.0  # weight of the prior for a temperature of one, in rows
NEWTON_STEPS = 8
FOCAL_EXPONENT = 2
HUBER_DELTA = 1.0  # standard deviations of the target
POWERS = {"poisson": 1.0, "gamma": 2.0}  # of the mean with which the variance grows
MOST_EXPONENT = 30.0  # from which exponentials continue as straight lines
LEAST_VALUE = math.exp(-MOST_EXPONENT)  # by which logarithms replace smaller values


class Objective(ABC):
    """A loss of outputs and target, and the judgement of an epoch."""

    is_classifier = False

    @abstractmethod
    def __call__(self, output, target) -> torch.Tensor:
        """Return the loss of each row, which is the mean loss of several members."""

    @abstractmethod
    def combine(self, output) -> torch.Tensor:
        """Return (n_rows, n_outputs) for outputs (n_rows, n_members, n_outputs)."""

    @abstractmethod
    def judge(self, output, target, weight) -> tuple[float, float]:
        """Return the validation loss and the factor of outputs that leads to it."""

    def combined(self, output) -> torch.Tensor:
        """Return (n_rows, n_outputs), whether or not there are members."""
        return self.combine(output) if output.dim() == 3 else output

    def predictions(self, output) -> torch.Tensor:
        """Return the predictions that are scored: values or probabilities."""
        return self.combined(output)

    def decide(self, predictions: np.ndarray) -> np.ndarray:
        """Return values, or the numbers of classes, for predictions."""
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions


class ValueObjective(Objective):
    """The mean of an elementwise loss of scaled values."""

    @abstractmethod
    def elementwise(self, output, target) -> torch.Tensor:
        """Return the loss of each output; the target is broadcast to the outputs."""

    def __call__(self, output, target):
        """Return the loss of each row."""
        if output.dim() == 2 and target.dim() == 1:
            return self.elementwise(output[:, 0], target)
        ones = [1] * (output.dim() - 2)
        target = target.reshape(len(target), *ones, -1)
        return self.elementwise(output, target).flatten(1).mean(1)

    def combine(self, output):
        """Return the mean of the members."""
        return output.mean(1)

    def judge(self, output, target, weight):
        """Return the validation loss, and a factor of one for the outputs."""
        return _mean(self(self.combined(output), target), weight), 1.0


class SquaredError(ValueObjective):
    """Squared error, which the mean minimizes."""

    def elementwise(self, output, target):
        """Return the squares."""
        return (target - output).square()


class AbsoluteError(ValueObjective):
    """Absolute error, which the median minimizes."""

    def elementwise(self, output, target):
        """Return the absolute values."""
        return (target - output).abs()


class HuberError(ValueObjective):
    """Squared error up to one standard deviation, absolute beyond."""

    def elementwise(self, output, target):
        """Return the loss."""
        error = target - output
        zero = torch.zeros((), dtype=error.dtype, device=error.device)
        return F.huber_loss(
            error, zero.expand_as(error), reduction="none", delta=HUBER_DELTA
        )


class QuantileError(ValueObjective):
    """The pinball loss, which a quantile minimizes."""

    def __init__(self, quantile: float):
        self.quantile = quantile

    def elementwise(self, output, target):
        """Return the loss."""
        error = target - output
        return torch.maximum(self.quantile * error, (self.quantile - 1) * error)


class Deviance(ValueObjective):
    """Half the deviance of a positive mean, whose logarithm is the output.

    It is that of a Tweedie distribution (Jørgensen, 1987, *Exponential Dispersion
    Models*), which the mean minimizes.

    Parameters
    ----------
    power : float
        Exponent of the variance function, from 1 (Poisson) to 2 (gamma).
    """

    def __init__(self, power: float):
        self.power = power

    def elementwise(self, output, target):
        """Return the loss, computed from output minus log target for accuracy."""
        first, second = 2 - self.power, 1 - self.power
        positive = target.clamp_min(LEAST_VALUE)
        error = output - positive.log()
        loss = positive**first * (_box_cox(error, first) - _box_cox(error, second))
        if first == 0:
            return loss
        of_zero = _box_cox(output, first) + 1 / first
        return torch.where(target > 0, loss, of_zero)

    def combine(self, output):
        """Return the logarithm of the members' mean."""
        return output.logsumexp(1) - math.log(output.shape[1])


def _box_cox(log_value, power: float):
    """Return (value^power - 1) / power; the logarithm for a power of zero."""
    if power == 0:
        return log_value
    exponent = power * log_value
    beyond = (exponent - MOST_EXPONENT).clamp_min(0)
    exponential = exponent.clamp_max(MOST_EXPONENT).expm1()
    return (exponential + math.exp(MOST_EXPONENT) * beyond) / power


class _ProbabilityObjective(Objective):
    """The loss of a target whose probabilities are predicted.

    Nets become overconfident long before their ranking stops improving, so epochs are
    judged at their best temperature (Guo et al., 2017, *On Calibration of Modern
    Neural Networks*), which predictions then use.

    Parameters
    ----------
    label_smoothing : float, default=0
        Share of the target that is spread evenly.
    is_focal : bool, default=False
        Weigh each term by the squared probability of its opposite (Lin et al., 2017,
        *Focal Loss for Dense Object Detection*).
    """

    is_classifier = True

    def __init__(self, label_smoothing: float = 0.0, is_focal: bool = False):
        self.label_smoothing = label_smoothing
        self.is_focal = is_focal

    @abstractmethod
    def plain(self, output, target) -> torch.Tensor:
        """Return each row's negative log likelihood."""

    @abstractmethod
    def slopes(self, output, target) -> Callable[[float], Any]:
        """Return a function from factor to each row's two derivatives of `plain`."""

    def judge(self, output, target, weight):
        """Return the validation loss and the factor of outputs that leads to it."""
        output = self.combined(output).double()
        factor = _best_factor(self.slopes(output, target), len(output), weight)
        return _mean(self.plain(output * factor, target), weight), factor


class CrossEntropy(_ProbabilityObjective):
    """Cross-entropy of one output per class; the target holds their numbers."""

    def __call__(self, output, target):
        """Return the loss of each row."""
        if output.dim() == 2:
            return self._of_rows(output, target)
        n_rows, n_members, _ = output.shape
        losses = self._of_rows(
            output.flatten(0, 1), target.repeat_interleave(n_members)
        )
        return losses.view(n_rows, n_members).mean(1)

    def _of_rows(self, output, target):
        smoothing = self.label_smoothing
        if not self.is_focal:
            return F.cross_entropy(
                output, target, reduction="none", label_smoothing=smoothing
            )
        log_proba = F.log_softmax(output, dim=1)
        terms = -((1 - log_proba.exp()) ** FOCAL_EXPONENT) * log_proba
        own = terms.gather(1, target[:, None])[:, 0]
        return torch.lerp(own, terms.mean(1), smoothing) if smoothing else own

    def combine(self, output):
        """Return the logarithm of the members' mean probabilities."""
        log_proba = F.log_softmax(output, dim=2)
        return log_proba.logsumexp(1) - math.log(output.shape[1])

    def predictions(self, output):
        """Return the probabilities of the classes."""
        return torch.softmax(self.combined(output), dim=1)

    def decide(self, predictions):
        """Return the numbers of the most probable classes."""
        return predictions.argmax(axis=1)

    def plain(self, output, target):
        """Return each row's cross-entropy."""
        return F.cross_entropy(output, target, reduction="none")

    def slopes(self, output, target):
        """Return a function from factor to each row's two derivatives."""
        own = output.gather(1, target[:, None])[:, 0]

        def at(factor):
            proba = torch.softmax(output * factor, dim=1)
            mean = (proba * output).sum(1)
            return mean - own, (proba * output.square()).sum(1) - mean.square()

        return at


class LabelCrossEntropy(_ProbabilityObjective):
    """Binary cross-entropy of several labels; the target is an indicator matrix."""

    def __call__(self, output, target):
        """Return the mean over the labels for each row."""
        if output.dim() == 3:
            target = target[:, None]
        target = target.expand_as(output)
        if self.label_smoothing:
            target = torch.lerp(
                target, torch.full_like(target, 0.5), self.label_smoothing
            )
        if not self.is_focal:
            terms = F.binary_cross_entropy_with_logits(output, target, reduction="none")
            return terms.flatten(1).mean(1)
        proba = torch.sigmoid(output)
        yes = (1 - proba) ** FOCAL_EXPONENT * F.logsigmoid(output)
        no = proba**FOCAL_EXPONENT * F.logsigmoid(-output)
        return -torch.lerp(no, yes, target).flatten(1).mean(1)

    def combine(self, output):
        """Return the log-odds of the members' mean probabilities."""
        yes = F.logsigmoid(output).logsumexp(1)
        return yes - F.logsigmoid(-output).logsumexp(1)

    def predictions(self, output):
        """Return the probability of each label."""
        return torch.sigmoid(self.combined(output))

    def decide(self, predictions):
        """Return 1 for each label that is more probable than not."""
        return (predictions > 0.5).astype(np.int64)

    def plain(self, output, target):
        """Return each row's mean of the binary cross-entropies."""
        losses = F.binary_cross_entropy_with_logits(
            output, target.to(output.dtype), reduction="none"
        )
        return losses.mean(1)

    def slopes(self, output, target):
        """Return a function from factor to each row's two derivatives."""

        def at(factor):
            proba = torch.sigmoid(output * factor)
            first = ((proba - target) * output).mean(1)
            return first, (proba * (1 - proba) * output.square()).mean(1)

        return at


def _best_factor(slopes, n_rows: int, weight) -> float:
    """Return the inverse temperature, by Newton's method on a convex function."""
    factor = 1.0
    prior = PRIOR_ROWS / n_rows
    for _ in range(NEWTON_STEPS):
        first, second = slopes(factor)
        slope = _mean(first, weight) + prior * (factor - 1)
        step = slope / (_mean(second, weight) + prior)
        factor = min(max(factor - step, factor / 3), factor * 3)
        if abs(step) < 1e-4 * factor:
            break
    return factor


def _mean(value, weight) -> float:
    return float(value.mean() if weight is None else (value * weight).mean())


class OwnCriterion:
    """A criterion of the user, such as a loss of torch, for outputs of every shape.

    Parameters
    ----------
    criterion : callable
        `criterion(output, target)` returns the loss of each row or of all.
    """

    def __init__(self, criterion: Callable):
        self.criterion = criterion

    def __call__(self, output, target):
        """Return the loss of each row, or the mean loss if the criterion does."""
        n_rows = len(output)
        if output.dim() == 3:  # several members, each with a loss of its own
            target = target.repeat_interleave(output.shape[1], dim=0)
            output = output.flatten(0, 1)
        if target.is_floating_point() and target.dim() == 1:
            output = output[:, 0]
        loss = self.criterion(output, target)
        return loss.view(n_rows, -1).mean(1) if loss.dim() else loss


def own_criterion(criterion: Any) -> OwnCriterion | None:
    """Return the criterion of the user, which may be a class; None for None."""
    if criterion is None:
        return None
    return OwnCriterion(criterion() if isinstance(criterion, type) else criterion)


def classifier_objective(loss: str, label_smoothing: float, is_multilabel: bool):
    """Return the objective that a classifier's parameters name."""
    kind = LabelCrossEntropy if is_multilabel else CrossEntropy
    return kind(label_smoothing, is_focal=loss == "focal")


def regressor_objective(
    loss: str, quantile: float, power: float = 1.5
) -> ValueObjective:
    """Return the objective that a regressor's parameters name."""
    if loss in DEVIANCES:
        return Deviance(POWERS.get(loss, power))
    if loss == "quantile":
        return QuantileError(quantile)
    kinds: dict[str, Callable[[], ValueObjective]] = {
        "squared_error": SquaredError,
        "absolute_error": AbsoluteError,
        "huber": HuberError,
    }
    return kinds[loss]()
