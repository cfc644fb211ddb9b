"""Models of sentence embeddings, which a pretrained encoder makes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from automodel.families._columns import ALL_TASKS
from automodel.families._cost import trees_per_round
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
KERNEL_ROWS = 100, 30_000
MLP_ROWS = 300
BOOSTING_ROWS = 500
BOOSTING_TREES = 8  # in a round; more classes take too long with hundreds of columns
N_LANDMARKS = 500
MAX_TOKENS, MAX_CHUNKS = 128, 4
LAYERS = -3, -1  # of which one in the middle knows more about words
FEW_TEXTS = 50  # of a class, with fewer of which the last layer alone is better
ENCODING_SHARE = 0.5  # of the time budget, that embeddings may take


class TextEmbeddingFamily(TextFamily):
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
    chooses_rounds = True
    stops_on_own_rows = True
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
        from automodel.families.text._embedding_heads import (
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
            return params | _mlp_space(trial)
        if params["head"] == "boosting":
            return params | _boosting_space(trial)
        if params["head"] == "kernel":
            params["gamma"] = trial.suggest_float("gamma", 0.05, 2.0, log=True)
        if params["head"] == "joint":
            params |= _joint_space(trial, task)
        return params | _linear_space(trial, params["head"], task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        choices = [{"embedding": weights.name} for weights in task.facts.weights]
        first, second = _strengths(task, "linear")
        joint, *others = _joint_settings(task)
        settings = [{**choice, "head": "joint", **joint} for choice in choices]
        settings += [{**choice, "head": "linear", **first} for choice in choices]
        settings += [{**choices[0], "head": "joint", **other} for other in others]
        settings.append({**choices[0], "head": "linear", **second})
        if "kernel" in heads_of(task):
            strength, _ = _strengths(task, "kernel")
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
        prefix = f"{head}__"
        own = {
            name.removeprefix(prefix): value
            for name, value in params.items()
            if name.startswith(prefix)
        }
        table = table_of(task, params.get("embedding", ALL))
        if head == "joint":
            return JOINT.cost(own, task, table.facts.n_features)
        if head == "mlp":
            own["embedding"] = "none"
        if head != "kernel":
            return HEADS[head].cost(own, table)
        n_columns = table.facts.n_features
        distances = 1e-9 * N_LANDMARKS * (task.n_samples * n_columns + N_LANDMARKS**2)
        facts = TableFacts(n_features=N_LANDMARKS, n_numeric=N_LANDMARKS)
        return distances + HEADS[head].cost(own, replace(table, facts=facts))

    def resources(self, task: Task) -> Resources:
        """Return no library, since only the trial that embeds the texts needs one."""
        return Resources()

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
    fewest, most = KERNEL_ROWS
    heads = ["linear", "joint"]
    if fewest <= task.n_samples <= most:
        heads.append("kernel")
    if task.n_samples >= MLP_ROWS:
        heads.append("mlp")
    if task.n_samples >= BOOSTING_ROWS and trees_per_round(task) <= BOOSTING_TREES:
        heads.append("boosting")
    return heads


def _fewest_seconds(task: Task) -> float:
    return min(encoding_seconds(weights, task) for weights in task.facts.weights)


def encoding_seconds(weights: Weights, task: Task) -> float:
    """Return about how long it takes to embed all texts on one core."""
    of_mean = embedding_seconds(
        weights, [task.facts.mean_chars], MAX_TOKENS * MAX_CHUNKS
    )
    return task.n_samples * of_mean


MLP_SETTING = {
    "mlp__n_layers": 1,
    "mlp__width": 256,
    "mlp__dropout": 0.3,
    "mlp__learning_rate": 0.02,
    "mlp__weight_decay": 0.05,
    "mlp__max_epochs": 32,
}


JOINT_SCALES = 0.25, 4.0


def _joint_space(trial, task: Task) -> dict[str, Any]:
    low, high = JOINT_SCALES
    params = {"joint__scale": trial.suggest_float("joint__scale", low, high, log=True)}
    heads = _joint_heads(task)
    if heads:
        params["joint__head"] = trial.suggest_categorical("joint__head", heads)
    return params


def _joint_heads(task: Task) -> list[str]:
    """Return the choices of a classifier; there is none for many classes."""
    if task.is_classification and task.n_classes <= FEW_CLASSES:
        return ["svm", "logistic"]
    return []


def _joint_settings(task: Task) -> list[dict[str, Any]]:
    """Return proven settings of a linear model of embeddings and TF-IDF."""
    first, second = _strengths(task, "joint")
    settings: list[dict[str, Any]] = [
        {"joint__scale": 1.0, **first},
        {"joint__scale": 0.5, **second},
    ]
    if not _joint_heads(task):
        return settings
    svms: list[dict[str, Any]] = [{"joint__head": "svm", **own} for own in settings]
    logistic = {"joint__head": "logistic", "joint__scale": 1.0, "joint__C": 3.0}
    return [*svms, logistic]


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


def _boosting_space(trial) -> dict[str, Any]:
    return {
        "boosting__learning_rate": trial.suggest_float(
            "boosting__learning_rate", 0.03, 0.3, log=True
        ),
        "boosting__max_leaf_nodes": trial.suggest_int(
            "boosting__max_leaf_nodes", 3, 31, log=True
        ),
        "boosting__max_features": trial.suggest_float(
            "boosting__max_features", 0.05, 0.5, log=True
        ),
        "boosting__l2_regularization": trial.suggest_float(
            "boosting__l2_regularization", 1e-3, 10.0, log=True
        ),
    }


def _linear_space(trial, head: str, task: Task) -> dict[str, Any]:
    low, high = _bounds(task, head)
    name = _strength_name(task, head)
    return {name: trial.suggest_float(name, low, high, log=True)}


def _strength_name(task: Task, head: str) -> str:
    if task.is_classification:
        return f"{head}__C"
    return f"{head}__head__alpha" if head == "joint" else f"{head}__alpha"


def _bounds(task: Task, head: str) -> tuple[float, float]:
    """Return the range of the penalty. Only embeddings alone are large numbers."""
    if task.is_classification:
        return {"linear": (1e-4, 10.0), "kernel": (0.1, 1e3), "joint": (0.01, 30.0)}[
            head
        ]
    if task.objective.is_deviance:
        return (1e-6, 10.0)
    return (1.0, 1e5) if head == "linear" else (1e-3, 10.0)


def _strengths(task: Task, head: str) -> list[dict[str, float]]:
    """Return two proven penalties."""
    name = _strength_name(task, head)
    if task.is_classification:
        values = {"linear": (0.01, 0.1), "kernel": (10.0, 1.0)}.get(head, (0.3, 0.1))
    elif task.objective.is_deviance:
        values = (1e-3, 1e-4) if head == "joint" else (0.1, 1e-3)
    elif head == "linear":
        values = (1000.0, 100.0)
    else:
        values = (1.0, 3.0) if head == "joint" else (0.1, 1.0)
    return [{name: value} for value in values]
