"""What a net is trained for, and how an epoch is judged."""

from __future__ import annotations

import torch
from torch.nn import functional as F

PRIOR_ROWS = 10.0  # how many rows it takes to believe in another temperature
NEWTON_STEPS = 8


class SquaredError:
    """Squared error of a single output."""

    def __call__(self, output, target):
        """Return the loss of each row."""
        return (output[..., 0] - target).square()

    def judge(self, output, target, weight) -> tuple[float, float]:
        """Return the validation loss, and the factor of outputs: one."""
        return _mean(self(output, target), weight), 1.0


class CrossEntropy:
    """Cross-entropy of one output per class.

    Nets grow overconfident long before they stop to rank better, so epochs are
    judged at their best temperature (Guo et al., 2017, *On Calibration of Modern
    Neural Networks*), which predictions then use.
    """

    def __init__(self, label_smoothing: float = 0.0):
        self.label_smoothing = label_smoothing

    def __call__(self, output, target):
        """Return the loss of each row."""
        smoothing = self.label_smoothing
        return F.cross_entropy(
            output, target, reduction="none", label_smoothing=smoothing
        )

    def judge(self, output, target, weight) -> tuple[float, float]:
        """Return the validation loss and the factor of outputs that leads to it."""
        output = output.double()
        factor = _best_factor(output, target, weight)
        loss = F.cross_entropy(output * factor, target, reduction="none")
        return _mean(loss, weight), factor


def _best_factor(output, target, weight) -> float:
    """Return the inverse temperature, by Newton's method on a convex function."""
    own = output.gather(1, target[:, None])[:, 0]
    factor = 1.0
    for _ in range(NEWTON_STEPS):
        proba = torch.softmax(output * factor, dim=1)
        mean = (proba * output).sum(1)
        variance = (proba * output.square()).sum(1) - mean.square()
        prior = PRIOR_ROWS / len(output)
        slope = _mean(mean - own, weight) + prior * (factor - 1)
        curvature = _mean(variance, weight) + prior
        step = slope / curvature
        factor = min(max(factor - step, factor / 3), factor * 3)
        if abs(step) < 1e-4 * factor:
            break
    return factor


def _mean(value, weight) -> float:
    return float(value.mean() if weight is None else (value * weight).mean())
