"""Faster R-CNN with a pretrained backbone, or a small one from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._net import seldom
from automodel.families.detection._base import DetectionFamily
from automodel.families.image.finetune import MANY_STAGES, OTHERS, SECONDS_PER_PIXEL

if TYPE_CHECKING:
    from automodel.nets.weights import Weights
    from automodel.task import Task

# Seconds of one image on one core, between bfloat16 and float32. Those of a backbone
# are multiples of a training step in `SECONDS_PER_PIXEL`.
FORWARD = 0.22
FULL_STEP = 0.8
LATE_STEP = 0.7  # without the stages before the finest level of the pyramid
HEADS_PER_PIXEL = 2.5e-7  # of a training step of pyramid and heads of the usual width
SCRATCH_PER_PIXEL = 7e-7  # the same of all layers of the net from scratch
SECONDS_PER_REGION = 6e-5
USUAL_WIDTH, USUAL_HEAD = 96, 256
FLIPS = {"horizontal_flip": 0.5, "vertical_flip": 0.5}
LARGEST = {"scale": 0.4, "crop": 0.5, "brightness": 0.4}
FINE_LATE, COARSE_LATE = 5, 3  # of nets of many stages, and of ResNets
FEW_IMAGES = 1_000
FULL_EPOCHS = 6
MORE_EPOCHS = 12  # with all layers
SCRATCH_IMAGES = 15_000  # in all epochs of a net from scratch
FEWEST_SCRATCH_EPOCHS, MOST_SCRATCH_EPOCHS = 10, 60


class FasterRCNNFamily(DetectionFamily):
    """Faster R-CNN, whose heads are trained before the backbone."""

    name = "faster_rcnn"
    rank = 10
    may_use_weights = True

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the weights of the backbone."""
        named = [own for own in task.facts.weights if own.name == params.get("net")]
        return named or task.facts.weights[:1]

    def estimator(self, task: Task, random_state: int):
        from automodel.nets.detection import FasterRCNNDetector

        return FasterRCNNDetector(
            weights=task.facts.weights or None,
            n_classes=task.n_outputs,
            horizontal_flip=0.0,
            # A search without a clock must find the same on any processor.
            precision="float32" if task.time_budget is None else "auto",
            random_state=random_state,
        )

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        """Suggest the net, its anchors, how it is trained, and changes of images."""
        is_pretrained = bool(task.facts.weights)
        params: dict[str, Any] = {}
        if is_pretrained:
            names = [weights.name for weights in task.facts.weights]
            params["net"] = trial.suggest_categorical("net", names)
            params["frozen_epochs"] = trial.suggest_int("frozen_epochs", 1, 6)
            full = trial.suggest_int("full_epochs", 0, 20)
            if full:
                layers = trial.suggest_categorical("layers", ["all", "late"])
                late = late_stages_of(self.weights_of(params, task)[0])
                params["layers"] = late if layers == "late" else layers
        else:
            params["frozen_epochs"] = 0
            widths = [32, 16, 48]
            width = trial.suggest_categorical("backbone_width", widths)
            params["backbone_width"] = width
            full = trial.suggest_int("scratch_epochs", 5, 100, log=True)
        params["full_epochs"] = full
        params |= self._suggested_net(trial)
        params |= self._suggested_steps(trial, is_pretrained and full > 0)
        for name, rate in FLIPS.items():
            if name in task.facts.augmentations:
                params[name] = trial.suggest_categorical(name, [rate, 0.0])
        for name, largest in LARGEST.items():
            if name in task.facts.augmentations:
                params[name] = trial.suggest_float(name, 0.0, largest)
        return params

    def _suggested_net(self, trial) -> dict[str, Any]:
        widths, heads, regions = [96, 64, 128], [256, 128, 512], [128, 64, 256]
        ratios = ["auto", 1, 3]
        return {
            "pyramid_width": trial.suggest_categorical("pyramid_width", widths),
            "head_width": trial.suggest_categorical("head_width", heads),
            "regions_per_image": trial.suggest_categorical("regions", regions),
            "anchor_sizes": trial.suggest_categorical("anchor_sizes", [2, 1, 3]),
            "anchor_ratios": trial.suggest_categorical("anchor_ratios", ratios),
        }

    def _suggested_steps(self, trial, has_phases: bool) -> dict[str, Any]:
        params = {
            "optimizer": seldom(trial, "optimizer", "adamw", "sgd"),
            "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
            "batch_size": trial.suggest_categorical("batch_size", [4, 2, 8]),
        }
        if params["optimizer"] == "adamw":
            rate = trial.suggest_float("learning_rate", 3e-4, 5e-3, log=True)
        else:
            rate = trial.suggest_float("sgd_learning_rate", 5e-3, 0.1, log=True)
        params["learning_rate"] = rate
        if has_phases:
            factor = trial.suggest_float("full_rate", 0.05, 1.0, log=True)
            params["full_rate"] = factor
        return params

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return the default, and longer trainings with more changes of the images."""
        shared: dict[str, Any] = {
            "pyramid_width": 96,
            "head_width": 256,
            "regions": 128,
            "anchor_sizes": 2,
            "anchor_ratios": "auto",
            "optimizer": "adamw",
            "weight_decay": 0.01,
            # Few images need more steps than large batches take.
            "batch_size": 2 if task.n_samples <= FEW_IMAGES else 4,
            **self._changes(task, 0.0),
        }
        more = self._changes(task, 0.5)
        if not task.facts.weights:
            epochs = scratch_epochs_of(task)
            own = {"scratch_epochs": epochs, "learning_rate": 1e-3}
            default = {**shared, **own, "backbone_width": 32, "weight_decay": 0.05}
            return [default, {**default, **more}]
        # To train the first stages takes half a gigabyte more, and seldom helps.
        phases: dict[str, Any] = {"frozen_epochs": 2, "full_epochs": FULL_EPOCHS}
        phases |= {"layers": "late", "full_rate": 0.25}
        net = {"net": task.facts.weights[0].name, "learning_rate": 2e-3}
        default = {**shared, **net, **phases}
        settings = [default, {**default, **more}]
        longer = {"full_epochs": MORE_EPOCHS, "layers": "all"}
        settings.append({**default, **more, **longer})
        others = [{**default, "net": own.name} for own in task.facts.weights[1:]]
        return settings + others

    def _changes(self, task: Task, share: float) -> dict[str, Any]:
        """Return flips, and a share of the largest other changes."""
        changes = {**FLIPS, **{name: share * v for name, v in LARGEST.items()}}
        return {n: v for n, v in changes.items() if n in task.facts.augmentations}

    def heads_seconds(self, side: int, task: Task) -> float:
        """Return the seconds in which the heads of the default are trained."""
        if not task.facts.weights:
            return self.cost({self.encoder_param: side}, task)
        return self.cost({self.encoder_param: side, "full_epochs": 0}, task)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Return the seconds of one fit on one core."""
        pixels = self.pixels_of(self.side_of(params, task), task)
        heads = self._heads_seconds(params, pixels)
        if not task.facts.weights:
            epochs = params.get("full_epochs", scratch_epochs_of(task))
            width = params.get("backbone_width", 32) / 32
            step = SCRATCH_PER_PIXEL * pixels * width**1.5 + heads
            return task.n_samples * epochs * step
        kind = self.weights_of(params, task)[0].kind
        backbone = SECONDS_PER_PIXEL.get(kind, OTHERS) * pixels
        frozen, full = params.get("frozen_epochs", 3), params.get("full_epochs", 3)
        seconds = min(frozen, 1) * FORWARD * backbone
        step = FULL_STEP if params.get("layers", "all") == "all" else LATE_STEP
        seconds += full * step * backbone + (frozen + full) * heads
        return task.n_samples * seconds

    def _heads_seconds(self, params: dict[str, Any], pixels: float) -> float:
        width = params.get("pyramid_width", USUAL_WIDTH) / USUAL_WIDTH
        head = 0.5 + 0.5 * params.get("head_width", USUAL_HEAD) / USUAL_HEAD
        n_regions = params.get("regions_per_image", 128)
        seconds = HEADS_PER_PIXEL * pixels * width**1.5
        return seconds + SECONDS_PER_REGION * n_regions * width * head


def late_stages_of(weights: Weights) -> int:
    """Return how many stages of a net have maps of a stride of 8 pixels or more."""
    return FINE_LATE if len(weights.channels) >= MANY_STAGES else COARSE_LATE


def scratch_epochs_of(task: Task) -> int:
    """Return the epochs of a net from scratch: the more, the fewer images there are."""
    epochs = SCRATCH_IMAGES // max(task.n_samples, 1)
    return min(max(epochs, FEWEST_SCRATCH_EPOCHS), MOST_SCRATCH_EPOCHS)
