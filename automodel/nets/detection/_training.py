"""Train a detector: the heads alone first, and then all layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from automodel.nets._callbacks import EndOfTraining, Epochs
from automodel.nets._device import (
    choose_device,
    has_bfloat16,
    one_thread,
    seeded_draws,
)
from automodel.nets._objective import SquaredError
from automodel.nets._planner import StopTraining, check_time
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._schedules import learning_rate_factor
from automodel.nets._training import Course, net_parameters, result_of, run
from automodel.nets.detection._batches import (
    DetectionBatches,
    DetectionDataset,
    DetectionNet,
    Feeder,
)
from automodel.nets.detection._phases import PhasePlanner
from automodel.nets.detection._views import BoxAugmentation, ViewChanger
from automodel.some_rows import SomeRows
from automodel.targets.boxes import Boxes

CLIP_NORM = 10.0  # of the gradients of all weights together
NO_PATIENCE = 10**9  # epochs


@dataclass(frozen=True)
class DetectionCourse:
    """How long a detector is trained in each phase, and how images are changed.

    Parameters
    ----------
    frozen_epochs, full_epochs : int
        Epochs of the heads alone, and of all layers.
    full_rate : float
        Factor of the learning rate in the second phase.
    augmentation : BoxAugmentation
        How images are changed.
    n_parts : int
        Parts of an epoch, after each of which the search is told.
    n_predicted : int
        Images that are predicted after the training, inside of its time.
    """

    frozen_epochs: int
    full_epochs: int
    full_rate: float
    augmentation: BoxAugmentation
    n_parts: int = 1
    n_predicted: int = 0


class Phases(Callback):
    """Before each step: set the learning rate of its phase, or end the training.

    Parameters
    ----------
    planner : PhasePlanner
        Says how far the phase is.
    recipe : Recipe
        Schedule of each phase.
    full_rate : float
        Factor of the learning rate in the second phase.
    """

    def __init__(self, planner, recipe: Recipe, full_rate: float):
        self.planner = planner
        self.recipe = recipe
        self.full_rate = full_rate

    def on_batch_begin(self, net, **kwargs):
        """Follow the schedule; raise `StopTraining` when the last step is taken."""
        progress = self.planner.advance()
        if progress >= 1:
            raise StopTraining
        own = self.recipe
        rate = learning_rate_factor(own.schedule, progress, own.warm_up)
        if not self.planner.is_frozen:
            rate *= self.full_rate
        for group in net.optimizer_.param_groups:
            group["lr"] = group["initial_lr"] * rate


@one_thread()
def train_detector(
    module: Any,
    images: SomeRows,
    boxes: Boxes,
    recipe: Recipe,
    hooks: Hooks,
    own: DetectionCourse,
) -> Trained:
    """Train a module that has the weights of a backbone, and return its weights.

    Parameters
    ----------
    module : FasterRCNNModule
        The module.
    images : SomeRows
        The canvases.
    boxes : Boxes
        The true boxes.
    recipe : Recipe
        How to train; its `max_epochs` has no effect.
    hooks : Hooks
        How a search follows and limits the training. `on_epoch(progress, get_weights)`
        is called after each part of an epoch, with the share of the training that is
        over.
    own : DetectionCourse
        The phases, and how images are changed.

    Raises
    ------
    DeadlineReached
        If time is up before the first step.
    FloatingPointError
        If the loss is not finite any more.
    """
    check_time(hooks.seconds_left)
    dataset = DetectionDataset(images, boxes)
    generator = torch.Generator().manual_seed(recipe.seed)
    batches = DetectionBatches(dataset, recipe.batch_size, generator, own.n_parts)
    planner: Any = PhasePlanner(
        own.frozen_epochs * batches.n_batches,
        own.full_epochs * batches.n_batches,
        batches.n_batches,
        hooks.seconds_left,
        hooks.step_plan,
        n_after=own.n_predicted / recipe.batch_size,
    )
    n_epochs = (own.frozen_epochs + own.full_epochs) * batches.n_parts
    recipe = replace(recipe, max_epochs=n_epochs, clip_norm=CLIP_NORM)
    course = _course(planner, recipe, hooks, own)
    module.to(recipe.device, memory_format=torch.channels_last)
    module.draw_from(torch.Generator(recipe.device).manual_seed(recipe.seed))
    changer = ViewChanger(own.augmentation, generator)
    net = DetectionNet(
        module,
        iterator_train=DetectionBatches,
        iterator_train__generator=generator,
        iterator_train__n_parts=own.n_parts,
        feeder=Feeder(dataset, module, changer, recipe.device),
        planner=planner,
        **net_parameters(None, recipe, SquaredError(), course),
    ).initialize()
    run(net, dataset, None, recipe, course.epochs)
    return result_of(net, dataset, batches.n_batches, planner, course.epochs)


def _course(
    planner: PhasePlanner, recipe: Recipe, hooks: Hooks, own: DetectionCourse
) -> Course:
    """Return the callbacks that follow the schedules, and tell a search."""
    on_epoch = None
    if hooks.on_epoch is not None:
        on_epoch = partial(_told, hooks.on_epoch, planner)
    epochs = Epochs(
        None, planner, NO_PATIENCE, recipe.schedule, on_epoch, recipe.verbose
    )
    phases = Phases(planner, recipe, own.full_rate)
    first = [("phases", phases), ("epochs", epochs)]
    return Course(epochs, first, [("end_of_training", EndOfTraining(epochs))])


def _told(tell: Callable, planner: PhasePlanner, part: int, get_weights: Callable):
    """Tell a search how far the training is; this is no part of a step."""
    planner.note()
    return tell(planner.progress, get_weights)


def settled(recipe: Recipe) -> Recipe:
    """Return the recipe with the device and the precision that "auto" stands for.

    On processors that multiply in bfloat16, all layers are faster in it by a third and
    more, since maps are larger than those of nets that classify.
    """
    device = choose_device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        is_fast = device == "cpu" and has_bfloat16()
        precision = "bfloat16" if is_fast else "float32"
    return replace(recipe, device=device, precision=precision)


def drawn(build, seed: int, state: dict[str, np.ndarray]) -> nn.Module:
    """Return a module with random weights, but for those in a state.

    Parameters
    ----------
    build : callable
        Returns a new module.
    seed : int
        Seed of the random weights.
    state : dict of ndarray
        Weights of a backbone, which are copied.
    """
    with seeded_draws(seed):
        module = build()
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    module.load_state_dict(tensors, strict=False)
    return module
