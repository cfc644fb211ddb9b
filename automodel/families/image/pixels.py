"""Models of pixels and gradients, for small images and where no net helps."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from automodel.families._columns import ALL_TASKS
from automodel.families._cost import trees_per_round
from automodel.families.base import ModelFamily
from automodel.families.extra_trees import ExtraTrees
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from automodel.families.image._base import ImageFamily
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
SIZES = {"pixels": (8, 16, 28), "gradients": (16, 32, 64)}
MOST_SCALE = 1.3  # to which images are enlarged, since more adds no detail
SMALL = 32  # pixels of grey images whose gradients tell as much as any features
KERNEL_ROWS = 100, 30_000
MLP_ROWS = 300
BOOSTING_ROWS = 500
BOOSTING_TREES = 4  # in a round; more classes take too long with hundreds of columns
LANDMARKS = 250, 1500
USUAL_LANDMARKS = 1000
LINEAR_SHARE = 0.25  # of the usual cost, which linear models of a kernel take


class ImagePixelsFamily(ImageFamily):
    """Pixels or gradients with a linear model, a kernel, a net, a forest or boosting.

    Gradients tell more than pixels where objects move, and are the first to be tried.
    """

    name = "image_pixels"
    tasks = ALL_TASKS
    rank = 30
    start_seconds = 0.3
    chooses_rounds = True
    stops_on_own_rows = True

    def pays(self, task: Task) -> bool:
        """Leave out photographs if there are weights, whose features tell more."""
        facts = task.facts
        return not facts.weights or (facts.channels == 1 and facts.side <= SMALL)

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
            return params | _mlp_space(trial)
        if head in ("boosting", "forest"):
            table = table_of(task, params["columns"])
            return params | _renamed(HEADS[head], trial, table, f"{head}__")
        if head == "kernel":
            low, high = LANDMARKS
            params["gamma"] = trial.suggest_float("gamma", 0.05, 5.0, log=True)
            params["n_landmarks"] = trial.suggest_int(
                "n_landmarks", low, high, log=True
            )
        return params | _linear_space(trial, head, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        columns, heads = columns_of(task), heads_of(task)
        fine = [c for c in columns if c.startswith("gradients")][-1:]
        best = [*fine, *[c for c in columns if c.startswith("pixels")][-1:]]
        settings = []
        if "kernel" in heads:
            kernel = {"gamma": 0.5, "n_landmarks": USUAL_LANDMARKS}
            kernel |= _strengths(task, "kernel")[0]
            settings += [{"columns": c, "head": "kernel", **kernel} for c in best]
        linear, *_ = _strengths(task, "linear")
        settings += [{"columns": c, "head": "linear", **linear} for c in best]
        if "mlp" in heads:
            settings.append({"columns": best[0], "head": "mlp", **MLP_SETTING})
        first = HEADS["forest"].portfolio(table_of(task, best[-1]))[0]
        forest = {f"forest__{name}": value for name, value in first.items()}
        settings.append({"columns": best[-1], "head": "forest", **forest})
        return settings

    def preprocessor(self, estimator, task: Task):
        return encoder_of(estimator.columns, task)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds of a fit on images that are columns already."""
        head = params.get("head", "linear")
        prefix = f"{head}__"
        own = {n.removeprefix(prefix): v for n, v in params.items() if prefix in n}
        table = table_of(task, params.get("columns", columns_of(task)[0]))
        if head == "mlp":
            own["embedding"] = "none"
        if head != "kernel":
            return HEADS[head].cost(own, table)
        n_landmarks = min(params.get("n_landmarks", USUAL_LANDMARKS), task.n_samples)
        width = table.facts.n_features
        distances = 1e-9 * n_landmarks * (task.n_samples * width + n_landmarks**2)
        facts = TableFacts(n_features=n_landmarks, n_numeric=n_landmarks)
        linear = HEADS[head].cost(own, replace(table, facts=facts))
        return distances + LINEAR_SHARE * linear

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Fit the chosen model as its family of tables does."""
        monitor.check_time()
        monitor.report_folds_only()  # the scores of different models cannot be compared
        family = HEADS[estimator.head]
        X = estimator.fit_steps(X)
        if monitor.has_validation:
            monitor.X_valid = estimator.mapped(monitor.X_valid)
        estimator.model_ = family.fit(
            estimator.chosen(), X, y, sample_weight=sample_weight, monitor=monitor
        )
        if not family.stops_on_own_rows:
            monitor.steps_cut = monitor.steps_used
        return estimator

    def cut(self, estimator, n_iterations):
        """Return a copy with the first rounds of boosting; other models are whole."""
        if getattr(estimator, "head", "") != "boosting":
            return estimator
        shorter = copy(estimator)
        shorter.model_ = HEADS["boosting"].cut(estimator.model_, n_iterations)
        return shorter


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
    fewest, most = KERNEL_ROWS
    heads = ["linear", "forest"]
    if fewest <= task.n_samples <= most:
        heads.append("kernel")
    if task.n_samples >= MLP_ROWS:
        heads.append("mlp")
    if task.n_samples >= BOOSTING_ROWS and trees_per_round(task) <= BOOSTING_TREES:
        heads.append("boosting")
    return heads


MLP_SETTING = {
    "mlp__n_layers": 2,
    "mlp__width": 256,
    "mlp__dropout": 0.3,
    "mlp__learning_rate": 0.02,
    "mlp__weight_decay": 0.05,
    "mlp__max_epochs": 32,
}


def _mlp_space(trial) -> dict[str, Any]:
    return {
        "mlp__n_layers": trial.suggest_int("mlp__n_layers", 1, 3),
        "mlp__width": trial.suggest_int("mlp__width", 64, 512, step=64),
        "mlp__dropout": trial.suggest_float("mlp__dropout", 0.0, 0.6),
        "mlp__learning_rate": trial.suggest_float(
            "mlp__learning_rate", 3e-3, 0.1, log=True
        ),
        "mlp__weight_decay": trial.suggest_float(
            "mlp__weight_decay", 1e-3, 0.3, log=True
        ),
        "mlp__max_epochs": trial.suggest_int("mlp__max_epochs", 16, 64, step=16),
    }


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


def _renamed(family: ModelFamily, trial, table: Task, prefix: str) -> dict[str, Any]:
    """Return the search space of a family of tables, under names of a head."""
    own: Any = _Prefixed(trial, prefix)
    found = family.search_space(own, table)
    return {f"{prefix}{name}": value for name, value in found.items()}


def _linear_space(trial, head: str, task: Task) -> dict[str, Any]:
    low, high = _bounds(task, head)
    name = _strength_name(task, head)
    return {name: trial.suggest_float(name, low, high, log=True)}


def _strength_name(task: Task, head: str) -> str:
    return f"{head}__C" if task.is_classification else f"{head}__alpha"


def _bounds(task: Task, head: str) -> tuple[float, float]:
    """Return the range of the penalty."""
    if task.is_classification:
        return (1e-4, 10.0) if head == "linear" else (0.1, 1e3)
    if task.objective.is_deviance:
        return 1e-6, 10.0
    return (1.0, 1e5) if head == "linear" else (1e-3, 10.0)


def _strengths(task: Task, head: str) -> list[dict[str, float]]:
    """Return two proven penalties."""
    if task.is_classification:
        values = (0.01, 0.1) if head == "linear" else (30.0, 3.0)
    elif task.objective.is_deviance:
        values = (0.1, 1e-3)
    else:
        values = (1000.0, 100.0) if head == "linear" else (0.1, 1.0)
    return [{_strength_name(task, head): value} for value in values]
