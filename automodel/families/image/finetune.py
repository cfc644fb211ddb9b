"""Fine-tuned nets: `FineTunedImageClassifier` and `FineTunedImageRegressor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._net import seldom, suggest_loss, usual_training
from automodel.families.image._nets import (
    FORWARD,
    TRAINED_SHARE,
    ImageNetFamily,
    suggest_augmentation,
    usual_augmentation,
)

if TYPE_CHECKING:
    from automodel.nets.weights import Weights
    from automodel.task import Task

OF_LOSS = ("loss", "label_smoothing", "class_weight")
SIZES = (96, 128, 64, 160, 224)
LARGE_SIZES = (128, 96, 160, 224, 64)  # for images of more than LARGE_SIDE
LARGE_SIDE = 160
MOST_ENLARGED = 4
# Of a training step of one image on one core, for each pixel.
SECONDS_PER_PIXEL = {
    "efficientnet_lite0": 1.1e-6,
    "efficientnet_lite1": 1.8e-6,
    "efficientnet_lite2": 2.4e-6,
    "efficientnet_lite3": 4.0e-6,
    "efficientnet_lite4": 7.0e-6,
    "resnet18": 1.0e-6,
    "resnet34": 2.0e-6,
    "resnet50": 2.5e-6,
    "resnet101": 5.0e-6,
}
OTHERS = 3e-6
VALIDATED = 0.4  # of the images, in an epoch
FEWEST_IMAGES = 100  # with fewer, frozen nets are as good
LATE_STAGES = 3  # that are trained alone, of a net of many small stages
MANY_STAGES = 7


class ImageFinetuneFamily(ImageNetFamily):
    """A pretrained net, fine-tuned after linear probing.

    It reports to the search several times an epoch.
    """

    name = "image_finetune"
    rank = 90
    least_share = 0.3
    starts_search = False
    uses_weights = True
    fewest_steps = 1
    classifier = "FineTunedImageClassifier"
    regressor = "FineTunedImageRegressor"

    def supports(self, task: Task) -> bool:
        """Leave out tasks without pretrained weights."""
        return super().supports(task) and bool(task.facts.weights)

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the weights that are fine-tuned."""
        return task.facts.weights[:1]

    def pays(self, task: Task) -> bool:
        """Tell whether there are enough images, and time for most of the default."""
        return task.n_samples >= FEWEST_IMAGES and super().pays(task)

    def sizes(self, task: Task) -> Sequence[int]:
        """Return the usual size, and others with which a trial ends in time."""
        side = task.facts.side
        sizes = LARGE_SIZES if side > LARGE_SIDE else SIZES
        usual, *others = [s for s in sizes if s <= MOST_ENLARGED * side] or [min(SIZES)]
        return [usual, *(s for s in others if self._may_take(s, task))]

    def _may_take(self, size: int, task: Task) -> bool:
        if task.time_budget is None:
            return True
        seconds = TRAINED_SHARE * self.cost({self.encoder_param: size}, task)
        return self._is_learned_in_time(seconds, task)

    def estimator(self, task: Task, random_state: int):
        net = super().estimator(task, random_state)
        found = task.facts.weights
        return net.set_params(weights=found[0]) if found else net

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        """Suggest what is trained, for how long, and how fast."""
        params = {
            "layers": trial.suggest_categorical("layers", layers_of(task)),
            "taps": trial.suggest_categorical("taps", ["all", "last"]),
            "max_epochs": trial.suggest_int("max_epochs", 2, 30, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 3e-5, 3e-3, log=True),
            "head_rate": trial.suggest_float("head_rate", 1.0, 30.0, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
            "warm_up": trial.suggest_float("warm_up", 0.0, 0.3),
            "batch_size": trial.suggest_categorical("batch_size", [32, 16, 64]),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
            "frozen_statistics": seldom(trial, "frozen_statistics", True, False),
        }
        if params["layers"] == "all":
            params["layer_decay"] = trial.suggest_float("layer_decay", 0.7, 1.0)
        params |= suggest_augmentation(trial, task, params["max_epochs"])
        return params | suggest_loss(trial, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return the default, the last stages alone, and TrivialAugment."""
        usual, last = usual_training(task), layers_of(task)[-1]
        default = {
            "layers": "all",
            "taps": "all",
            "max_epochs": 5,
            "learning_rate": 3e-4,
            "head_rate": 10.0,
            "weight_decay": 0.01,
            "warm_up": 0.1,
            "batch_size": 32,
            "dropout": 0.0,
            "frozen_statistics": True,
            "layer_decay": 0.9,
            **{name: usual[name] for name in OF_LOSS if name in usual},
            **usual_augmentation(task, 5),
        }
        stages = {**default, "layers": last}
        del stages["layer_decay"]
        settings = [default, stages]
        if "trivial" in task.facts.augmentations:
            others = set(usual_augmentation(task, 5))
            plain = {name: v for name, v in default.items() if name not in others}
            trivial = {"max_epochs": 10, **usual_augmentation(task, 10, "trivial")}
            settings.append({**plain, **trivial})
        return settings

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Return the seconds of one fit on one core."""
        kind = task.facts.weights[0].kind if task.facts.weights else ""
        per_pixel = SECONDS_PER_PIXEL.get(kind, OTHERS)
        trained = {"all": 1.0, "head": 0.0}.get(params.get("layers", "all"), 0.2)
        step = FORWARD + (1 - FORWARD) * trained
        passes = params.get("max_epochs", 5) * (step + FORWARD * VALIDATED) + FORWARD
        pixels = self.size_of(params, task) ** 2
        return task.n_samples * pixels * per_pixel * passes


def layers_of(task: Task) -> list[str | int]:
    """Return what a trial may train: everything, or the last stages."""
    found: Sequence[Weights] = task.facts.weights
    is_fine = bool(found) and len(found[0].channels) >= MANY_STAGES
    return ["all", LATE_STAGES if is_fine else 1]
