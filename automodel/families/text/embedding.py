"""Models of sentence embeddings, which a pretrained encoder makes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from automodel.families._columns import ALL_TASKS
from automodel.families._embeddings import (
    MLP_SETTING,
    N_LANDMARKS,
    EmbeddingsFamily,
    boosting_space,
    mlp_space,
    nonlinear_heads,
    params_of,
    penalty_space,
    proven_penalties,
)
from automodel.families.base import ModelFamily, Resources
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from automodel.families.linear import Linear
from automodel.families.mlp import MLPFamily
from automodel.families.text._base import TextFamily
from automodel.families.text._joint import JointHead
from automodel.families.text.tfidf import FEW_CLASSES
from automodel.nets.weights import Weights
from automodel.preprocessing.side_by_side import SideBySide
from automodel.preprocessing.table_facts import TableFacts
from automodel.preprocessing.text.embedding import (
    TextEmbedding,
    embedding_seconds,
    n_columns,
)
from automodel.task import Task

JOINT = JointHead()
HEADS: dict[str, ModelFamily] = {
    "linear": Linear(),
    "kernel": Linear(),
    "mlp": MLPFamily(),
    "boosting": HistGradientBoosting(),
    "joint": JOINT,
}
ALL = "all"  # embeddings of all weights, beside each other
MAX_TOKENS, MAX_CHUNKS = 128, 4
LAYERS = -3, -1  # of which one in the middle knows more about words
FEW_TEXTS = 50  # of a class, with fewer of which the last layer alone is better
ENCODING_SHARE = 0.5  # of the time budget, that embeddings may take


class TextEmbeddingFamily(EmbeddingsFamily, TextFamily):
    """Frozen sentence embeddings with a linear model, a kernel, a net or boosting.

    The embeddings are computed once for all folds and trials. The search chooses the
    weights, if there are several, and the model on top of them. A linear model may also
    have the TF-IDF of the texts beside the embeddings, which is the first to be tried:
    on most texts it is better than both alone, and than the average of both.
    """

    name = "text_embedding"
    tasks = ALL_TASKS
    requires = ("torch", "transformers")
    model_requires = ()  # a fitted model imports them when it predicts
    rank = 20
    start_seconds = 6.0  # torch, transformers, and the weights
    start_bytes = 6e8
    heads = HEADS
    uses_weights = True

    def supports(self, task: Task) -> bool:
        """Leave out tasks without weights, or whose texts take long to be embedded."""
        if not super().supports(task):
            return False
        found = task.facts.weights
        if not found or task.time_budget is None:
            return bool(found)
        return _fewest_seconds(task) <= ENCODING_SHARE * task.time_budget

    def why_unsupported(self, task: Task) -> str:
        """Return why, such as that the texts take long to be embedded."""
        if super().supports(task) and task.facts.weights and task.time_budget:
            return (
                f"embedding the texts takes about {_fewest_seconds(task):.0f} seconds "
                f"on one core, which is too much of {task.time_budget:g} seconds"
            )
        return super().why_unsupported(task)

    def weights_of(self, params: dict[str, Any], task: Task) -> Sequence[Weights]:
        """Return the weights of the embeddings."""
        return chosen_weights(params["embedding"], task) if params else ()

    def estimator(self, task: Task, random_state: int):
        from automodel.families._embedding_heads import (
            EmbeddingClassifier,
            EmbeddingRegressor,
        )

        table = table_of(task)
        heads = {
            name: family.estimator(task if name == "joint" else table, random_state)
            for name, family in HEADS.items()
        }
        kind = EmbeddingClassifier if task.is_classification else EmbeddingRegressor
        heads["mlp"].set_params(embedding="none")
        return kind(**heads, random_state=random_state, n_landmarks=N_LANDMARKS)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        params = {
            "embedding": trial.suggest_categorical("embedding", embeddings_of(task)),
            "head": trial.suggest_categorical("head", heads_of(task)),
        }
        if params["head"] == "mlp":
            return params | mlp_space(trial)
        if params["head"] == "boosting":
            return params | boosting_space(trial)
        if params["head"] == "kernel":
            params["gamma"] = trial.suggest_float("gamma", 0.05, 2.0, log=True)
        if params["head"] == "joint":
            return params | _joint_space(trial, task)
        return params | penalty_space(trial, params["head"], task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        choices = [{"embedding": weights.name} for weights in task.facts.weights]
        first, second = proven_penalties(task, "linear")
        joint, *others = _joint_settings(task)
        settings = [{**choice, "head": "joint", **joint} for choice in choices]
        settings += [{**choice, "head": "linear", **first} for choice in choices]
        settings += [{**choices[0], "head": "joint", **other} for other in others]
        settings.append({**choices[0], "head": "linear", **second})
        if "kernel" in heads_of(task):
            strength, _ = proven_penalties(task, "kernel")
            own = {"head": "kernel", "gamma": 0.5, **strength}
            settings += [{**choice, **own} for choice in choices]
        if "mlp" in heads_of(task):
            settings.append({**choices[0], "head": "mlp", **MLP_SETTING})
        return settings

    def preprocessor(self, estimator, task: Task):
        # A search without a clock must find the same on any processor.
        precision = "float32" if task.time_budget is None else "auto"
        encoders: list[Any] = [
            TextEmbedding(
                weights,
                max_tokens=MAX_TOKENS,
                max_chunks=MAX_CHUNKS,
                layers=layers_of(task),
                precision=precision,
            )
            for weights in chosen_weights(estimator.embedding, task)
        ]
        if estimator.head == "joint":
            encoders.append(JOINT.preprocessor(estimator.joint, task))
        return encoders[0] if len(encoders) == 1 else SideBySide(encoders)

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds of a fit on texts that are embedded already."""
        head = params.get("head", "linear")
        own = params_of(head, params)
        table = table_of(task, params.get("embedding", ALL))
        if head == "joint":
            return JOINT.cost(own, task, table.facts.n_features)
        if head != "kernel":
            return HEADS[head].cost(own, table)
        n_columns = table.facts.n_features
        distances = 1e-9 * N_LANDMARKS * (task.n_samples * n_columns + N_LANDMARKS**2)
        facts = TableFacts(n_features=N_LANDMARKS, n_numeric=N_LANDMARKS)
        return distances + HEADS[head].cost(own, replace(table, facts=facts))

    def shared_cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds in which all texts are embedded."""
        chosen = chosen_weights(params.get("embedding", ALL), task)
        return sum(encoding_seconds(weights, task) for weights in chosen)

    def resources(self, task: Task) -> Resources:
        """Return no library, since only the trial that embeds the texts needs one."""
        return Resources()


def embeddings_of(task: Task) -> list[str]:
    """Return the choices of embeddings, by the names of their weights."""
    names = [weights.name for weights in task.facts.weights]
    return [*names, ALL] if len(names) > 1 else names


def chosen_weights(embedding: str, task: Task) -> Sequence[Weights]:
    """Return the weights that a choice of embeddings stands for."""
    if embedding == ALL:
        return task.facts.weights
    found = {weights.name: weights for weights in task.facts.weights}
    return [found.get(embedding, task.facts.weights[0])]


def layers_of(task: Task) -> tuple[int, ...]:
    """Return the layers of an encoder that are pooled."""
    return LAYERS[-1:] if task.n_samples < FEW_TEXTS * task.n_classes else LAYERS


def table_of(task: Task, embedding: str = ALL) -> Task:
    """Return the task of learning from the columns of embeddings."""
    chosen = chosen_weights(embedding, task)
    width = sum(n_columns(weights, layers_of(task)) for weights in chosen)
    facts = TableFacts(n_features=width, n_numeric=width)
    return replace(task, modality="tabular", facts=facts)


def heads_of(task: Task) -> list[str]:
    """Return the models that are worthwhile for this number of rows and classes."""
    return ["linear", "joint", *nonlinear_heads(task)]


def _fewest_seconds(task: Task) -> float:
    return min(encoding_seconds(weights, task) for weights in task.facts.weights)


def encoding_seconds(weights: Weights, task: Task) -> float:
    """Return about how long it takes to embed all texts on one core."""
    of_mean = embedding_seconds(
        weights, [task.facts.mean_chars], MAX_TOKENS * MAX_CHUNKS
    )
    return task.n_samples * of_mean


JOINT_SCALES = 0.25, 4.0


def _joint_space(trial, task: Task) -> dict[str, Any]:
    low, high = JOINT_SCALES
    params = {"joint__scale": trial.suggest_float("joint__scale", low, high, log=True)}
    heads = _joint_heads(task)
    if heads:
        params["joint__head"] = trial.suggest_categorical("joint__head", heads)
    low, high = (0.01, 30.0) if task.is_classification else (1e-3, 10.0)
    if not task.is_classification and task.objective.is_deviance:
        low = 1e-6
    name = _joint_penalty(task)
    return params | {name: trial.suggest_float(name, low, high, log=True)}


def _joint_heads(task: Task) -> list[str]:
    """Return the choices of a classifier; there is none for many classes."""
    if task.is_classification and task.n_classes <= FEW_CLASSES:
        return ["svm", "logistic"]
    return []


def _joint_settings(task: Task) -> list[dict[str, Any]]:
    """Return proven settings of a linear model of embeddings and TF-IDF."""
    first, second = 0.3, 0.1
    if not task.is_classification:
        first, second = (1e-3, 1e-4) if task.objective.is_deviance else (1.0, 3.0)
    name = _joint_penalty(task)
    settings: list[dict[str, Any]] = [
        {"joint__scale": 1.0, name: first},
        {"joint__scale": 0.5, name: second},
    ]
    if not _joint_heads(task):
        return settings
    svms: list[dict[str, Any]] = [{"joint__head": "svm", **own} for own in settings]
    logistic = {"joint__head": "logistic", "joint__scale": 1.0, "joint__C": 3.0}
    return [*svms, logistic]


def _joint_penalty(task: Task) -> str:
    return "joint__C" if task.is_classification else "joint__head__alpha"
