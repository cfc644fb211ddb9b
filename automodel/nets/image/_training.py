"""Train nets for images: from scratch, or from the weights of a backbone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from automodel.nets._device import choose_device, has_bfloat16, one_thread
from automodel.nets._objective import Objective
from automodel.nets._parts import (
    VALIDATIONS_AFTER,
    finetune_in_parts,
    shortened,
    timed,
    train_in_parts,
    weight_of,
)
from automodel.nets._planner import check_time
from automodel.nets._recipe import Hooks, Recipe, Trained
from automodel.nets._training import (
    INITIAL_ROWS,
    Course,
    give_generator,
    initialized,
    net_parameters,
)
from automodel.nets.image._batches import (
    ImageBatches,
    ImageDataset,
    ImageNet,
    outputs_of,
)
from automodel.nets.image._flips import FlipGuard
from automodel.nets.image._transforms import Augmenter
from automodel.nets.image.augment import FLIPS, ImageAugmentation
from automodel.some_rows import SomeRows

GUARDED_SHARE = 0.2  # of a training from scratch, after which a net can tell flips


@dataclass(frozen=True)
class ImageRows:
    """Images in bytes, their target, and weights."""

    images: SomeRows
    target: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class ImageCourse:
    """How often a net is validated, and how its images are changed.

    Parameters
    ----------
    augmentation : ImageAugmentation
        How images are changed.
    guards_flips : bool
        Whether flips have to prove that they keep the meaning of images.
    n_parts : int
        Parts of an epoch, after each of which the net is validated.
    """

    augmentation: ImageAugmentation
    guards_flips: bool
    n_parts: int


class ImageTraining:
    """The images of a training, and the net that takes them.

    Parameters
    ----------
    module : nn.Module
        Called with images.
    rows, valid : ImageRows
        The images to train on, and those to choose the best weights on, if any.
    recipe : Recipe
        How to train.
    objective : Objective
        The loss per row.
    own : ImageCourse
        How images are changed.
    """

    guarded_share = GUARDED_SHARE

    def __init__(self, module, rows, valid, recipe, objective, own: ImageCourse):
        self.module = module.to(recipe.device)
        self.objective = objective
        self.dataset = _dataset(rows, recipe.device)
        self.valid = None if valid is None else _dataset(valid, recipe.device)
        self.generator = torch.Generator(recipe.device).manual_seed(recipe.seed)
        give_generator(self.module, self.generator)
        self.augmenter = Augmenter(own.augmentation, self.generator)
        names = own.augmentation.names
        self.is_guarded = own.guards_flips and any(flip in names for flip in FLIPS)
        if self.is_guarded:
            self.augmenter.flips = ()
        self.options: dict[str, Any] = {
            "generator": torch.Generator().manual_seed(recipe.seed),
            "n_parts": own.n_parts,
            "augmenter": self.augmenter if names else None,
        }
        self.batches = ImageBatches(self.dataset, recipe.batch_size, **self.options)

    def build(self, recipe: Recipe, course: Course) -> ImageNet:
        """Return a net that is ready to be trained."""
        if self.is_guarded:
            known = self.valid or self.dataset
            planner = course.epochs.planner
            shared = self.objective, planner, self.guarded_share
            guard = FlipGuard(self.augmenter, known, *shared)
            course = course._replace(first=[*course.first, ("flip_guard", guard)])
        net = ImageNet(
            self.module,
            iterator_train=ImageBatches,
            **{f"iterator_train__{name}": v for name, v in self.options.items()},
            **net_parameters(self.valid, recipe, self.objective, course),
        )
        return initialized(net, self.dataset.y)

    def some_images(self) -> torch.Tensor:
        """Return images to begin with, in a random order."""
        order = torch.randperm(len(self.dataset), generator=self.options["generator"])
        return self.dataset.inputs(order[:INITIAL_ROWS])["images"]

    @property
    def flips(self) -> tuple[str, ...]:
        """The names of the flips that the net has learned from."""
        names = self.augmenter.augmentation.names
        return tuple(flip for flip in self.augmenter.flips if flip in names)


@one_thread()
def train_from_scratch(
    module: Any,
    rows: ImageRows,
    valid: ImageRows | None,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    own: ImageCourse,
) -> tuple[Trained, tuple[str, ...]]:
    """Initialise a module and train it; return its weights and the flips it has seen.

    See `ImageTraining` and `train_in_parts`.

    Raises
    ------
    DeadlineReached
        If time is up before the first step.
    """
    training = ImageTraining(module, rows, valid, recipe, objective, own)
    module.initialize(training.some_images(), training.generator)
    check = partial(check_time, hooks.seconds_left)
    held_out: Any = training.valid
    predict = partial(outputs_of, module, held_out, recipe.precision, check=check)
    seconds, _ = timed(predict, held_out, hooks.seconds_left)
    hooks = shortened(hooks, VALIDATIONS_AFTER * seconds)
    sets = training.batches, held_out
    found = train_in_parts(training.build, *sets, recipe, objective, hooks)
    return found, training.flips


@one_thread()
def finetune(
    module: Any,
    rows: ImageRows,
    valid: ImageRows | None,
    recipe: Recipe,
    objective: Objective,
    hooks: Hooks,
    own: ImageCourse,
    *,
    probes: bool,
) -> tuple[Trained, tuple[str, ...]]:
    """Train a module that has the weights of a backbone, and a head.

    It returns what `train_from_scratch` returns. See `finetune_in_parts`.
    """
    training = ImageTraining(module, rows, valid, recipe, objective, own)
    if probes:
        training.guarded_share = 0.0
    found = finetune_in_parts(
        partial(_features, module, precision=recipe.precision),
        module.head,
        training.build,
        training.batches,
        training.valid,
        recipe,
        objective,
        hooks,
        probes=probes,
    )
    return found, training.flips


def settled(recipe: Recipe, module: nn.Module) -> Recipe:
    """Return the recipe with the device and the precision that "auto" stands for.

    On processors that multiply in bfloat16, whole convolutions are faster in it by half
    and more. Those of each channel for itself are slower.
    """
    device = choose_device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        is_whole = not any(
            part.groups > 1 for part in module.modules() if isinstance(part, nn.Conv2d)
        )
        is_fast = device == "cpu" and has_bfloat16() and is_whole
        precision = "bfloat16" if is_fast else "float32"
    return replace(recipe, device=device, precision=precision)


def _dataset(rows: ImageRows, device: str) -> ImageDataset:
    target = torch.as_tensor(rows.target)
    weight = weight_of(rows.weight)
    return ImageDataset(rows.images, target, weight, device)


def _features(module, dataset, *, precision: str, check) -> torch.Tensor:
    return outputs_of(module, dataset, precision, module.embed, check)


def load_backbone(module: nn.Module, state: dict[str, np.ndarray]) -> None:
    """Give a module a copy of the weights of a backbone."""
    tensors = {name: torch.tensor(value) for name, value in state.items()}
    module.load_state_dict(tensors, strict=False)
