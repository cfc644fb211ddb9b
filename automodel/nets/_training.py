"""Train a module on encoded rows and keep the weights of its best epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.helper import predefined_split
from torch import nn

from automodel.nets._augmentation import row_changer
from automodel.nets._callbacks import (
    ClipGradients,
    EndOfTraining,
    Epochs,
    Schedules,
    averaged,
    check_loss,
    state_of,
)
from automodel.nets._device import choose_device, choose_precision, one_thread
from automodel.nets._objective import Objective, own_criterion
from automodel.nets._optimizers import OPTIMIZERS, check_optimizer
from automodel.nets._planner import StepPlanner, StopTraining
from automodel.nets._recipe import Hooks, Recipe, Rows, Trained
from automodel.nets._skorch import (
    Criterion,
    ObjectiveNet,
    TableDataset,
    TableNet,
    TensorBatches,
)

INITIAL_ROWS = 1024  # enough to set the scale of the first weights


@one_thread()
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
        Called with dense and codes; may have `initialize(dense, codes, generator)`.
    rows, valid : Rows
        The rows to train on, and those to choose the best epoch on, if any.
    recipe : Recipe
        How to train.
    objective : Objective
        The loss per row, and the judgement of an epoch.
    hooks : Hooks
        How a search follows and limits the training.
    state : dict of ndarray, default=None
        Weights to go on from; without them, the module is initialised.
    """
    recipe = settled(recipe)
    dataset = dataset_of(rows, recipe.device)
    n_batches = n_batches_of(dataset, recipe)
    planner = StepPlanner(
        n_batches * recipe.max_epochs, hooks.seconds_left, hooks.step_plan
    )
    valid_set = None if valid is None else dataset_of(valid, recipe.device)
    course = course_of(planner, valid_set, recipe, objective, hooks)
    net = start(module, dataset, valid_set, recipe, objective, state, course)
    run(net, dataset, valid_set, recipe, course.epochs)
    return result_of(net, dataset, n_batches, planner, course.epochs)


class Course(NamedTuple):
    """The callbacks of a training, of which those of the user are called in between."""

    epochs: Epochs
    first: Sequence[tuple[str, Callback]]
    last: Sequence[tuple[str, Callback]]


def course_of(
    planner: StepPlanner, valid: Any, recipe: Recipe, objective: Objective, hooks: Hooks
) -> Course:
    """Return the callbacks that follow the schedule, validate, and end the training."""
    is_schedule_free = recipe.optimizer == "schedule_free"
    schedule = "warm-up" if is_schedule_free else recipe.schedule
    patience = recipe.patience if valid is not None else 2 * recipe.max_epochs
    epochs = Epochs(
        objective, planner, patience, schedule, hooks.on_epoch, recipe.verbose
    )
    schedules = Schedules(planner, schedule, recipe.regularization, recipe.warm_up)
    first = [("schedules", schedules), ("epochs", epochs)]
    return Course(epochs, first, [("end_of_training", EndOfTraining(epochs))])


def result_of(
    net: ObjectiveNet,
    dataset: Any,
    n_batches: float,
    planner: StepPlanner,
    epochs: Epochs,
) -> Trained:
    """Return the weights of the best epoch, or the last ones without validation."""
    n_epochs = max(round(planner.taken / n_batches), 1)
    if epochs.best is not None:
        n_epochs = max(epochs.best_epoch, 1)
    with averaged(net, dataset):
        weights = epochs.weights(net.module_)
    losses = ["train_loss", "valid_loss"] if net.train_split else ["train_loss"]
    history = history_of(net.history, losses)
    return Trained(*weights, n_epochs, planner.taken, planner.step_plan, history)


def start(
    module: nn.Module,
    dataset: TableDataset,
    valid: TableDataset | None,
    recipe: Recipe,
    objective: Objective,
    state: dict[str, np.ndarray] | None = None,
    course: Course | None = None,
) -> TableNet:
    """Return a net that is ready to be trained, with its weights."""
    device = recipe.device
    generator = torch.Generator(device).manual_seed(recipe.seed)
    module.to(device)
    _initialize(module, dataset, generator, state)
    net = TableNet(
        module,
        iterator_train=TensorBatches,
        iterator_train__generator=generator,
        iterator_train__changer=row_changer(recipe.augmentation, generator),
        **net_parameters(valid, recipe, objective, course),
    )
    return initialized(net, dataset.y)


def net_parameters(
    valid: Any, recipe: Recipe, objective: Objective, course: Course | None
) -> dict[str, Any]:
    """Return what nets of all kinds of rows are made with."""
    clip = [("clip_gradients", ClipGradients(recipe.clip_norm))]
    return {
        "criterion": Criterion(own_criterion(recipe.criterion) or objective),
        "objective": objective,
        "callbacks": [
            *(course.first if course else ()),
            *(clip if recipe.clip_norm else []),
            *recipe.callbacks,
            *(course.last if course else ()),
        ],
        "records_batches": bool(recipe.callbacks),
        "precision": recipe.precision,
        "batch_size": recipe.batch_size,
        "train_split": None if valid is None else predefined_split(valid),
        "use_caching": False,
        "device": recipe.device,
        "verbose": recipe.verbose,
        **_optimizer_parameters(recipe),
    }


def initialized(net: Any, target: torch.Tensor) -> Any:
    """Return a net whose optimizer and callbacks are ready."""
    net.initialize()
    if net.objective.is_classifier:
        n_classes = target.shape[1] if target.dim() == 2 else target.max() + 1
        net.classes_ = np.arange(int(n_classes))
    return net


def _optimizer_parameters(recipe: Recipe) -> dict[str, Any]:
    parameters = {
        "optimizer": recipe.optimizer,
        "optimizer__lr": recipe.learning_rate,
        "optimizer__weight_decay": recipe.weight_decay,
    }
    if isinstance(recipe.optimizer, str):
        parameters["optimizer"] = OPTIMIZERS[recipe.optimizer]
        parameters["optimizer__averaging"] = recipe.averaging
    else:
        check_optimizer(recipe.optimizer, recipe.weight_decay)
    return parameters


class Stepwise:
    """Training that goes on with new rows, at a constant learning rate.

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

    @one_thread()
    def __init__(self, module, rows, recipe, objective, state):
        self.recipe = settled(recipe)
        dataset = dataset_of(rows, self.recipe.device)
        self.net = start(module, dataset, None, self.recipe, objective, state)

    @one_thread()
    def epoch(self, rows: Rows) -> Trained:
        """Train one epoch on these rows, and return the weights as they are then."""
        net = self.net
        dataset = dataset_of(rows, self.recipe.device)
        net.notify("on_train_begin", X=dataset, y=None)
        with suppress(*_endings(self.recipe)):
            net.fit_loop(dataset, epochs=1)
        net.notify("on_train_end", X=dataset, y=None)
        row = net.history[-1]
        n_steps = n_batches_of(dataset, self.recipe)
        if "train_loss" in row:
            check_loss(row["train_loss"], len(net.history))
        else:  # a callback has ended the epoch
            n_steps = sum("train_loss" in batch for batch in row["batches"])
        history = history_of([row], ["train_loss"])
        with averaged(net, dataset):
            state = state_of(net.module_)
        n_epochs = len(history["train_loss"])
        return Trained(state, 1.0, n_epochs, n_steps, [], history)


def settled(recipe: Recipe) -> Recipe:
    """Return the recipe with the device and the precision that "auto" stands for."""
    device = choose_device(recipe.device)
    precision = choose_precision(
        recipe.precision, device, recipe.width, recipe.batch_size
    )
    return replace(recipe, device=device, precision=precision)


def dataset_of(rows: Rows, device: str) -> TableDataset:
    """Return the rows as tensors on a device; weights have a mean of one."""
    arrays = [rows.dense, rows.codes, rows.target]
    if rows.weight is not None:
        arrays.append((rows.weight / rows.weight.mean()).astype(np.float32))
    return TableDataset(*(torch.as_tensor(a, device=device) for a in arrays))


def n_batches_of(dataset: TableDataset, recipe: Recipe) -> int:
    """Return the steps of an epoch."""
    return len(TensorBatches(dataset, recipe.batch_size, None))


def run(net: ObjectiveNet, dataset, valid, recipe: Recipe, epochs: Epochs) -> None:
    """Train until the schedule, the patience, the time or a callback ends it."""
    net.notify("on_train_begin", X=dataset, y=None)
    with suppress(*_endings(recipe)):
        net.fit_loop(dataset, epochs=recipe.max_epochs)
    is_inside_an_epoch = len(net.history) > epochs.epoch
    if is_inside_an_epoch and valid is not None:
        epochs.epoch += 1
        with averaged(net, dataset):
            epochs.judge(net, valid)
    net.notify("on_train_end", X=dataset, y=None)


def _endings(recipe: Recipe) -> tuple[type[BaseException], ...]:
    """Return the exceptions that end a training and keep what is learned.

    Callbacks of skorch raise KeyboardInterrupt for that. `fit` of skorch catches it
    even if there are no callbacks, so it is not called here.
    """
    return (StopTraining, KeyboardInterrupt) if recipe.callbacks else (StopTraining,)


def history_of(rows: Iterable[dict], losses: Sequence[str]) -> dict[str, list[float]]:
    """Return the losses of each complete epoch, and what callbacks have recorded."""
    complete = [row for row in rows if all(loss in row for loss in losses)]
    if not complete:
        return {loss: [] for loss in losses}
    names = [
        name
        for name, value in complete[0].items()
        if isinstance(value, float) and all(name in row for row in complete)
    ]
    return {name: [row[name] for row in complete] for name in names}


def _initialize(module, dataset, generator, state) -> None:
    """Give the module its generator and its weights."""
    give_generator(module, generator)
    if state is not None:
        load_state(module, state)
    elif hasattr(module, "initialize"):
        dense, codes = dataset.X["dense"], dataset.X["codes"]
        order = torch.randperm(len(dense), generator=generator, device=dense.device)
        rows = order[:INITIAL_ROWS]
        module.initialize(dense[rows], codes[rows], generator)


def give_generator(module: nn.Module, generator: torch.Generator) -> None:
    """Let all layers that draw at random draw from a generator."""
    part: Any
    for part in module.modules():
        if hasattr(part, "generator"):
            part.generator = generator


def load_state(module: nn.Module, state: dict[str, np.ndarray]) -> None:
    """Give the module weights that a training returned."""
    module.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})
