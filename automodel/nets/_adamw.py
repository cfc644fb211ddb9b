"""AdamW without what `torch.optim` loads for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class AdamW(torch.optim.Optimizer):
    """AdamW [1]_ in one native call for each group of parameters.

    The same steps as ``torch.optim.AdamW(fused=True)``, whose first step imports the
    compiler of torch: 70 MB and a second or more in each worker.

    Parameters
    ----------
    params : iterable of dict
        Groups with `params` and, if they differ from those below, `lr` and
        `weight_decay`.
    lr, weight_decay : float
        Learning rate, and the share of it by which weights shrink at each step.
    betas : tuple of float, default=(0.9, 0.999)
        Memory of the running means of gradient and squared gradient.
    eps : float, default=1e-8
        Added to the root of the latter.

    References
    ----------
    .. [1] Loshchilov, Hutter (2019), Decoupled Weight Decay Regularization.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        # Not super().__init__, which imports the compiler as well.
        self.beta1, self.beta2 = betas
        self.eps = eps
        defaults = {"lr": lr, "weight_decay": weight_decay}
        self.param_groups = [{**defaults, **group} for group in params]
        self._state = [_State(group["params"]) for group in self.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Change the parameters by their gradients."""
        for group, state in zip(self.param_groups, self._state, strict=True):
            used = [i for i, p in enumerate(group["params"]) if p.grad is not None]
            if not used:
                continue
            steps = [state.steps[i] for i in used]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                [group["params"][i] for i in used],
                [group["params"][i].grad for i in used],
                [state.means[i] for i in used],
                [state.squares[i] for i in used],
                [],
                steps,
                lr=group["lr"],
                beta1=self.beta1,
                beta2=self.beta2,
                weight_decay=group["weight_decay"],
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )


class _State:
    """Running means of the gradients of some parameters."""

    def __init__(self, params: list[torch.Tensor]):
        self.means = [torch.zeros_like(p, requires_grad=False) for p in params]
        self.squares = [torch.zeros_like(p, requires_grad=False) for p in params]
        self.steps = [torch.zeros((), device=p.device) for p in params]
