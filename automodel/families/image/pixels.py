"""Models of pixels and gradients, for small images and where no net helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from automodel.families._columns import ALL_TASKS
from automodel.families._embeddings import (
    MLP_SETTING,
    EmbeddingsFamily,
    boosting_space,
    kernel_seconds,
    mlp_space,
    nonlinear_heads,
    params_of,
    penalty_space,
    proven_penalties,
)
from automodel.families.base import ModelFamily
from automodel.families.extra_trees import ExtraTrees
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from automodel.families.image._base import ImageFamily
from automodel.families.image.features import ImageFeaturesFamily
from automodel.families.linear import Linear
from automodel.families.mlp import MLPFamily
from automodel.preprocessing.image.pixels import ImagePixels, n_columns
from automodel.preprocessing.table_facts import TableFacts
from automodel.task import Task

HEADS: dict[str, ModelFamily] = {
    "linear": Linear(),
    "kernel": Linear(),
    "mlp": MLPFamily(),
    "boosting": HistGradientBoosting(),
    "forest": ExtraTrees(),
}
FEATURES = ImageFeaturesFamily()
SIZES = {"pixels": (8, 16, 28), "gradients": (16, 32, 64)}
MOST_SCALE = 1.3  # to which images are enlarged, since more adds no detail
SMALL = 32  # pixels of grey images whose gradients tell as much as any features
BOOSTING_TREES = 4  # in a round; more classes take too long with hundreds of columns
LANDMARKS = 250, 1500
USUAL_LANDMARKS = 1000
KERNEL_PENALTY = 30.0  # the inverse one of a classifier
LINEAR_SHARE = 0.25  # of the usual cost, which linear models of a kernel take


class ImagePixelsFamily(EmbeddingsFamily, ImageFamily):
    """Pixels or gradients with a linear model, a kernel, a net, a forest or boosting.

    Gradients tell more than pixels where objects move, and are the first to be tried.
    """

    name = "image_pixels"
    tasks = ALL_TASKS
    rank = 30
    start_seconds = 0.3
    heads = HEADS

    def pays(self, task: Task) -> bool:
        """Leave out photographs if there is time for features, which tell more."""
        facts = task.facts
        is_small = facts.channels == 1 and facts.side <= SMALL
        return is_small or not FEATURES.is_quick(task)

    def estimator(self, task: Task, random_state: int):
        from automodel.families.image._pixel_heads import (
            PixelClassifier,
            PixelRegressor,
        )

        table = table_of(task, columns_of(task)[0])
        heads = {
            name: family.estimator(table, random_state)
            for name, family in HEADS.items()
        }
        kind = PixelClassifier if task.is_classification else PixelRegressor
        heads["mlp"].set_params(embedding="none")
        return kind(**heads, random_state=random_state)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "columns": trial.suggest_categorical("columns", columns_of(task)),
            "head": trial.suggest_categorical("head", heads_of(task)),
        }
        head = params["head"]
        if head == "mlp":
            return params | mlp_space(trial)
        if head == "boosting":
            return params | boosting_space(trial)
        if head == "forest":
            return params | _forest_space(trial, table_of(task, params["columns"]))
        if head == "kernel":
            low, high = LANDMARKS
            params["gamma"] = trial.suggest_float("gamma", 0.05, 5.0, log=True)
            params["n_landmarks"] = trial.suggest_int(
                "n_landmarks", low, high, log=True
            )
        return params | penalty_space(trial, head, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        columns, heads = columns_of(task), heads_of(task)
        fine = [c for c in columns if c.startswith("gradients")][-1:]
        best = [*fine, *[c for c in columns if c.startswith("pixels")][-1:]]
        settings = []
        if "kernel" in heads:
            kernel = {"gamma": 0.5, "n_landmarks": USUAL_LANDMARKS}
            kernel |= proven_penalties(task, "kernel")[0]
            if task.is_classification:
                kernel["kernel__C"] = KERNEL_PENALTY
            settings += [{"columns": c, "head": "kernel", **kernel} for c in best]
        linear, *_ = proven_penalties(task, "linear")
        settings += [{"columns": c, "head": "linear", **linear} for c in best]
        if "mlp" in heads:
            mlp = {**MLP_SETTING, "mlp__n_layers": 2}
            settings.append({"columns": best[0], "head": "mlp", **mlp})
        first = HEADS["forest"].portfolio(table_of(task, best[-1]))[0]
        forest = {f"forest__{name}": value for name, value in first.items()}
        settings.append({"columns": best[-1], "head": "forest", **forest})
        return settings

    def preprocessor(self, estimator, task: Task):
        return encoder_of(estimator.columns, task)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds of a fit on images that are columns already."""
        head = params.get("head", "linear")
        own = params_of(head, params)
        table = table_of(task, params.get("columns", columns_of(task)[0]))
        if head != "kernel":
            return HEADS[head].cost(own, table)
        n_landmarks = min(params.get("n_landmarks", USUAL_LANDMARKS), task.n_samples)
        width = table.facts.n_features
        distances = kernel_seconds(task.n_samples, width, n_landmarks)
        facts = TableFacts(n_features=n_landmarks, n_numeric=n_landmarks)
        linear = HEADS[head].cost(own, replace(table, facts=facts))
        return distances + LINEAR_SHARE * linear


def columns_of(task: Task) -> list[str]:
    """Return the choices of columns: their kind, and the size of the images."""
    facts, choices = task.facts, []
    for view, sizes in SIZES.items():
        most = MOST_SCALE * facts.side
        usual = [size for size in sizes if size <= most] or [sizes[0]]
        choices += [f"{view}-{size}" for size in facts.sizes(usual)]
    return choices


def encoder_of(columns: str, task: Task) -> ImagePixels:
    """Return the encoder that a choice of columns stands for."""
    view, size = columns.split("-")
    return ImagePixels(int(size), view, color=task.facts.channels == 3)


def table_of(task: Task, columns: str) -> Task:
    """Return the task of learning from these columns."""
    encoder = encoder_of(columns, task)
    width = n_columns(encoder.size, encoder.view, encoder.color)
    facts = TableFacts(n_features=width, n_numeric=width)
    return replace(task, modality="tabular", facts=facts)


def heads_of(task: Task) -> list[str]:
    """Return the models that are worthwhile for this number of rows and classes."""
    return ["linear", "forest", *nonlinear_heads(task, BOOSTING_TREES)]


class _Prefixed:
    """A trial whose names of parameters begin with those of a head."""

    def __init__(self, trial: Any, prefix: str):
        self._trial = trial
        self._prefix = prefix

    def suggest_int(self, name, *args, **options):
        return self._trial.suggest_int(self._prefix + name, *args, **options)

    def suggest_float(self, name, *args, **options):
        return self._trial.suggest_float(self._prefix + name, *args, **options)

    def suggest_categorical(self, name, *args, **options):
        return self._trial.suggest_categorical(self._prefix + name, *args, **options)


def _forest_space(trial, table: Task) -> dict[str, Any]:
    own: Any = _Prefixed(trial, "forest__")
    found = HEADS["forest"].search_space(own, table)
    return {f"forest__{name}": value for name, value in found.items()}
