"""Train a pack: all folds and members at once, fewer members as training goes on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from skorch.callbacks import Callback
from torch.utils.data import TensorDataset

from automodel.nets._skorch import LeanNet, StepPlanner, StopTraining
from automodel.nets._training import Hooks, Recipe
from automodel.nets.packed._module import Group, Member, Pack, is_shared
from automodel.nets.packed._optimizer import MemberAdamW
from automodel.nets.packed._race import Race
from automodel.nets.packed._rows import FoldBatches, FoldRows, initial_rows

logger = logging.getLogger("automodel")

# The cycles of the "coslog" schedule end there, with a learning rate of zero: the
# moments at which members can be compared.
RUNGS = (1 / 15, 3 / 15, 7 / 15)
VALID_NUMBERS = 2**24  # of a layer's outputs that are held at a time


@dataclass
class TrainedPack:
    """Weights of each member at the best epochs of its nets, and the race."""

    states: list[dict[str, torch.Tensor]]
    race: Race
    n_steps: int
    n_epochs: int
    step_plan: list[tuple[int, int]]


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
    dataset, generator = _initialized(pack, rows, recipe)
    n_batches = len(FoldBatches(dataset, recipe.batch_size, generator, rows.counts))
    rounds = Rounds(pack, valid.tensors(device)[:2], race, hooks, n_finalists)
    net = PackNet(
        pack,
        criterion=lambda: PackLoss(objective),
        optimizer=MemberAdamW,
        optimizer__lr=recipe.learning_rate,
        optimizer__weight_decay=recipe.weight_decay,
        schedule=recipe.schedule,
        planner=StepPlanner(
            n_batches * recipe.max_epochs, hooks.seconds_left, hooks.step_plan
        ),
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
    planner = net.planner
    return TrainedPack(
        rounds.states, race, planner.taken, rounds.epoch, planner.step_plan
    )


def _initialized(pack: Pack, rows: FoldRows, recipe: Recipe):
    """Give a pack its first weights; return the rows and the generator of all draws."""
    generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
    dataset = TensorDataset(*rows.tensors(recipe.device))
    pack.to(recipe.device)
    for group in pack.groups:
        group.generator = generator
    dense, codes = initial_rows(dataset, rows.counts, generator)
    pack.initialize(dense, codes, generator)
    return dataset, generator


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
            net.planner.stop()
            raise StopTraining
        most = None
        while self.rungs and net.planner.progress >= self.rungs[0][0]:
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

    module_: Pack
    optimizer_: MemberAdamW

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Hand over the groups of the pack: the optimizer slices by member."""
        _, options = super(LeanNet, self).get_params_for_optimizer(
            prefix, named_parameters
        )
        return (self.module_.groups,), options

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the sum over the nets of their weighted means over the rows.

        With a mean over the nets, gradients would jump when members leave.
        """
        target, weight = y_true
        return (self.criterion_(y_pred, target) * weight).mean(-1).sum()

    def keep(self, kept: list[bool]) -> None:
        """Go on with some of the members."""
        pack, origin = self.module_.kept(kept)
        self.optimizer_ = self.optimizer_.kept(pack.groups, origin)
        self.module_ = pack


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
