"""AdamW for a pack: each member has a learning rate and a decay of its own."""

from __future__ import annotations

from typing import Any

import torch

from automodel.nets.packed._members import is_shared


class MemberAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter, 2019) with rates of their own for each member.

    One native call for each member updates its slices of all parameters.

    Parameters
    ----------
    groups : iterable of Group
        Groups of a pack.
    lr, weight_decay : float
        Multiplied by those of the members.
    """

    beta1, beta2, eps = 0.9, 0.95, 1e-8

    def __init__(self, groups, lr: float, weight_decay: float):
        self._options = lr, weight_decay
        self._parameters: list[Any] = [p for g in groups for p in g.parameters()]
        self._means = [torch.zeros_like(p.data) for p in self._parameters]
        self._squares = [torch.zeros_like(p.data) for p in self._parameters]
        self._n_steps = torch.zeros(())
        self.param_groups: list[dict[str, Any]] = []
        for group in groups:
            named = dict(group.named_parameters())
            shared = [p for name, p in named.items() if is_shared(name)]
            # Not at the rates of one member, which may leave.
            self._add(shared, None)
            own = [p for name, p in named.items() if not is_shared(name)]
            for i, member in enumerate(group.members):
                rates = member.learning_rate, member.weight_decay
                self._add([p for p in own if i < len(p)], i, *rates)
        self._shared = [
            k for g in self.param_groups for k, i in g["slices"] if i is None
        ]
        self._prepare()

    def _add(self, params, i, own_rate: float = 1.0, own_decay: float = 1.0) -> None:
        """Add the slices of one member, or of all, by learning rate and decay."""
        lr, decay = self._options
        numbers = {id(p): k for k, p in enumerate(self._parameters)}
        groups: dict[tuple[float, bool], list] = {}
        for p in params:
            groups.setdefault((p.lr_factor, p.decays), []).append((numbers[id(p)], i))
        for (factor, decays), slices in groups.items():
            rate = lr * factor * own_rate
            shrink = decay * own_decay / factor if decays else 0.0
            self.param_groups.append(
                {
                    "lr": rate,
                    "initial_lr": rate,
                    "weight_decay": shrink,
                    "initial_weight_decay": shrink,
                    "slices": slices,
                }
            )

    def _prepare(self) -> None:
        """Cut parameters and means into the slices once."""
        for group in self.param_groups:
            group["views"] = [
                [
                    tensors[k].detach() if i is None else tensors[k].detach()[i]
                    for k, i in group["slices"]
                ]
                for tensors in (self._parameters, self._means, self._squares)
            ]

    def kept(self, groups, origin) -> MemberAdamW:
        """Return an optimizer of fewer members that remembers their gradients."""
        new = MemberAdamW(groups, *self._options)
        numbers = {id(p): k for k, p in enumerate(self._parameters)}
        for k, parameter in enumerate(new._parameters):
            old, rows = origin[parameter]
            number = numbers[id(old)]
            for own, others in (
                (new._means, self._means),
                (new._squares, self._squares),
            ):
                source = others[number]
                own[k].copy_(source if rows is None else source[rows])
        new._n_steps = self._n_steps.clone()
        return new

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: no training is resumed from a file."""
        return {}

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Change the parameters by their gradients."""
        self._n_steps += 1
        whole = [p.grad for p in self._parameters]
        cut = [None if g is None else g.unbind(0) for g in whole]
        diverged = self._diverged(whole)
        for group in self.param_groups:
            if diverged and any(k in diverged for k, i in group["slices"] if i is None):
                continue
            grads = [whole[k] if i is None else cut[k][i] for k, i in group["slices"]]
            params, means, squares = group["views"]
            torch._fused_adamw_(
                params,
                grads,
                means,
                squares,
                [],
                [self._n_steps] * len(params),
                lr=group["lr"],
                beta1=self.beta1,
                beta2=self.beta2,
                weight_decay=group["weight_decay"],
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )

    def _diverged(self, grads) -> set[int]:
        """Return which shared parameters have gradients that are not finite.

        They come from a member that has diverged, and are not to harm the others
        until it leaves at the end of the epoch.
        """
        norms = torch.stack(torch._foreach_norm([grads[k] for k in self._shared]))
        is_finite = norms.isfinite()
        if bool(is_finite.all()):
            return set()
        flags = is_finite.tolist()
        return {k for k, flag in zip(self._shared, flags, strict=True) if not flag}
