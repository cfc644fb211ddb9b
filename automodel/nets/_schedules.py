"""Courses of the learning rate and of regularisation over a training."""

from __future__ import annotations

import math

LEARNING_RATES = ("coslog", "one-cycle", "cosine", "constant")
REGULARIZATIONS = ("flat_cos", "constant")
WARM = 0.1  # share of "one-cycle" in which the rate grows
WARM_UP = 0.05  # the same of "warm-up"


def learning_rate_factor(
    schedule: str, progress: float, warm_up: float = WARM
) -> float:
    """Return the factor of the learning rate at a progress between 0 and 1.

    "coslog" is RealMLP's schedule: cycles of growing length, which ends at zero.
    "warm-up" is what Schedule-Free optimizers need. `warm_up` is the share of
    "one-cycle" in which the rate grows.
    """
    if schedule == "coslog":
        return 0.5 * (1 - math.cos(math.tau * math.log2(1 + 15 * progress)))
    if schedule == "one-cycle":
        if progress < warm_up:
            return 0.5 * (1 - math.cos(math.pi * progress / warm_up))
        return _cosine((progress - warm_up) / (1 - warm_up))
    if schedule == "cosine":
        return _cosine(progress)
    if schedule == "warm-up":
        return min(progress / WARM_UP, 1.0)
    return 1.0


def regularization_factor(schedule: str, progress: float) -> float:
    """Return the factor of dropout and weight decay at a progress."""
    if schedule == "flat_cos" and progress > 0.5:
        return _cosine(2 * progress - 1)
    return 1.0


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def is_over(epoch: int, best_epoch: int, patience: int, schedule: str) -> bool:
    """Tell whether there has been no better epoch for too long.

    The cycles of "coslog" double, and the loss rises at their start: a training has
    to wait as long again as it took to the best epoch.
    """
    if schedule == "coslog":
        patience += best_epoch
    return epoch - best_epoch >= patience
