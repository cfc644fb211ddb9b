"""Optimizers that do not load the compiler of torch.

The constructors and first steps of those in `torch.optim` import it, which takes 70 MB
and a second or more in each worker.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

MOMENTUM = 0.9


class LeanOptimizer(torch.optim.Optimizer):
    """Groups of parameters, and the moving average of the weights.

    Parameters
    ----------
    params : iterable of dict
        Groups with `params` and, if they differ from those below, `lr` and
        `weight_decay`.
    lr, weight_decay : float
        Learning rate, and the share of it by which weights shrink at each step.
    averaging : float, default=0
        Memory of the exponential moving average of the weights, which `eval` puts in
        their place (Morales-Brotons et al., 2024). It is at most (1 + t) / (10 + t)
        at step t, so that short trainings do not average their start.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        weight_decay: float = 0.0,
        averaging: float = 0.0,
    ):
        # Not super().__init__, which imports the compiler as well.
        self.defaults = {"lr": lr, "weight_decay": weight_decay}
        self.param_groups = [{**self.defaults, **group} for group in params]
        self.averaging = averaging
        self._all = [p for group in self.param_groups for p in group["params"]]
        self._averages = [p.detach().clone() for p in self._all] if averaging else []
        self._kept: list[torch.Tensor] = []
        self._n_steps = 0

    @property
    def averages(self) -> bool:
        """Whether the weights to keep differ from those in training."""
        return bool(self.averaging)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self._all:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: no training is resumed from a file."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing, as `state_dict` returns nothing."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Change the parameters by their gradients."""
        self._n_steps += 1
        for i, group in enumerate(self.param_groups):
            used = [j for j, p in enumerate(group["params"]) if p.grad is not None]
            if used:
                params = [group["params"][j] for j in used]
                grads = [p.grad for p in params]
                self._update(i, used, params, grads)
        if self.averaging:
            t = self._n_steps
            memory = min(self.averaging, (1 + t) / (10 + t))
            torch._foreach_lerp_(self._averages, self._all, 1 - memory)

    @torch.no_grad()
    def eval(self) -> None:
        """Put the average in place of the weights."""
        if self.averages and not self._kept:
            averages = self._average()
            self._kept = [p.detach().clone() for p in self._all]
            torch._foreach_copy_(self._all, averages)

    @torch.no_grad()
    def train(self) -> None:
        """Put the weights in training back, exactly as they were."""
        if self._kept:
            torch._foreach_copy_(self._all, self._kept)
            self._kept = []

    def _average(self) -> list[torch.Tensor]:
        return self._averages

    def _zeros(self) -> list[list[torch.Tensor]]:
        """Return a tensor of zeros for each parameter of each group."""
        return [
            [torch.zeros_like(p, requires_grad=False) for p in group["params"]]
            for group in self.param_groups
        ]

    @abstractmethod
    def _update(self, i: int, used: list[int], params: list, grads: list) -> None:
        """Change `params`, those of group `i` at the positions `used`."""


class AdamW(LeanOptimizer):
    """AdamW [1]_ in one native call for each group of parameters.

    The same steps as ``torch.optim.AdamW(fused=True)``.

    Parameters
    ----------
    params, lr, weight_decay, averaging
        See `LeanOptimizer`.
    betas : tuple of float, default=(0.9, 0.95)
        Memory of the running means of gradient and squared gradient.
    eps : float, default=1e-8
        Added to the root of the latter.

    References
    ----------
    .. [1] Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization.
    """

    def __init__(self, params, lr, *, betas=(0.9, 0.95), eps=1e-8, **options):
        super().__init__(params, lr, **options)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self._means, self._squares = self._zeros(), self._zeros()
        self._steps = [
            [torch.zeros((), device=p.device) for p in group["params"]]
            for group in self.param_groups
        ]

    def _update(self, i, used, params, grads):
        steps = [self._steps[i][j] for j in used]
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            params,
            grads,
            [self._means[i][j] for j in used],
            [self._squares[i][j] for j in used],
            [],
            steps,
            lr=self.param_groups[i]["lr"],
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.param_groups[i]["weight_decay"],
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )


class SGD(LeanOptimizer):
    """Stochastic gradient descent with Nesterov momentum and decoupled weight decay.

    The gradient of all parameters is shortened to length one where it is longer: the
    learning rates are those of Adam, whose steps do not grow with the gradient.

    Parameters
    ----------
    params, lr, weight_decay, averaging
        See `LeanOptimizer`.
    """

    def __init__(self, params, lr, **options):
        super().__init__(params, lr, **options)
        self._momenta = self._zeros()

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Change the parameters by their gradients."""
        clip_gradients(self._all, 1.0)
        super().step()

    def _update(self, i, used, params, grads):
        group = self.param_groups[i]
        momenta = [self._momenta[i][j] for j in used]
        torch._foreach_mul_(momenta, MOMENTUM)
        torch._foreach_add_(momenta, grads)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(params, grads, alpha=-group["lr"])
        torch._foreach_add_(params, momenta, alpha=-group["lr"] * MOMENTUM)


class ScheduleFreeAdamW(LeanOptimizer):
    """Schedule-Free AdamW [1]_: no schedule but a warm-up, and a weighted average.

    The weights in training are y, between the fast sequence z and the average x;
    `eval` shows x.

    Parameters
    ----------
    params, lr, weight_decay
        See `LeanOptimizer`.
    averaging : float, default=0
        Not used: x is an average already.
    betas : tuple of float, default=(0.9, 0.999)
        Share of x in y, and memory of the mean of the squared gradient.
    eps : float, default=1e-8
        Added to the root of the latter.

    References
    ----------
    .. [1] Defazio et al. (2024), The Road Less Scheduled.
    """

    def __init__(
        self, params, lr, *, betas=(0.9, 0.999), eps=1e-8, averaging=0.0, **options
    ):
        super().__init__(params, lr, **options)
        self.beta1, self.beta2 = betas
        self.eps = eps
        self._squares = self._zeros()
        self._fast = [
            [p.detach().clone() for p in group["params"]] for group in self.param_groups
        ]
        self._top_lr = [0.0] * len(self.param_groups)
        self._total = [0.0] * len(self.param_groups)

    @property
    def averages(self) -> bool:
        """Whether the weights to keep differ from those in training: always."""
        return True

    def _average(self):
        fast = [z for group in self._fast for z in group]
        return torch._foreach_lerp(self._all, fast, 1 - 1 / self.beta1)

    def _update(self, i, used, params, grads):
        group = self.param_groups[i]
        lr = group["lr"]
        # The average weighs a step by the square of the largest rate so far.
        self._top_lr[i] = max(self._top_lr[i], lr)
        self._total[i] += self._top_lr[i] ** 2
        share = self._top_lr[i] ** 2 / self._total[i] if self._total[i] else 1.0
        fast = [self._fast[i][j] for j in used]
        squares = [self._squares[i][j] for j in used]
        torch._foreach_mul_(squares, self.beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - self.beta2)
        scale = torch._foreach_div(squares, 1 - self.beta2**self._n_steps)
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(scale, self.eps)
        move = torch._foreach_div(grads, scale)
        if group["weight_decay"]:
            torch._foreach_add_(move, params, alpha=group["weight_decay"])
        torch._foreach_lerp_(params, fast, share)
        torch._foreach_add_(params, move, alpha=lr * (self.beta1 * (1 - share) - 1))
        torch._foreach_add_(fast, move, alpha=-lr)


OPTIMIZERS: dict[str, type[LeanOptimizer]] = {
    "adamw": AdamW,
    "sgd": SGD,
    "schedule_free": ScheduleFreeAdamW,
}


def check_optimizer(optimizer: Callable, weight_decay: float) -> None:
    """Raise if an optimizer of the user cannot take the steps of a net."""
    kind = optimizer.func if isinstance(optimizer, partial) else optimizer
    name = getattr(kind, "__qualname__", repr(kind))
    step = getattr(kind, "step", None)
    closure = inspect.signature(step).parameters.get("closure") if step else None
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"The optimizer {name} needs a closure for each step, but nets call "
            "`step()` without one. Choose another, such as torch.optim.AdamW."
        )
    parameters = inspect.signature(optimizer).parameters.values()
    if weight_decay and not any(
        p.name == "weight_decay" or p.kind is p.VAR_KEYWORD for p in parameters
    ):
        raise ValueError(
            f"The optimizer {name} has no parameter 'weight_decay', but the net has "
            f"weight_decay={weight_decay}. Set that to 0, or choose an optimizer that "
            "decays weights, such as torch.optim.AdamW."
        )


@torch.no_grad()
def clip_gradients(parameters: Iterable[torch.Tensor], largest: float) -> None:
    """Scale the gradients down where the norm of all together exceeds `largest`."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    torch._foreach_mul_(gradients, (largest / norm.clamp_min(1e-12)).clamp_max(1.0))
