"""Linear probing: the head that suits an encoder before it is fine-tuned.

Fine-tuning from a random head distorts what the encoder has learned before (Kumar et
al., 2022, *Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution*).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize

from automodel.nets._objective import Objective

PENALTIES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)  # of squared weights, mean loss
PENALTY = 0.01  # without rows to choose it on
MOST_STEPS = 40  # of L-BFGS for each penalty
MOST_ROWS = 10_000  # that the head is learned from


def fit_head(
    train: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None],
    valid: tuple[torch.Tensor, torch.Tensor, torch.Tensor | None] | None,
    n_outputs: int,
    objective: Objective,
    check_time: Callable[[], None],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of the head that minimize the loss and a penalty.

    Parameters
    ----------
    train, valid : tuple of Tensor
        Features, target and weights of the rows to learn from, and of those on which
        the penalty is chosen, from strong to weak.
    n_outputs : int
        Columns of the output.
    objective : Objective
        The loss.
    check_time : callable
        Raises an error when time is up.
    """
    features, target, weight = train
    mean, scale = features.mean(0), features.std(0, correction=0)
    scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
    inputs = (features - mean) / scale
    found = best = np.zeros((n_outputs, features.shape[1] + 1))
    least = math.inf
    for penalty in (PENALTY,) if valid is None else PENALTIES:
        loss = _PenalizedLoss(inputs, target, weight, objective, penalty, check_time)
        found = loss.minimized(found)
        if valid is None:
            best = found
            break
        outputs = _outputs(torch.from_numpy(found).float(), (valid[0] - mean) / scale)
        judged, _ = objective.judge(outputs, *valid[1:])
        if not judged < least:
            break
        least, best = judged, found
    head = torch.from_numpy(best).float()
    slopes = head[:, :-1] / scale
    return slopes, head[:, -1] - slopes @ mean


class _PenalizedLoss:
    """The mean loss of a linear model and its gradient."""

    def __init__(self, inputs, target, weight, objective, penalty, check_time):
        self.inputs, self.target, self.weight = inputs, target, weight
        self.objective, self.penalty = objective, penalty
        self.check_time = check_time

    def minimized(self, start: np.ndarray) -> np.ndarray:
        """Return the parameters of the least loss, as an array like the first ones."""
        found = minimize(
            self._value_and_gradient,
            start.ravel(),
            args=(start.shape,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": MOST_STEPS},
        )
        is_usable = np.isfinite(found.x).all()
        return found.x.reshape(start.shape) if is_usable else start

    def _value_and_gradient(self, values, shape):
        self.check_time()
        head = torch.from_numpy(values.reshape(shape)).float().requires_grad_()
        losses = self.objective(_outputs(head, self.inputs), self.target)
        if self.weight is not None:
            losses = losses * self.weight
        loss = losses.mean() + self.penalty / 2 * head[:, :-1].square().sum()
        (gradient,) = torch.autograd.grad(loss, head)
        return loss.item(), gradient.double().numpy().ravel()


def _outputs(head, inputs):
    return torch.addmm(head[:, -1], inputs, head[:, :-1].T)
