"""Train a pack: all folds and members at once, fewer members as training goes on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.utils.data import TensorDataset

from automodel.nets._pack import Group, Member, Pack, is_shared
from automodel.nets._race import Race
from automodel.nets._skorch import LeanNet, Pacer, StopTraining
from automodel.nets._training import Hooks, Recipe

logger = logging.getLogger("automodel")

# The cycles of the "coslog" schedule end there, with a learning rate of zero: the
# moments at which members can be compared.
RUNGS = (1 / 15, 3 / 15, 7 / 15)
INITIAL_ROWS = 256  # enough to set the scale of the first weights
VALID_NUMBERS = 2**24  # of a layer's outputs that are held at a time


@dataclass(frozen=True)
class FoldRows:
    """Encoded rows of all folds, padded to one length.

    `counts` says how many rows of each fold there are.
    """

    dense: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    counts: tuple[int, ...]

    def tensors(self, device: str) -> list[torch.Tensor]:
        """Return dense, codes, target and weight on a device."""
        arrays = (self.dense, self.codes, self.target, self.weight)
        return [torch.as_tensor(array, device=device) for array in arrays]


@dataclass
class TrainedPack:
    """Weights of each member at the best epochs of its nets, and the race."""

    states: list[dict[str, torch.Tensor]]
    race: Race
    n_steps: int
    n_epochs: int
    pace: list[tuple[int, int]]


def train_pack(
    pack: Pack,
    rows: FoldRows,
    valid: FoldRows,
    race: Race,
    objective: Callable,
    recipe: Recipe,
    hooks: Hooks,
    n_finalists: int,
) -> TrainedPack:
    """Train the nets of a pack.

    Parameters
    ----------
    pack : Pack
        The nets.
    rows, valid : FoldRows
        Training and validation part of each fold.
    race : Race
        Judges the members on the validation parts.
    objective : callable
        Loss per row of outputs and target.
    recipe : Recipe
        How to train; learning rate and decay are multiplied by each member's.
    hooks : Hooks
        What a search has to do with the training; `on_epoch(epoch, race)` is called
        with the race.
    n_finalists : int
        Members that may train for the whole schedule.

    Raises
    ------
    FloatingPointError
        If the loss of every member became infinite or NaN.
    """
    device = recipe.device
    generator = torch.Generator(device).manual_seed(recipe.seed)
    dataset = TensorDataset(*rows.tensors(device))
    pack.to(device)
    for group in pack.groups:
        group.generator = generator
    dense, codes = _initial_rows(dataset, rows.counts, generator)
    pack.initialize(dense, codes, generator)
    n_batches = len(FoldBatches(dataset, recipe.batch_size, generator, rows.counts))
    rounds = Rounds(pack, valid.tensors(device)[:2], race, hooks, n_finalists)
    net = PackNet(
        pack,
        criterion=lambda: PackLoss(objective),
        optimizer=MemberAdamW,
        optimizer__lr=recipe.learning_rate,
        optimizer__weight_decay=recipe.weight_decay,
        schedule=recipe.schedule,
        pacer=Pacer(n_batches * recipe.max_epochs, hooks.seconds_left, hooks.pace),
        iterator_train=FoldBatches,
        iterator_train__generator=generator,
        iterator_train__counts=rows.counts,
        batch_size=recipe.batch_size,
        train_split=None,
        callbacks=[("rounds", rounds)],
        device=device,
        verbose=0,
    )
    net.initialize()
    net.notify("on_train_begin", X=dataset, y=None)
    try:
        net.fit_loop(dataset, epochs=recipe.max_epochs)
    except StopTraining:
        if len(net.history) > rounds.epoch:  # inside an epoch
            rounds.judge(net)
    if all(curve[-1] == math.inf for curve in race.losses if curve):
        raise FloatingPointError(
            "The loss of every member became infinite or NaN. "
            "Lower the learning rate, or look for huge values in the target."
        )
    pacer = net.pacer
    return TrainedPack(rounds.states, race, pacer.taken, rounds.epoch, pacer.pace)


class Rounds(Callback):
    """At the end of each epoch: judge, keep the best weights, let members go."""

    def __init__(self, pack: Pack, valid, race: Race, hooks: Hooks, n_finalists: int):
        self.valid = valid
        self.race = race
        self.hooks = hooks
        self.epoch = 0
        self.states = [
            {
                name: parameter.detach()[: None if is_shared(name) else 1].clone()
                for name, parameter in _single(pack, member).named_parameters()
            }
            for group in pack.groups
            for member in group.members
        ]
        n_members = len(self.states)
        least = min(n_finalists, n_members)
        shrink = (least / n_members) ** (1 / len(RUNGS))
        self.rungs = [
            (progress, max(least, round(n_members * shrink ** (i + 1))))
            for i, progress in enumerate(RUNGS)
        ]

    def on_epoch_end(self, net, **kwargs):
        """Judge the epoch and stop members."""
        self.judge(net)
        if self.hooks.on_epoch is not None and self.hooks.on_epoch(
            self.epoch, self.race
        ):
            net.pacer.stop()
            raise StopTraining
        most = None
        while self.rungs and net.pacer.progress >= self.rungs[0][0]:
            most = self.rungs.pop(0)[1]
        kept = self.race.stop(self.epoch, most)
        if not any(kept):
            raise StopTraining
        if not all(kept):
            net.keep(kept)

    def judge(self, net) -> None:
        """Judge the nets as they are, and keep the weights of the best so far."""
        self.epoch += 1
        pack = net.module_
        improved = self.race.judge(self.epoch, outputs_of(pack, *self.valid))
        running = iter(zip(self.race.running, improved, strict=True))
        for group in pack.groups:
            parameters = dict(group.named_parameters())
            for i, _ in enumerate(group.members):
                member, folds = next(running)
                if folds.any():
                    self._keep(self.states[member], parameters, i, folds)

    def _keep(self, state, parameters, i, folds) -> None:
        for name, kept in state.items():
            value = parameters[name].detach()
            if is_shared(name):
                kept[folds] = value[folds]
            else:
                kept[0, folds] = value[i, folds]


class PackLoss:
    """One loss per net and row."""

    def __init__(self, objective: Callable):
        self.objective = objective

    def __call__(self, outputs, target):
        """Return (n_members, n_folds, n_rows)."""
        target = target.expand(len(outputs), *target.shape)
        losses = self.objective(outputs.flatten(0, 2), target.flatten(0, 2))
        return losses.view(outputs.shape[:3])


class PackNet(LeanNet):
    """A lean net whose module can lose members."""

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Hand over the groups of the pack: the optimizer slices by member."""
        _, options = super(LeanNet, self).get_params_for_optimizer(
            prefix, named_parameters
        )
        return (self.module_.groups,), options

    def keep(self, kept: list[bool]) -> None:
        """Go on with some of the members."""
        pack, origin = self.module_.kept(kept)
        self.optimizer_ = self.optimizer_.kept(pack.groups, origin)
        self.module_ = pack


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
            self._add(shared, None, group.members[0])
            own = [p for name, p in named.items() if not is_shared(name)]
            for i, member in enumerate(group.members):
                self._add([p for p in own if i < len(p)], i, member)
        self._prepare()

    def _add(self, params, i, member: Member) -> None:
        """Add the slices of one member, or of all, by learning rate and decay."""
        lr, decay = self._options
        numbers = {id(p): k for k, p in enumerate(self._parameters)}
        groups: dict[tuple[float, bool], list] = {}
        for p in params:
            groups.setdefault((p.lr_factor, p.decays), []).append((numbers[id(p)], i))
        for (factor, decays), slices in groups.items():
            rate = lr * factor * member.learning_rate
            shrink = decay * member.weight_decay / factor if decays else 0.0
            self.param_groups.append(
                {
                    "lr": rate,
                    "initial_lr": rate,
                    "weight_decay": shrink,
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
        """Return nothing: a pack is never trained further."""
        return {}

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients."""
        self._n_steps += 1
        whole = [p.grad for p in self._parameters]
        cut = [None if g is None else g.unbind(0) for g in whole]
        for group in self.param_groups:
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


class FoldBatches:
    """Iterate over the training rows of all folds, one batch of each at a time.

    Parameters
    ----------
    dataset : TensorDataset
        dense, codes, target and weight, each (n_folds, n_rows, ...).
    batch_size : int
        Most rows of a batch of one fold.
    generator : torch.Generator
        Shuffles the rows.
    counts : tuple of int
        Rows of each fold; a fold with fewer than the largest repeats some.
    """

    def __init__(self, dataset, batch_size, generator, counts):
        self.tensors = dataset.tensors
        self.generator = generator
        self.counts = counts
        self.n_batches = -(-max(counts) // batch_size)
        self.n_rows = -(-max(counts) // self.n_batches)

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        n_needed = self.n_batches * self.n_rows
        device = self.tensors[0].device
        order = torch.stack([self._order(n, n_needed) for n in self.counts])
        folds = torch.arange(len(order), device=device)[:, None]
        shuffled = [tensor[folds, order] for tensor in self.tensors]
        for start in range(0, n_needed, self.n_rows):
            yield [tensor[:, start : start + self.n_rows] for tensor in shuffled]

    def _order(self, n_rows: int, n_needed: int) -> torch.Tensor:
        device = self.tensors[0].device
        parts = [
            torch.randperm(n_rows, generator=self.generator, device=device)
            for _ in range(-(-n_needed // n_rows))
        ]
        return torch.cat(parts)[:n_needed]


@torch.inference_mode()
def outputs_of(pack: Pack, dense, codes) -> torch.Tensor:
    """Return the outputs for rows (n_folds, n_rows, ...), in bounded memory."""
    pack.eval()
    width = max(member.width for member in pack.members)
    size = VALID_NUMBERS // (len(pack.members) * len(dense) * width)
    parts = zip(dense.split(max(size, 1), 1), codes.split(max(size, 1), 1), strict=True)
    return torch.cat([pack(*part) for part in parts], dim=2)


def _single(pack: Pack, member: Member) -> Group:
    return Group([member], *pack.design)


def _initial_rows(dataset, counts, generator):
    dense, codes = dataset.tensors[:2]
    size = min(INITIAL_ROWS, min(counts))
    device = dense.device
    order = torch.stack(
        [torch.randperm(n, generator=generator, device=device)[:size] for n in counts]
    )
    folds = torch.arange(len(order), device=device)[:, None]
    return dense[folds, order], codes[folds, order]
