"""Train a module on encoded rows and keep the weights of its best epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import TensorDataset

from automodel.nets._adamw import AdamW
from automodel.nets._objective import CrossEntropy, SquaredError
from automodel.nets._skorch import LeanNet, Pacer, StopTraining, TensorBatches

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


@dataclass(frozen=True)
class Hooks:
    """What a search has to do with a training.

    Parameters
    ----------
    on_epoch : callable, default=None
        `on_epoch(epoch, get_weights)` after each epoch; True stops training.
    seconds_left : callable, default=None
        Seconds until training has to end.
    pace : sequence, default=None
        See `Pacer`.
    """

    on_epoch: Callable | None = None
    seconds_left: Callable[[], float] | None = None
    pace: Sequence[Sequence[int]] | None = None


@dataclass
class Trained:
    """What training leaves: weights, epochs in them, and the losses.

    `factor` multiplies the outputs; `pace` is that of the `Pacer`.
    """

    state: dict[str, np.ndarray]
    factor: float
    n_epochs: int
    n_steps: int
    pace: list[tuple[int, int]]
    history: dict[str, list[float]]


class Epochs(Callback):
    """At the end of each epoch: check, validate, keep the best, ask whether to stop.

    Parameters
    ----------
    valid : TensorDataset or None
        Rows on which the best epoch is chosen; None keeps the last.
    objective : object
        `judge(outputs, target, weight)` returns a loss and a factor of outputs.
    patience : int
        Epochs without improvement after which training stops.
    on_epoch : callable or None
        `on_epoch(epoch, get_weights)`; training stops if it returns True.
    """

    def __init__(self, valid, objective, patience, on_epoch, verbose=0):
        self.valid = valid
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
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"The training loss is {train_loss} in epoch {self.epoch}. "
                "Lower the learning rate."
            )
        if self.valid is not None:
            net.history.record("valid_loss", self.judge(net.module_))
        if self.verbose:
            logger.info("epoch %d: %s", self.epoch, dict(_losses(net.history[-1])))
        stop = self.on_epoch is not None and self.on_epoch(
            self.epoch, lambda: self.weights(net.module_)
        )
        if stop:
            net.pacer.stop()
        if stop or self.epoch - self.best_epoch >= self.patience:
            raise StopTraining

    def judge(self, module: nn.Module) -> float:
        """Return the validation loss, and keep the weights if it is the best."""
        target, *weight = self.valid.tensors[2:]
        outputs = _outputs(module, self.valid)
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
    objective: CrossEntropy | SquaredError,
    hooks: Hooks,
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
    objective : CrossEntropy or SquaredError
        The loss per row, and the judgement of an epoch.
    hooks : Hooks
        What a search has to do with the training.
    """
    device = recipe.device
    generator = torch.Generator(device).manual_seed(recipe.seed)
    dataset = rows.dataset(device)
    module.to(device)
    _initialize(module, dataset, generator)
    patience = recipe.patience if valid is not None else 2 * recipe.max_epochs
    valid_set = None if valid is None else valid.dataset(device)
    epochs = Epochs(valid_set, objective, patience, hooks.on_epoch, recipe.verbose)
    n_batches = len(TensorBatches(dataset, recipe.batch_size, generator))
    net = LeanNet(
        module,
        criterion=lambda: objective,
        optimizer=AdamW,
        optimizer__lr=recipe.learning_rate,
        optimizer__weight_decay=recipe.weight_decay,
        optimizer__betas=(0.9, 0.95),
        schedule=recipe.schedule,
        pacer=Pacer(n_batches * recipe.max_epochs, hooks.seconds_left, hooks.pace),
        iterator_train=TensorBatches,
        iterator_train__generator=generator,
        batch_size=recipe.batch_size,
        train_split=None,
        callbacks=[("epochs", epochs)],
        device=device,
        verbose=0,
    )
    _run(net, dataset, recipe.max_epochs, epochs)
    history = {
        key: [row[key] for row in net.history if key in row]
        for key in ("train_loss", "valid_loss")
    }
    n_epochs = max(round(net.pacer.taken / n_batches), 1)
    if epochs.best is not None:
        n_epochs = max(epochs.best_epoch, 1)
    pacer = net.pacer
    return Trained(*epochs.weights(module), n_epochs, pacer.taken, pacer.pace, history)


def _run(net: LeanNet, dataset, max_epochs: int, epochs: Epochs) -> None:
    # Not net.fit: it swallows KeyboardInterrupt.
    net.initialize()
    net.notify("on_train_begin", X=dataset, y=None)
    try:
        net.fit_loop(dataset, epochs=max_epochs)
    except StopTraining:
        is_inside_an_epoch = len(net.history) > epochs.epoch
        if is_inside_an_epoch and epochs.valid is not None:
            epochs.epoch += 1
            epochs.judge(net.module_)
    net.notify("on_train_end", X=dataset, y=None)


def _initialize(module, dataset, generator) -> None:
    for part in module.modules():
        if hasattr(part, "generator"):
            part.generator = generator
    dense, codes = dataset.tensors[:2]
    order = torch.randperm(len(dense), generator=generator, device=dense.device)
    rows = order[:INITIAL_ROWS]
    module.initialize(dense[rows], codes[rows], generator)


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
