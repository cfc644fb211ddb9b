"""Train a module on encoded rows and keep the weights of its best epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import TensorDataset

from automodel.nets._augmentation import Augmentation
from automodel.nets._objective import Objective
from automodel.nets._optimizers import OPTIMIZERS
from automodel.nets._schedules import is_over
from automodel.nets._skorch import LeanNet, StepPlanner, StopTraining, TensorBatches

logger = logging.getLogger("automodel")

INITIAL_ROWS = 1024  # enough to set the scale of the first weights
VALID_ROWS = 8192


@dataclass(frozen=True)
class Rows:
    """Encoded rows: inputs, target, and weight if there is one."""

    dense: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)

    def dataset(self, device: str) -> TensorDataset:
        """Return the rows as tensors on a device."""
        arrays = [self.dense, self.codes, self.target]
        if self.weight is not None:
            arrays.append((self.weight / self.weight.mean()).astype(np.float32))
        return TensorDataset(*(torch.as_tensor(a, device=device) for a in arrays))


@dataclass(frozen=True)
class Recipe:
    """How to train."""

    learning_rate: float
    weight_decay: float
    schedule: str
    batch_size: int
    max_epochs: int
    patience: int
    device: str
    seed: int
    verbose: int = 0
    optimizer: str = "adamw"
    averaging: float = 0.0
    regularization: str = "constant"
    augmentation: Augmentation | None = None
    precision: str = "float32"
    clip_norm: float = 0.0


@dataclass(frozen=True)
class Hooks:
    """What a search has to do with a training.

    Parameters
    ----------
    on_epoch : callable, default=None
        `on_epoch(epoch, get_weights)` after each epoch; True stops training.
    seconds_left : callable, default=None
        Seconds until training has to end.
    step_plan : sequence, default=None
        See `StepPlanner`.
    """

    on_epoch: Callable | None = None
    seconds_left: Callable[[], float] | None = None
    step_plan: Sequence[Sequence[int]] | None = None


@dataclass
class Trained:
    """What training leaves: weights, epochs in them, and the losses.

    `factor` multiplies the outputs; `step_plan` is that of the `StepPlanner`.
    """

    state: dict[str, np.ndarray]
    factor: float
    n_epochs: int
    n_steps: int
    step_plan: list[tuple[int, int]]
    history: dict[str, list[float]]


class Epochs(Callback):
    """At the end of each epoch: check, validate, keep the best, ask whether to stop.

    Parameters
    ----------
    valid : TensorDataset or None
        Rows on which the best epoch is chosen; None keeps the last.
    objective : object
        `judge(outputs, target, weight)` returns a loss and a factor of outputs.
    rows : TensorDataset
        Rows of the training.
    patience : int
        Epochs without improvement after which training stops.
    on_epoch : callable or None
        `on_epoch(epoch, get_weights)`; training stops if it returns True.
    """

    def __init__(self, valid, objective, rows, patience, on_epoch, verbose=0):
        self.valid = valid
        self.rows = rows
        self.objective = objective
        self.patience = patience
        self.on_epoch = on_epoch
        self.verbose = verbose
        self.epoch = 0
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best: tuple[dict[str, np.ndarray], float] | None = None

    def on_epoch_end(self, net, **kwargs):
        """Judge the epoch."""
        self.epoch += 1
        train_loss = net.history[-1, "train_loss"]
        _check_loss(train_loss, self.epoch)
        stop = False
        if self.valid is not None or self.on_epoch is not None:
            with averaged(net, self.rows):
                stop = self._look(net)
        if self.verbose:
            logger.info("epoch %d: %s", self.epoch, dict(_losses(net.history[-1])))
        if stop:
            net.planner.stop()
        if stop or is_over(self.epoch, self.best_epoch, self.patience, net.schedule):
            raise StopTraining

    def _look(self, net) -> bool:
        if self.valid is not None:
            net.history.record("valid_loss", self.judge(net.module_))
        return self.on_epoch is not None and self.on_epoch(
            self.epoch, lambda: self.weights(net.module_)
        )

    def judge(self, module: nn.Module) -> float:
        """Return the validation loss, and keep the weights if it is the best."""
        target, *weight = (part.cpu() for part in self.valid.tensors[2:])
        outputs = _outputs(module, self.valid).cpu()  # MPS has no double precision
        loss, factor = self.objective.judge(
            outputs, target, weight[0] if weight else None
        )
        if loss < self.best_loss or self.best is None:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best = state_of(module), factor
        return loss

    def weights(self, module: nn.Module) -> tuple[dict[str, np.ndarray], float]:
        """Return weights and factor to keep: of the best epoch, or as they are."""
        return (state_of(module), 1.0) if self.best is None else self.best


def train(
    module: nn.Module,
    rows: Rows,
    valid: Rows | None,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    state: dict[str, np.ndarray] | None = None,
) -> Trained:
    """Train `module` and return its weights.

    Parameters
    ----------
    module : nn.Module
        Called with dense and codes; has `initialize(dense, codes, generator)`.
    rows, valid : Rows
        What to train on, and what to choose the best epoch on, if anything.
    recipe : Recipe
        How to train.
    objective : Objective
        The loss per row, and the judgement of an epoch.
    hooks : Hooks
        What a search has to do with the training.
    state : dict of ndarray, default=None
        Weights to go on from; without them, the module is initialised.
    """
    dataset = rows.dataset(recipe.device)
    patience = recipe.patience if valid is not None else 2 * recipe.max_epochs
    valid_set = None if valid is None else valid.dataset(recipe.device)
    epochs = Epochs(
        valid_set, objective, dataset, patience, hooks.on_epoch, recipe.verbose
    )
    net = start(module, dataset, recipe, objective, state)
    n_batches = n_batches_of(dataset, recipe)
    net.planner = StepPlanner(
        n_batches * recipe.max_epochs, hooks.seconds_left, hooks.step_plan
    )
    net.callbacks_ = [("epochs", epochs)]
    _run(net, dataset, recipe.max_epochs, epochs)
    history = {
        key: [row[key] for row in net.history if key in row]
        for key in ("train_loss", "valid_loss")[: 1 if valid is None else 2]
    }
    n_epochs = max(round(net.planner.taken / n_batches), 1)
    if epochs.best is not None:
        n_epochs = max(epochs.best_epoch, 1)
    with averaged(net, dataset):
        weights = epochs.weights(module)
    return Trained(
        *weights, n_epochs, net.planner.taken, net.planner.step_plan, history
    )


def start(
    module: nn.Module,
    dataset: TensorDataset,
    recipe: Recipe,
    objective: Objective,
    state: dict[str, np.ndarray] | None = None,
) -> LeanNet:
    """Return a net that is ready to be trained, but for a planner."""
    device = recipe.device
    generator = torch.Generator(device).manual_seed(recipe.seed)
    module.to(device)
    part: Any
    for part in module.modules():
        if hasattr(part, "generator"):
            part.generator = generator
    if state is None:
        _initialize(module, dataset, generator)
    else:
        load_state(module, state)
    is_schedule_free = recipe.optimizer == "schedule_free"
    augmentation = recipe.augmentation
    net = LeanNet(
        module,
        criterion=lambda: objective,
        optimizer=OPTIMIZERS[recipe.optimizer],
        optimizer__lr=recipe.learning_rate,
        optimizer__weight_decay=recipe.weight_decay,
        optimizer__averaging=recipe.averaging,
        schedule="warm-up" if is_schedule_free else recipe.schedule,
        regularization=recipe.regularization,
        changer=None if augmentation is None else augmentation.start(generator),
        precision=recipe.precision,
        clip_norm=recipe.clip_norm,
        iterator_train=TensorBatches,
        iterator_train__generator=generator,
        batch_size=recipe.batch_size,
        train_split=None,
        device=device,
        verbose=0,
    )
    net.initialize()
    return net


class Stepwise:
    """Training that goes on with whatever rows come, at a constant learning rate.

    Parameters
    ----------
    module : nn.Module
        See `train`.
    rows : Rows
        The first rows, which the module is initialised on.
    recipe : Recipe
        How to train; schedules are not followed.
    objective : Objective
        The loss per row.
    state : dict of ndarray or None
        Weights to go on from.
    """

    def __init__(self, module, rows, recipe, objective, state):
        self.recipe = replace(recipe, schedule="constant", regularization="constant")
        dataset = rows.dataset(recipe.device)
        self.net = start(module, dataset, self.recipe, objective, state)
        # There is no end of which a share could be the warm-up.
        self.net.schedule = "constant"

    def epoch(self, rows: Rows) -> Trained:
        """Train one epoch on these rows, and return the weights as they are then."""
        dataset = rows.dataset(self.recipe.device)
        n_batches = n_batches_of(dataset, self.recipe)
        self.net.planner = StepPlanner(n_batches)
        self.net.fit_loop(dataset, epochs=1)
        loss = self.net.history[-1, "train_loss"]
        _check_loss(loss, len(self.net.history))
        with averaged(self.net, dataset):
            state = state_of(self.net.module_)
        return Trained(state, 1.0, 1, n_batches, [], {"train_loss": [loss]})


def n_batches_of(dataset: TensorDataset, recipe: Recipe) -> int:
    """Return the steps of an epoch."""
    return len(TensorBatches(dataset, recipe.batch_size, None))


@contextmanager
def averaged(net: LeanNet, rows: TensorDataset):
    """Give the module its average weights, if the optimizer averages, for a while."""
    optimizer = net.optimizer_
    if not optimizer.averages:
        yield
        return
    optimizer.eval()
    _renew_statistics(net.module_, rows)
    try:
        yield
    finally:
        optimizer.train()


def _renew_statistics(module: nn.Module, rows: TensorDataset) -> None:
    """Set the means of batch normalisation to those that the weights lead to."""
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d)]
    if not norms:
        return
    module.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    step = -(-len(rows) // VALID_ROWS)
    dense, codes = rows.tensors[:2]
    with torch.no_grad():
        module(dense[::step], codes[::step])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _run(net: LeanNet, dataset, max_epochs: int, epochs: Epochs) -> None:
    # Not net.fit: it swallows KeyboardInterrupt.
    net.notify("on_train_begin", X=dataset, y=None)
    try:
        net.fit_loop(dataset, epochs=max_epochs)
    except StopTraining:
        is_inside_an_epoch = len(net.history) > epochs.epoch
        if is_inside_an_epoch and epochs.valid is not None:
            epochs.epoch += 1
            with averaged(net, dataset):
                epochs.judge(net.module_)
    net.notify("on_train_end", X=dataset, y=None)


def _initialize(module, dataset, generator) -> None:
    dense, codes = dataset.tensors[:2]
    order = torch.randperm(len(dense), generator=generator, device=dense.device)
    rows = order[:INITIAL_ROWS]
    module.initialize(dense[rows], codes[rows], generator)


def _check_loss(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The training loss is {loss} in epoch {epoch}. Lower the learning rate."
        )


def load_state(module: nn.Module, state: dict[str, np.ndarray]) -> None:
    """Give the module weights that `state_of` returned."""
    module.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})


def state_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Return a copy of the weights as numpy arrays."""
    return {k: v.detach().cpu().numpy().copy() for k, v in module.state_dict().items()}


def _outputs(module: nn.Module, dataset: TensorDataset) -> torch.Tensor:
    dense, codes = dataset.tensors[:2]
    module.eval()
    with torch.inference_mode():
        parts = zip(dense.split(VALID_ROWS), codes.split(VALID_ROWS), strict=True)
        return torch.cat([module(*part) for part in parts])


def _losses(row):
    return ((key, row[key]) for key in ("train_loss", "valid_loss") if key in row)
