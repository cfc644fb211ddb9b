"""What families of frozen embeddings share: the models on top, and their fit."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from automodel.families._cost import trees_per_round
from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.task import Task

KERNEL_ROWS = 100, 30_000
MLP_ROWS = 300
BOOSTING_ROWS = 500
BOOSTING_TREES = 8  # in a round; more classes take too long with hundreds of columns
N_LANDMARKS = 500
SECONDS_PER_PRODUCT = 8e-11
MLP_SETTING = {
    "mlp__n_layers": 1,
    "mlp__width": 256,
    "mlp__dropout": 0.3,
    "mlp__learning_rate": 0.02,
    "mlp__weight_decay": 0.05,
    "mlp__max_epochs": 32,
}


class EmbeddingsFamily(ModelFamily):
    """A family of models of embeddings, one of which is chosen by each trial.

    Attributes
    ----------
    heads : mapping of str to ModelFamily
        The families of tables that the models belong to.
    """

    heads: Mapping[str, ModelFamily]
    chooses_rounds = True
    stops_on_own_rows = True

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        """Fit the chosen model as its family of tables does."""
        monitor.check_time()
        monitor.report_folds_only()  # the scores of different models cannot be compared
        family = self.heads[estimator.head]
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
        shorter.model_ = self.heads["boosting"].cut(estimator.model_, n_iterations)
        return shorter

    def compact(self, estimator):
        """Return the model without what prediction does not need."""
        if hasattr(estimator, "model_"):
            family = self.heads[estimator.head]
            estimator.model_ = family.compact(estimator.model_)
        return estimator


def nonlinear_heads(task: Task, most_trees: int = BOOSTING_TREES) -> list[str]:
    """Return the models that are worthwhile for this number of rows and classes.

    Boosting grows at most `most_trees` trees in a round.
    """
    fewest, most = KERNEL_ROWS
    heads = []
    if fewest <= task.n_samples <= most:
        heads.append("kernel")
    if task.n_samples >= MLP_ROWS:
        heads.append("mlp")
    if task.n_samples >= BOOSTING_ROWS and trees_per_round(task) <= most_trees:
        heads.append("boosting")
    return heads


def kernel_seconds(n_rows: int, n_columns: int, n_landmarks: int) -> float:
    """Return about how long it takes to map rows to a kernel of landmarks."""
    return SECONDS_PER_PRODUCT * n_rows * n_landmarks * (n_columns + n_landmarks)


def params_of(head: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the family of a model knows, without their prefix."""
    prefix = f"{head}__"
    own = {
        name.removeprefix(prefix): value
        for name, value in params.items()
        if name.startswith(prefix)
    }
    return {**own, "embedding": "none"} if head == "mlp" else own


def mlp_space(trial) -> dict[str, Any]:
    """Suggest parameters of a multilayer perceptron."""
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


def boosting_space(trial) -> dict[str, Any]:
    """Suggest parameters of a gradient boosting model."""
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


def penalty_space(trial, head: str, task: Task) -> dict[str, Any]:
    """Suggest the penalty of a linear model of embeddings, or of a kernel."""
    low, high = _bounds(task, head)
    name = _penalty_name(task, head)
    return {name: trial.suggest_float(name, low, high, log=True)}


def proven_penalties(task: Task, head: str) -> list[dict[str, float]]:
    """Return two proven penalties of a linear model of embeddings, or of a kernel."""
    is_kernel = head == "kernel"
    if task.is_classification:
        values = (10.0, 1.0) if is_kernel else (0.01, 0.1)
    elif task.objective.is_deviance:
        values = 0.1, 1e-3
    else:
        values = (0.1, 1.0) if is_kernel else (1000.0, 100.0)
    return [{_penalty_name(task, head): value} for value in values]


def _penalty_name(task: Task, head: str) -> str:
    return f"{head}__C" if task.is_classification else f"{head}__alpha"


def _bounds(task: Task, head: str) -> tuple[float, float]:
    """Return the range of the penalty. Only embeddings are large numbers."""
    is_kernel = head == "kernel"
    if task.is_classification:
        return (0.1, 1e3) if is_kernel else (1e-4, 10.0)
    if task.objective.is_deviance:
        return 1e-6, 10.0
    return (1e-3, 10.0) if is_kernel else (1.0, 1e5)
