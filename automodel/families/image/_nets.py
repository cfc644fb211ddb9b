"""What the families of neural nets for images share."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from automodel.families._columns import ALL_TASKS
from automodel.families._net import fit_net, new_net
from automodel.families.base import Resources
from automodel.families.image._base import ImageFamily
from automodel.nets.image.augment import FLIPS

if TYPE_CHECKING:
    from automodel.task import Task

CHANGES = {  # the largest strengths of changes that are searched together
    "translate": 0.2,
    "rotate": 30.0,
    "scale": 0.3,
    "crop": 0.5,
    "noise": 0.1,
    "brightness": 0.4,
    "contrast": 0.4,
}
USUAL = {"translate": 0.1}
ERASE = 0.25
MIXED = {"mixup": 0.2, "cutmix": 1.0}  # parameters alpha
MIXED_EPOCHS = 20  # from which mixed images help
FORWARD = 1 / 3  # share of a training step that predicts
N_FOLDS = 5
TWICE_UP_TO = 500  # images, of which folds are drawn twice
FOLDS_UP_TO = 2_000  # images, of which a search always draws folds
START_SHARE = 0.05  # of the time, in which each worker may load torch
TRAINED_SHARE = 0.8  # of the images, if a fifth is validated


class ImageNetFamily(ImageFamily):
    """A net of `automodel.nets` for images, whose size is that of its encoder.

    It stops early on an inner part of the training images, never on the validation part
    of the fold. Unless it is named, a search only tries it if most of its trainings end
    within the time budget, if need be with a single split of many images.

    Attributes
    ----------
    classifier, regressor : str
        Names in `automodel.nets`.
    fewest_steps : int
        Steps after which a net is usable that has not completed an epoch.
    worthwhile : float
        Share of the steps of the default that have to fit into the time budget.
    """

    tasks = ALL_TASKS
    requires = ("torch", "skorch")
    model_requires = ()  # a fitted net holds arrays
    iteration_param = "max_epochs"
    encoder_param = "size"
    stops_on_own_rows = True
    most_share = 0.8
    start_seconds = 4.5  # to import torch and skorch
    start_bytes = 3.5e8
    classifier: str
    regressor: str
    fewest_steps = 30
    worthwhile = 0.5

    def encodings(self, task: Task) -> Sequence[int]:
        """Return the sizes of images that a trial can choose from, the usual first."""
        return task.facts.sizes(self.sizes(task))

    def sizes(self, task: Task) -> Sequence[int]:
        """Return the sizes that suit the images, the usual one first."""
        raise NotImplementedError

    def pays(self, task: Task) -> bool:
        """Tell whether the default can take most of its steps in time."""
        return self._is_learned_in_time(self._seconds_per_split(task), task)

    def _is_learned_in_time(self, seconds: float, task: Task) -> bool:
        """Tell whether a trial takes most of its steps, by the seconds of a split."""
        if task.time_budget is None:  # a trial without a clock would take minutes
            return False
        needed = self.worthwhile * n_splits_of(task) * seconds
        return needed + self.start_seconds <= self.most_share * task.time_budget

    def is_slow(self, task: Task) -> bool:
        """Tell whether there is time for the default in a split, but not in folds."""
        budget = task.time_budget
        if budget is None or not (self.supports(task) and self.pays(task)):
            return False
        return N_FOLDS * self._seconds_per_split(task) > self.most_share * budget

    def _seconds_per_split(self, task: Task) -> float:
        return TRAINED_SHARE * self.cost(self.portfolio(task)[0], task)

    def estimator(self, task: Task, random_state: int):
        net = new_net(self.classifier, self.regressor, task, random_state)
        if task.time_budget is None:
            # A search without a clock must find the same on any processor.
            net.set_params(precision="float32")
        return net.set_params(guard_flips=task.facts.guards_flips)

    def resources(self, task: Task) -> Resources:
        """Let each worker load torch, unless that takes much of the time."""
        budget = task.time_budget
        if budget is not None and self.start_seconds <= START_SHARE * budget:
            return Resources()
        return super().resources(task)

    def preprocessor(self, estimator, task: Task):
        from automodel.preprocessing.image.resize import ResizedImages

        import_module("automodel.nets.image._training")  # before the time of the fold
        return ResizedImages(self.encodings(task)[0])

    def size_of(self, params: dict[str, Any], task: Task) -> int:
        """Return the size of the images of a setting."""
        if self.encoder_param in params:
            return params[self.encoder_param]
        return self.encodings(task)[0]

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Train inside the time that is left, to which the schedule adapts."""
        return fit_net(estimator, X, y, sample_weight, monitor, self.fewest_steps)


def n_splits_of(task: Task) -> int:
    """Return the fewest splits of a search, unless the user wants others."""
    if task.n_samples > FOLDS_UP_TO:
        return 1
    return N_FOLDS * (2 if task.n_samples <= TWICE_UP_TO else 1)


def suggest_augmentation(trial, task: Task, max_epochs: int) -> dict[str, Any]:
    """Suggest how images are changed in training, with the changes that are allowed."""
    allowed = task.facts.augmentations
    policies = policies_of(allowed)
    if len(policies) == 1:
        return {}
    policy = trial.suggest_categorical("augmentation", policies)
    if policy == "none":
        return {}
    params: dict[str, Any] = {"trivial": 1.0} if policy == "trivial" else {}
    if policy == "manual":
        for name, largest in CHANGES.items():
            if name in allowed:
                params[name] = trial.suggest_float(name, 0.0, largest)
        if "erase" in allowed:
            params["erase"] = trial.suggest_categorical("erase", [0.0, ERASE])
    for name in FLIPS:
        if name in allowed:
            params[name] = trial.suggest_categorical(name, [0.0, 0.5])
    if params.get("horizontal_flip"):
        averages = trial.suggest_categorical("flip_average", [False, True])
        params["flip_average"] = averages
    kinds = [name for name in MIXED if name in allowed]
    if kinds and max_epochs >= MIXED_EPOCHS:
        kind = trial.suggest_categorical("mix", ["none", *kinds])
        if kind != "none":
            params[kind] = MIXED[kind]
    return params


def policies_of(allowed: Sequence[str]) -> list[str]:
    """Return the ways to choose changes: by their strengths, by chance, or none."""
    policies = ["trivial"] if "trivial" in allowed else []
    others = {*CHANGES, *FLIPS, *MIXED, "erase"}
    return (["manual"] if others & {*allowed} else []) + policies + ["none"]


def usual_augmentation(
    task: Task, max_epochs: int, policy: str = "manual"
) -> dict[str, Any]:
    """Return a proven setting of what `suggest_augmentation` suggests."""
    allowed = task.facts.augmentations
    policies = policies_of(allowed)
    if len(policies) == 1:
        return {}
    policy = policy if policy in policies else policies[0]
    setting: dict[str, Any] = {"augmentation": policy}
    if policy == "none":
        return setting
    if policy == "manual":
        setting |= {n: USUAL.get(n, 0.0) for n in (*CHANGES, "erase") if n in allowed}
    usual_flips = {"horizontal_flip": 0.5, "vertical_flip": 0.0}
    setting |= {name: rate for name, rate in usual_flips.items() if name in allowed}
    if "horizontal_flip" in allowed:
        setting["flip_average"] = False
    if any(name in allowed for name in MIXED) and max_epochs >= MIXED_EPOCHS:
        setting["mix"] = "none"
    return setting
