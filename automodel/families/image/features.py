"""Models of what a pretrained net, which is not trained, sees in images."""

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
from automodel.families.base import ModelFamily, Resources
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from automodel.families.image._base import ImageFamily
from automodel.families.linear import Linear
from automodel.families.mlp import MLPFamily
from automodel.nets.weights import Weights
from automodel.preprocessing.components import Components
from automodel.preprocessing.image.features import (
    POOLING,
    ImageFeatures,
    feature_seconds,
    spans_of,
)
from automodel.preprocessing.side_by_side import MeanOf
from automodel.preprocessing.some_columns import SomeColumns
from automodel.preprocessing.table_facts import TableFacts
from automodel.task import Task

HEADS: dict[str, ModelFamily] = {
    "linear": Linear(),
    "kernel": Linear(),
    "mlp": MLPFamily(),
    "boosting": HistGradientBoosting(),
}
POOLINGS = {
    "std": ("mean", "std"),
    "mean": ("mean",),
    "grid": ("mean", "grid"),
    "all": POOLING,
}
SIZES = (64, 96, 128, 160, 224)
MOST_SCALE = 4.0  # of the images, beyond which larger ones show nothing new
UNTIMED_SIZE = 128  # the largest one of a search without a clock
ENCODING_SHARE = 0.5  # of the time budget, that the features of the smallest size take
SIZE_SHARE = 0.25  # that those of a larger one take
FLIP = "horizontal_flip"
COMPONENTS = 512
CHOICES_OF_COMPONENTS = (512, 256, 128, None)
LANDMARKS = 250, 2000
USUAL_LANDMARKS = 1000
LINEAR_SHARE = 0.2  # of the usual cost, since components need few iterations
FULL_CELLS = 2_000_000  # of the matrix of all columns, that a linear model takes


class ImageFeaturesFamily(EmbeddingsFamily, ImageFamily):
    """Features of a frozen net with a linear model, a kernel, a net or boosting.

    The features of a size are computed once for all folds and trials. The search
    chooses the size, the layers that are pooled and how, the number of principal
    components, and the model on top of them.
    """

    name = "image_features"
    tasks = ALL_TASKS
    requires = ("torch",)
    model_requires = ()  # a fitted model imports it when it predicts
    rank = 20
    start_seconds = 4.0  # torch, and the weights
    start_bytes = 4e8
    heads = HEADS
    uses_weights = True

    def supports(self, task: Task) -> bool:
        """Leave out tasks without weights, or whose features take too long."""
        if not super().supports(task):
            return False
        found = task.facts.weights
        if not found or task.time_budget is None:
            return bool(found)
        return _fewest_seconds(task) <= ENCODING_SHARE * task.time_budget

    def is_quick(self, task: Task) -> bool:
        """Tell whether features are surely tried, and ready early.

        A search does not begin with slow imports where these may take a third of it.
        """
        if self.missing_libraries() or not self.supports(task):
            return False
        if task.time_budget is None:
            return True
        needed = 2 * self.start_seconds + _fewest_seconds(task)
        return needed <= ENCODING_SHARE * task.time_budget

    def resources(self, task: Task) -> Resources:
        """Return no library, since only trials that compute features need one."""
        return Resources()

    def why_unsupported(self, task: Task) -> str:
        """Return why, such as that the features take long to be computed."""
        if super().supports(task) and task.facts.weights and task.time_budget:
            return (
                f"computing the features takes about {_fewest_seconds(task):.0f} "
                f"seconds on one core, which is too much of {task.time_budget:g} "
                "seconds"
            )
        return super().why_unsupported(task)

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the weights of the features."""
        return [chosen_weights(params["net"], task)] if params else ()

    def estimator(self, task: Task, random_state: int):
        from automodel.families.image._feature_heads import (
            FeatureClassifier,
            FeatureRegressor,
        )

        table = table_of({}, task)
        heads = {
            name: family.estimator(table, random_state)
            for name, family in HEADS.items()
        }
        kind = FeatureClassifier if task.is_classification else FeatureRegressor
        heads["mlp"].set_params(embedding="none")
        return kind(**heads, random_state=random_state)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        names = [weights.name for weights in task.facts.weights]
        params = {
            "net": trial.suggest_categorical("net", names),
            "image_size": trial.suggest_categorical("image_size", sizes_of(task)),
            "taps": trial.suggest_categorical("taps", ["both", "middle", "last"]),
            "head": trial.suggest_categorical("head", heads_of(task)),
        }
        if FLIP in task.facts.augmentations:
            averages = trial.suggest_categorical("flip_average", [False, True])
            params["flip_average"] = averages
        if params["taps"] != "last":
            params["pooling"] = trial.suggest_categorical("pooling", list(POOLINGS))
        params["n_components"] = trial.suggest_categorical(
            "n_components", components_of(task)
        )
        if params["head"] == "mlp":
            return params | mlp_space(trial)
        if params["head"] == "boosting":
            return params | boosting_space(trial)
        if params["head"] == "kernel":
            low, high = LANDMARKS
            params["gamma"] = trial.suggest_float("gamma", 0.05, 2.0, log=True)
            params["n_landmarks"] = trial.suggest_int(
                "n_landmarks", low, high, log=True
            )
        return params | penalty_space(trial, params["head"], task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return a linear model of each size, a kernel, and other ways of pooling."""
        sizes, heads = sizes_of(task), heads_of(task)
        usual = {
            "net": task.facts.weights[0].name,
            "image_size": sizes[len(sizes) // 2],
            "taps": "both",
            "pooling": "std",
            "n_components": COMPONENTS,
        }
        averages = FLIP in task.facts.augmentations
        if averages:
            usual["flip_average"] = False
        linear = {**usual, "head": "linear", **proven_penalties(task, "linear")[0]}
        settings = [{**linear, "image_size": size} for size in sizes]
        best = linear
        if "kernel" in heads:
            best = {**usual, "head": "kernel", "gamma": 0.5}
            best |= {"n_landmarks": USUAL_LANDMARKS}
            best |= proven_penalties(task, "kernel")[0]
            settings += [{**best, "image_size": size} for size in sizes[-2:][::-1]]
        last = {**linear, "image_size": sizes[-1], "taps": "last"}
        del last["pooling"]
        settings += [{**best, "pooling": "all"}, last]
        if averages:
            settings.append({**best, "flip_average": True})
        settings += [{**best, "net": own.name} for own in task.facts.weights[1:]]
        if "mlp" in heads:
            settings.append({**usual, "head": "mlp", **MLP_SETTING})
        return settings

    def preprocessor(self, estimator, task: Task):
        weights, options = chosen_weights(estimator.net, task), {}
        # A search without a clock must find the same on any processor.
        options["precision"] = "float32" if task.time_budget is None else "auto"
        spans = spans_of(weights, estimator.taps, POOLINGS[estimator.pooling])
        flips = ("none", "horizontal") if estimator.flip_average else ("none",)
        encoders = [
            SomeColumns(
                ImageFeatures(
                    weights,
                    image_size=estimator.image_size,
                    taps="both",
                    pooling=POOLING,
                    flip=flip,
                    **options,
                ),
                spans,
            )
            for flip in flips
        ]
        encoder = encoders[0] if len(encoders) == 1 else MeanOf(encoders)
        return Components(encoder, estimator.n_components)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds of a fit on features that are computed already."""
        head = params.get("head", "linear")
        own = params_of(head, params)
        table = table_of(params, task)
        if head == "linear":
            return LINEAR_SHARE * HEADS[head].cost(own, table)
        if head != "kernel":
            return HEADS[head].cost(own, table)
        n_landmarks = min(params.get("n_landmarks", USUAL_LANDMARKS), task.n_samples)
        width = table.facts.n_features
        distances = kernel_seconds(task.n_samples, width, n_landmarks)
        facts = TableFacts(n_features=n_landmarks, n_numeric=n_landmarks)
        table = replace(table, facts=facts)
        return distances + LINEAR_SHARE * HEADS[head].cost(own, table)

    def shared_cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds in which the features of all images are computed."""
        size = params.get("image_size", sizes_of(task)[0])
        n_flips = 2 if params.get("flip_average") else 1
        return n_flips * task.n_samples * _image_seconds(task, size)


def _fewest_seconds(task: Task) -> float:
    """Return the seconds of the features of the smallest size, by the fastest net."""
    return task.n_samples * _image_seconds(task, task.facts.sizes(SIZES)[0])


def _image_seconds(task: Task, size: int) -> float:
    """Return the seconds to read an image, and of its features by the fastest net."""
    facts = task.facts
    fastest = min(feature_seconds(weights, size) for weights in facts.weights)
    return facts.read_seconds + fastest


def chosen_weights(net: str, task: Task) -> Weights:
    """Return the weights of this name, or else the first ones."""
    found = {weights.name: weights for weights in task.facts.weights}
    return found.get(net, task.facts.weights[0])


def sizes_of(task: Task) -> list[int]:
    """Return the sizes of images that are worthwhile, and affordable in the time."""
    facts = task.facts
    sizes = [size for size in SIZES if size <= MOST_SCALE * facts.side]
    if task.time_budget is None:
        sizes = [size for size in sizes if size <= UNTIMED_SIZE]
    else:
        most = SIZE_SHARE * task.time_budget / task.n_samples
        sizes = [size for size in sizes if _image_seconds(task, size) <= most]
    return facts.sizes(sizes or [SIZES[0]])


def heads_of(task: Task) -> list[str]:
    """Return the models that are worthwhile for this number of rows and classes."""
    return ["linear", *nonlinear_heads(task)]


def components_of(task: Task) -> list[int | None]:
    """Return the numbers of components that a model can take; None stands for all."""
    width = table_of({"n_components": None}, task).facts.n_features
    is_small = task.n_samples * width * task.n_outputs <= FULL_CELLS
    return list(CHOICES_OF_COMPONENTS[: None if is_small else -1])


def table_of(params: dict[str, Any], task: Task) -> Task:
    """Return the task of learning from the columns that a setting stands for."""
    weights = chosen_weights(params.get("net", ""), task)
    pooling = POOLINGS[params.get("pooling", "std")]
    spans = spans_of(weights, params.get("taps", "both"), pooling)
    width = sum(end - start for start, end in spans)
    n_components = params.get("n_components", COMPONENTS)
    if n_components is not None:
        width = min(width, n_components)
    facts = TableFacts(n_features=width, n_numeric=width)
    return replace(task, modality="tabular", facts=facts)
