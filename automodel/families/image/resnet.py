"""ResNets from scratch: `ImageResNetClassifier` and `ImageResNetRegressor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._net import seldom, suggest_loss, usual_training
from automodel.families.image._nets import (
    FORWARD,
    N_FOLDS,
    ImageNetFamily,
    suggest_augmentation,
    usual_augmentation,
)
from automodel.nets.image._layout import products_of

if TYPE_CHECKING:
    from automodel.task import Task

OF_LOSS = ("loss", "label_smoothing", "class_weight")
LEAST_SIDE, USUAL_SIDE, MOST_SIDE = 16, 64, 128  # pixels
# Of a training step of one image on one core, between bfloat16 and float32.
SECONDS_PER_PRODUCT = 2.5e-11
SECONDS_PER_PIXEL = 2e-7
VALIDATED = 0.1  # of the images, in each epoch
LEARNED_IMAGES = 120_000  # in all epochs
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
SMALL, LARGE = 16, 32  # widths
ROOM = 8.0  # trainings of the wide net that have to fit, for it to be the default
DEEP_ROOM = 4.0  # trainings of deep, very wide or large nets that have to fit
GREY_SHARE, COLOUR_SHARE = 0.8, 0.4  # of the time, for folds beside pretrained nets


class ImageResNetFamily(ImageNetFamily):
    """A ResNet that is trained from scratch, with searched augmentation.

    It learns small images, and others without pretrained weights.
    """

    name = "image_resnet"
    rank = 60
    least_share = 0.3
    worthwhile = 0.3
    classifier = "ImageResNetClassifier"
    regressor = "ImageResNetRegressor"

    def pays(self, task: Task) -> bool:
        """Tell whether there is time, of which features of weights need less.

        They are better on photographs, and worse on grey images such as digits.
        """
        if not task.facts.weights or task.time_budget is None:
            return super().pays(task)
        share = GREY_SHARE if task.facts.channels == 1 else COLOUR_SHARE
        needed = N_FOLDS * self._seconds_per_split(task)
        return needed <= share * task.time_budget

    def is_slow(self, task: Task) -> bool:
        """Leave the folds to the features of weights, if there are some."""
        return not task.facts.weights and super().is_slow(task)

    def sizes(self, task: Task) -> Sequence[int]:
        """Return the side of the images, within limits, and its double or half.

        The double takes four times as long, and is left out where time is short.
        """
        side = task.facts.side
        usual = min(max(side, LEAST_SIDE), USUAL_SIDE)
        sizes = [usual]
        if 2 * usual <= min(2 * side, MOST_SIDE) and self._may_double(usual, task):
            sizes.append(2 * usual)
        if side > USUAL_SIDE:
            sizes.append(usual // 2)
        return sizes

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params: dict[str, Any] = {
            "depth": trial.suggest_categorical("depth", depths_of(task)),
            "width": trial.suggest_categorical("width", widths_of(task)),
            "norm": seldom(trial, "norm", "batch", "group"),
            "optimizer": seldom(trial, "optimizer", "adamw", "sgd"),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
            "max_epochs": trial.suggest_int("max_epochs", 8, 100, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [64, 32, 128]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
            "averaging": seldom(trial, "averaging", 0.0, 0.99, 0.998),
        }
        if params["optimizer"] == "adamw":
            rate = trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True)
        else:
            rate = trial.suggest_float("sgd_learning_rate", 0.02, 0.5, log=True)
        params["learning_rate"] = rate
        if params["depth"] > 9:
            skipped = trial.suggest_float("stochastic_depth", 0.0, 0.3)
            params["stochastic_depth"] = skipped
        params |= suggest_augmentation(trial, task, params["max_epochs"])
        return params | suggest_loss(trial, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return the default, a net of the other width, and TrivialAugment."""
        usual = usual_training(task)
        epochs = epochs_of(task)
        own: dict[str, Any] = {
            "depth": 9,
            "width": SMALL,
            "norm": "batch",
            "optimizer": "adamw",
            "learning_rate": 5e-3,
            "weight_decay": 0.05,
            "max_epochs": epochs,
            "batch_size": 64,
            "dropout": 0.0,
            "averaging": 0.0,
            **{name: usual[name] for name in OF_LOSS if name in usual},
        }
        widths = [SMALL, LARGE]
        if self._has_room({**own, "width": LARGE}, task, ROOM):
            widths.reverse()
        default = {**own, "width": widths[0], **usual_augmentation(task, epochs)}
        other = {**default, "width": widths[1]}
        if "trivial" not in task.facts.augmentations:
            return [default, other]
        trivial = usual_augmentation(task, epochs, "trivial")
        return [default, other, {**own, "width": widths[0], **trivial}]

    def _may_double(self, size: int, task: Task) -> bool:
        if task.time_budget is None:
            return True
        epochs = epochs_of(task)
        setting = {"width": SMALL, "max_epochs": epochs, self.encoder_param: 2 * size}
        return self._has_room(setting, task, DEEP_ROOM)

    def _has_room(self, params, task: Task, n_trainings: float) -> bool:
        budget = task.time_budget
        return budget is not None and n_trainings * self.cost(params, task) <= budget

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Return the seconds of one fit on one core."""
        side = self.size_of(params, task)
        products = products_of(params.get("depth", 9), params.get("width", 32), side)
        step = SECONDS_PER_PRODUCT * products + SECONDS_PER_PIXEL * side**2
        epochs = params.get("max_epochs", 30)
        return task.n_samples * epochs * step * (1 + FORWARD * VALIDATED)


def epochs_of(task: Task) -> int:
    """Return the epochs of the default: the more, the fewer images there are."""
    epochs = LEARNED_IMAGES // max(task.n_samples, 1)
    return min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS)


def widths_of(task: Task) -> list[int]:
    """Return the widths of nets of which a few can be trained in the time budget."""
    widest = {"width": 2 * LARGE, "max_epochs": epochs_of(task)}
    is_timed = task.time_budget is not None
    if is_timed and not ImageResNetFamily()._has_room(widest, task, DEEP_ROOM):
        return [SMALL, LARGE]
    return [SMALL, LARGE, 2 * LARGE]


def depths_of(task: Task) -> list[int]:
    """Return the depths of nets of which a few can be trained in the time budget."""
    if task.time_budget is None:
        return [9, 18]
    family = ImageResNetFamily()
    setting = {"width": LARGE, "max_epochs": epochs_of(task)}
    deep = [
        depth
        for depth in (18, 34, 50)
        if family._has_room({**setting, "depth": depth}, task, DEEP_ROOM)
    ]
    return [9, *deep]
