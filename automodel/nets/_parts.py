"""Train in parts of an epoch, each of which is validated, inside a time limit.

This is for nets whose steps are slow, such as those of texts and images.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from automodel.nets._objective import Objective
from automodel.nets._planner import SlowStepPlanner, check_time
from automodel.nets._probe import MOST_ROWS, fit_head
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._skorch import ObjectiveNet
from automodel.nets._training import Course, course_of, result_of, run

VALIDATIONS_AFTER = 3  # that must fit after the last step: our own, and predictions


class PartBatches:
    """Iterate over one part of a pass over all rows after the other.

    Each pass has another order.

    Parameters
    ----------
    dataset : Dataset
        The rows; `inputs(rows)` returns what the module is called with.
    batch_size : int
        The most rows of a batch; all have as many, give or take one.
    generator : torch.Generator
        Shuffles the rows.
    n_parts : int, default=1
        The number of parts of a pass.
    """

    def __init__(self, dataset, batch_size, generator, n_parts=1):
        self.dataset = dataset
        self.generator = generator
        self.n_batches = self.n_batches_of(len(dataset), batch_size)
        self.n_parts = min(n_parts, self.n_batches)
        self._parts: deque[list[torch.Tensor]] = deque()

    @staticmethod
    def n_batches_of(n_rows: int, batch_size: int) -> int:
        """Return the number of batches of a pass."""
        return -(-n_rows // batch_size)

    def __len__(self):
        return -(-self.n_batches // self.n_parts)

    def __iter__(self):
        if not self._parts:
            batches = self._shuffled()
            edges = edges_of(len(batches), self.n_parts)
            pairs = zip(edges[:-1], edges[1:], strict=True)
            self._parts.extend(batches[start:end] for start, end in pairs)
        for rows in self._parts.popleft():
            yield self._batch(rows)

    @abstractmethod
    def _shuffled(self) -> list[torch.Tensor]:
        """Return the rows of each batch of a pass."""

    def _batch(self, rows: torch.Tensor) -> tuple[dict[str, Any], torch.Tensor]:
        """Return the inputs and the target of a batch."""
        device = self.dataset.device
        X = self.dataset.inputs(rows)
        if self.dataset.weight is not None:
            X["weight"] = self.dataset.weight[rows].to(device)
        return X, self.dataset.y[rows].to(device)


def train_in_parts(
    build: Callable[[Recipe, Course], ObjectiveNet],
    batches: PartBatches,
    valid: Any,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    outputs: Callable[[], torch.Tensor] | None = None,
) -> Trained:
    """Train a net, and return the weights that predict the validation part best.

    Parameters
    ----------
    build : callable
        `build(recipe, course)` returns the net, ready to be trained.
    batches : PartBatches
        The rows to train on, and how they are divided.
    valid : Dataset or None
        The rows to choose the best weights on, if any.
    recipe : Recipe
        How to train. Its patience counts parts of an epoch, and its `max_epochs` whole
        ones.
    objective : Objective
        The loss per row, and the judgement of an epoch.
    hooks : Hooks
        How a search follows and limits the training. They are told of each part of an
        epoch as of an epoch.
    outputs : callable, default=None
        Returns the outputs for the validation part before the first step, if the start
        may be the best.
    """
    n_parts = batches.n_parts
    planner = SlowStepPlanner(
        batches.n_batches * recipe.max_epochs, hooks.seconds_left, hooks.step_plan
    )
    recipe = replace(recipe, max_epochs=recipe.max_epochs * n_parts)
    course = course_of(planner, valid, recipe, objective, hooks)
    net = build(recipe, course)
    if outputs is not None:
        with torch.no_grad():
            course.epochs.judge_outputs(net.module_, outputs(), valid)
    run(net, batches.dataset, valid, recipe, course.epochs)
    n_batches = batches.n_batches / n_parts
    return result_of(net, batches.dataset, n_batches, planner, course.epochs)


def finetune_in_parts(
    embed: Callable[..., torch.Tensor],
    head: nn.Module,
    build: Callable[[Recipe, Course], ObjectiveNet],
    batches: PartBatches,
    valid: Any,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    *,
    probes: bool,
) -> Trained:
    """Find the head by linear probing if it `probes`, then train all layers.

    Parameters
    ----------
    embed : callable
        `embed(dataset, check)` returns the features that the head takes, and calls
        `check` from time to time.
    head : nn.Module
        The linear head of the module.
    build, batches, valid, recipe, objective, hooks
        See `train_in_parts`.
    probes : bool
        Whether the head starts from linear probing.

    Raises
    ------
    DeadlineReached
        If time is up before the head has been found.
    """
    embed = partial(embed, check=partial(check_time, hooks.seconds_left))
    seconds, features = timed(partial(embed, valid), valid, hooks.seconds_left)
    if probes:
        found = _probed(embed, head, batches.dataset, valid, features, objective, hooks)
        with torch.no_grad():
            for parameter, value in zip(head.parameters(), found, strict=True):
                parameter.copy_(value)
    outputs = None if features is None else partial(head, features)
    hooks = shortened(hooks, VALIDATIONS_AFTER * seconds)
    return train_in_parts(build, batches, valid, recipe, objective, hooks, outputs)


def _probed(embed, head, dataset, valid, features, objective, hooks):
    """Return weight and bias of a linear model of the features before training."""
    part = dataset
    if len(dataset) > MOST_ROWS:
        part = dataset.take(np.linspace(0, len(dataset) - 1, MOST_ROWS).astype(int))
    train = embed(part).cpu(), part.y, part.weight
    held_out = None if valid is None else (features.cpu(), valid.y, valid.weight)
    check = partial(check_time, hooks.seconds_left)
    return fit_head(train, held_out, head.weight.shape[0], objective, check)


def timed(
    function: Callable[[], torch.Tensor],
    dataset: Any,
    seconds_left: Callable[[], float] | None,
) -> tuple[float, torch.Tensor | None]:
    """Return the seconds that a function of some rows takes, and what it returns."""
    if dataset is None:
        return 0.0, None
    if seconds_left is None:
        return 0.0, function()
    before = seconds_left()
    found = function()
    return before - seconds_left(), found


def shortened(hooks: Hooks, seconds: float) -> Hooks:
    """Return hooks that leave so many seconds unused."""
    left = hooks.seconds_left
    if left is None:
        return hooks
    return replace(hooks, seconds_left=lambda: left() - seconds)


def weight_of(weight: np.ndarray | None) -> torch.Tensor | None:
    """Return weights with a mean of one, as a tensor."""
    if weight is None:
        return None
    return torch.as_tensor((weight / weight.mean()).astype(np.float32))


def edges_of(n: int, n_parts: int) -> list[int]:
    """Return the edges of parts of about equal size."""
    return [n * i // n_parts for i in range(n_parts + 1)]
