"""The callbacks of skorch by which our nets train: schedules, validation, the end."""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from automodel.nets._layers import Dropout
from automodel.nets._optimizers import clip_gradients
from automodel.nets._planner import StopTraining
from automodel.nets._schedules import (
    WARM,
    is_over,
    learning_rate_factor,
    regularization_factor,
)

logger = logging.getLogger("automodel")


class Schedules(Callback):
    """Before each step: set learning rate, weight decay and dropout, or end training.

    A constant course is left to other callbacks.

    Parameters
    ----------
    planner : StepPlanner
        Says how far the training is.
    learning_rate : str
        Course of the learning rate.
    regularization : str, default="constant"
        Course of weight decay and dropout.
    warm_up : float, default=0.1
        See `Recipe`.
    """

    def __init__(self, planner, learning_rate, regularization="constant", warm_up=WARM):
        self.planner = planner
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.warm_up = warm_up

    def on_epoch_begin(self, net, **kwargs):
        """Find the layers of dropout."""
        modules = net.module_.modules()
        self.dropouts_ = [part for part in modules if isinstance(part, Dropout)]

    def on_batch_begin(self, net, **kwargs):
        """Follow the schedules; raise `StopTraining` when the last step is taken."""
        progress = self.planner.advance()
        if progress >= 1:
            raise StopTraining
        groups = net.optimizer_.param_groups
        if self.learning_rate != "constant":
            rate = learning_rate_factor(self.learning_rate, progress, self.warm_up)
            for group in groups:
                group["lr"] = group["initial_lr"] * rate
        if self.regularization != "constant":
            strength = regularization_factor(self.regularization, progress)
            for group in groups:
                group["weight_decay"] = group["initial_weight_decay"] * strength
            for dropout in self.dropouts_:
                dropout.scale = strength


class ClipGradients(Callback):
    """Limit the norm of all gradients together, without `torch.nn.utils`.

    Parameters
    ----------
    largest : float
        The largest norm.
    """

    def __init__(self, largest):
        self.largest = largest

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Scale the gradients down where they exceed the limit."""
        clip_gradients(net.module_.parameters(), self.largest)


class Epochs(Callback):
    """At the end of each epoch: check, validate, keep the best, ask whether to stop.

    Parameters
    ----------
    objective : Objective
        Judges the outputs for the validation part.
    planner : StepPlanner
        Is told when the training stops early.
    patience : int
        Epochs without improvement after which training stops.
    schedule : str
        Course of the learning rate, by which patience grows.
    on_epoch : callable or None
        `on_epoch(epoch, get_weights)`; training stops if it returns True.
    verbose : int, default=0
        Above 0, the losses are logged.
    """

    def __init__(self, objective, planner, patience, schedule, on_epoch, verbose=0):
        self.objective = objective
        self.planner = planner
        self.patience = patience
        self.schedule = schedule
        self.on_epoch = on_epoch
        self.verbose = verbose
        self.epoch = 0
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best: tuple[dict[str, np.ndarray], float] | None = None
        self.is_over = False

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Judge the epoch."""
        self.epoch += 1
        check_loss(net.history[-1, "train_loss"], self.epoch)
        stop = False
        if dataset_valid is not None or self.on_epoch is not None:
            with averaged(net, dataset_train):
                stop = self._look(net, dataset_valid)
        if self.verbose:
            logger.info("epoch %d: %s", self.epoch, dict(_losses(net.history[-1])))
        if stop:
            self.planner.stop()
        patience = self.patience, self.schedule
        self.is_over = stop or is_over(self.epoch, self.best_epoch, *patience)

    def _look(self, net, valid) -> bool:
        if valid is not None:
            net.history.record("valid_loss", self.judge(net, valid))
            net.history.record("valid_loss_best", self.best_epoch == self.epoch)
        return self.on_epoch is not None and self.on_epoch(
            self.epoch, lambda: self.weights(net.module_)
        )

    def judge(self, net, valid) -> float:
        """Return the validation loss, and keep the weights if it is the best."""
        return self.judge_outputs(net.module_, net.outputs(valid), valid)

    def judge_outputs(self, module: nn.Module, outputs, valid) -> float:
        """Do the same, given the outputs for the validation part."""
        # On the processor, since MPS has no double precision.
        outputs = outputs.cpu()
        weight = None if valid.weight is None else valid.weight.cpu()
        loss, factor = self.objective.judge(outputs, valid.y.cpu(), weight)
        if loss < self.best_loss or self.best is None:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best = state_of(module), factor
        return loss

    def weights(self, module: nn.Module) -> tuple[dict[str, np.ndarray], float]:
        """Return weights and factor to keep: of the best epoch, or as they are."""
        return (state_of(module), 1.0) if self.best is None else self.best


class EndOfTraining(Callback):
    """End the training when it is over, after all other callbacks have seen the epoch.

    Parameters
    ----------
    epochs : Epochs
        Knows whether it is over.
    """

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, net, **kwargs):
        """Raise `StopTraining` when the training is over."""
        if self.epochs.is_over:
            raise StopTraining


@contextmanager
def averaged(net, rows):
    """Give the module its average weights, if the optimizer averages, for a while."""
    optimizer = net.optimizer_
    if not getattr(optimizer, "averages", False):
        yield
        return
    optimizer.eval()
    _renew_statistics(net, rows)
    try:
        yield
    finally:
        optimizer.train()


def _renew_statistics(net, rows) -> None:
    """Set the means of batch normalisation to those that the weights lead to."""
    module = net.module_
    norms = [
        m
        for m in module.modules()
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)
        and not getattr(m, "is_frozen", False)
    ]
    if not norms:
        return
    module.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
    with torch.no_grad():
        for i, inputs in enumerate(net.some_inputs(rows)):
            for norm in norms:
                norm.momentum = 1 / (i + 1)  # the mean of all batches
            module(**inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def check_loss(loss: float, epoch: int) -> None:
    """Raise if the loss of an epoch is not finite."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"The training loss is {loss} in epoch {epoch}. Lower the learning rate."
        )


def state_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Return a copy of the weights as numpy arrays.

    A module may have an attribute `frozen`, the names of weights that training does not
    change. They are left out.
    """
    frozen = getattr(module, "frozen", ())
    return {
        k: v.detach().cpu().numpy().copy()
        for k, v in module.state_dict().items()
        if k not in frozen
    }


def _losses(row):
    return ((key, row[key]) for key in ("train_loss", "valid_loss") if key in row)
