"""Train a pack: all folds and members at once, fewer members as training goes on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.utils.data import TensorDataset

from automodel.nets._callbacks import Schedules
from automodel.nets._device import choose_device, has_bfloat16, one_thread
from automodel.nets._objective import Objective
from automodel.nets._planner import StepPlanner, StopTraining
from automodel.nets._recipe import Hooks, Recipe
from automodel.nets._skorch import LeanNet
from automodel.nets.packed._batches import FoldBatches, initial_rows, tensors_of
from automodel.nets.packed._members import Inputs, Member, grouped, is_shared
from automodel.nets.packed._module import Group, Pack
from automodel.nets.packed._optimizer import MemberAdamW
from automodel.nets.packed._race import Race, check_apart, folds_apart, judge_of
from automodel.nets.packed._rows import FoldRows

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


@dataclass
class FittedPack:
    """What a pack has learned, as arrays.

    Parameters
    ----------
    members : list of Member
        In the order of all that follows.
    states : list of dict of ndarray
        The weights of each member.
    weights, factors, best_epochs : ndarray of shape (n_members, n_folds)
        Share in the ensemble of a fold, factor of the outputs, and the best epoch.
    losses : list of list of float
        Validation loss of each member in each of its epochs.
    loss : float
        Validation loss of the ensemble.
    n_steps, n_epochs, step_plan
        Length of the training, and the plan that repeats it.
    """

    members: list[Member]
    states: list[dict[str, np.ndarray]]
    weights: np.ndarray
    factors: np.ndarray
    best_epochs: np.ndarray
    losses: list[list[float]]
    loss: float
    n_steps: int
    n_epochs: int
    step_plan: list[tuple[int, int]]


@one_thread()
def fit_pack(
    members: Sequence[Member],
    inputs: Inputs,
    rows: FoldRows,
    valid: FoldRows,
    valid_rows: Sequence[np.ndarray | None],
    n_outputs: int,
    objective: Objective,
    recipe: Recipe,
    hooks: Hooks,
    n_finalists: int,
) -> FittedPack:
    """Train members on folds, and weigh them.

    `valid_rows` says which rows are validated in each fold, for folds that overlap;
    see `train_pack` for the others.
    """
    apart = folds_apart(valid_rows)
    check_apart(apart)
    recipe = replace(recipe, device=choose_device(recipe.device))
    is_low = recipe.precision == "bfloat16"
    if recipe.precision == "auto":
        is_low = recipe.device == "cpu" and has_bfloat16()
    pack = Pack(grouped(members), len(apart), inputs, n_outputs, is_low)
    target, weight = tensors_of(valid, "cpu")[2:]
    judge = judge_of(objective, target, weight, apart)
    race = Race(judge, len(members), recipe.patience, recipe.schedule)
    ordered = pack.members
    trained = train_pack(pack, rows, valid, race, objective, recipe, hooks, n_finalists)
    weights = torch.stack([race.weights(fold) for fold in range(len(apart))], 1)
    return FittedPack(
        ordered,
        [{k: v.cpu().numpy() for k, v in s.items()} for s in trained.states],
        weights.numpy().astype(np.float64),
        race.factors.numpy().astype(np.float64),
        race.best_epochs.numpy(),
        race.losses,
        race.loss(),
        trained.n_steps,
        trained.n_epochs,
        trained.step_plan,
    )


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
        How a search follows and limits the training; `on_epoch(epoch, race)` is
        called with the race.
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
    planner = StepPlanner(
        n_batches * recipe.max_epochs, hooks.seconds_left, hooks.step_plan
    )
    parts = tensors_of(valid, device)[:2]
    rounds = Rounds(pack, parts, race, planner, hooks.on_epoch, n_finalists)
    net = PackNet(
        pack,
        criterion=lambda: PackLoss(objective),
        optimizer=MemberAdamW,
        optimizer__lr=recipe.learning_rate,
        optimizer__weight_decay=recipe.weight_decay,
        iterator_train=FoldBatches,
        iterator_train__generator=generator,
        iterator_train__counts=rows.counts,
        batch_size=recipe.batch_size,
        train_split=None,
        callbacks=[
            ("schedules", Schedules(planner, recipe.schedule)),
            ("rounds", rounds),
        ],
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
    return TrainedPack(
        rounds.states, race, planner.taken, rounds.epoch, planner.step_plan
    )


def _initialized(pack: Pack, rows: FoldRows, recipe: Recipe):
    """Give a pack its first weights; return the rows and the generator of all draws."""
    generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
    dataset = TensorDataset(*tensors_of(rows, recipe.device))
    pack.to(recipe.device)
    for group in pack.groups:
        group.generator = generator
    dense, codes = initial_rows(dataset, rows.counts, generator)
    pack.initialize(dense, codes, generator)
    return dataset, generator


class Rounds(Callback):
    """At the end of each epoch: judge, keep the best weights, let members go."""

    def __init__(self, pack: Pack, valid, race, planner, on_epoch, n_finalists: int):
        self.valid = valid
        self.race = race
        self.planner = planner
        self.on_epoch = on_epoch
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
        if self.on_epoch is not None and self.on_epoch(self.epoch, self.race):
            self.planner.stop()
            raise StopTraining
        most = None
        while self.rungs and self.planner.progress >= self.rungs[0][0]:
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
    """The net of skorch for a pack, which can lose members while it trains."""

    module_: Pack
    optimizer_: MemberAdamW

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Hand over the groups of the pack: the optimizer slices by member."""
        _, options = super().get_params_for_optimizer(prefix, named_parameters)
        return (self.module_.groups,), options

    def infer(self, x, **fit_params):
        """Return the outputs of all nets."""
        return self.module_(x["dense"], x["codes"])

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
