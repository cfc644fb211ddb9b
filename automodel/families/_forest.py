"""ForestFamily: forests that grow in steps, to end in time and to stay small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier

from automodel.families._columns import (
    ALL_TASKS,
    by_column,
    each_changed,
    one_per_column,
)
from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.monitor import Monitor
    from automodel.task import Task

GROWTH_OF_CLASSES, GROWTH_OF_VALUES, USUAL_ROWS = -0.15, 0.15, 3000
N_TREES = 100  # of each fold, whose forests are averaged
LEAST_TREES = 25
MODEL_BYTES = 64 * 2**20  # of the forests of all columns together
NODE_BYTES = 64
LEAST_STEP = 3
ROWS_PER_LEAF_ROW = 10_000
COLUMNS_TRIED = 20  # at a node; more cost in proportion and hardly help
SAFETY = 0.8  # share of the time left that the next step may take


class ForestFamily(TabularFamily):
    """The base of random forests and extremely randomized trees."""

    tasks = ALL_TASKS
    iteration_param = "n_estimators"
    seconds_per_cell = 0.0  # of a tree, for each row, column tried and level
    forest: str  # the common part of the names of its estimators

    def estimator(self, task: Task, random_state: int):
        from automodel.families import _compact_forest, _quantile_forest

        options = {"n_estimators": N_TREES, "n_jobs": 1, "random_state": random_state}
        if task.is_classification:
            kind = getattr(_compact_forest, f"Compact{self.forest}Classifier")
            return kind(**options)
        if task.objective.is_quantile:
            kind = getattr(_quantile_forest, f"Quantile{self.forest}Regressor")
            estimator = kind(quantile=task.objective.quantile, **options)
            return one_per_column(estimator, task)
        return getattr(_compact_forest, f"Compact{self.forest}Regressor")(**options)

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        from automodel.preprocessing.tabular import TabularEncoder

        return TabularEncoder(categories="target", dtype="float32")

    def cost(self, params: dict[str, Any], task: Task) -> float:
        columns = self.n_columns(task)
        share = params.get("max_features", 1.0)
        if not isinstance(share, float):
            share = columns**-0.5
        rows = task.n_samples
        depth = np.log2(2 + rows / params.get("min_samples_leaf", 1))
        tried = max(1.0, share * columns) + 1 + 0.1 * task.n_classes
        if task.kind == "multilabel":  # several numbers take no longer than one
            tried += task.n_outputs
        n_trees = N_TREES * (task.n_outputs if task.objective.is_quantile else 1)
        # Trees of classes end early, in leaves of one class.
        growth = GROWTH_OF_CLASSES if task.is_classification else GROWTH_OF_VALUES
        tried *= (rows / USUAL_ROWS) ** growth
        return n_trees * (1e-3 + self.seconds_per_cell * rows * tried * depth)

    def setting(
        self, task: Task, share: float, split: int, leaf: int = 1
    ) -> dict[str, Any]:
        """Return a proven setting, by the names of `forest_space`.

        If there are many columns, a smaller share of them is tried at a node.
        """
        share = float(np.clip(COLUMNS_TRIED / self.n_columns(task), 0.1, share))
        setting: dict[str, Any] = {
            "max_features": share,
            "min_samples_split": split,
            "min_samples_leaf": max(leaf, least_leaf(task)),
            "min_impurity_decrease": 0.0,
        }
        if task.is_classification:
            setting["criterion"] = "entropy"
        return setting

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        if not is_classifier(estimator):
            # The least gain of a split has the unit of y squared.
            least = estimator.min_impurity_decrease * float(np.mean(np.var(y, axis=0)))
            estimator.set_params(min_impurity_decrease=least)
        grow(estimator, X, y, sample_weight, monitor)
        monitor.steps_used = len(estimator.estimators_)
        return estimator

    def compact(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return the forest, or that of each column, with its trees as arrays."""
        from automodel.families._compact_forest import CompactForest

        def change(model):
            return model.compact() if isinstance(model, CompactForest) else model

        return each_changed(estimator, change)


def grow(estimator, X, y, sample_weight, monitor: Monitor) -> None:
    """Grow a forest in steps, until it has all its trees or time is up.

    The trees do not depend on the steps, since scikit-learn draws the seed of each tree
    by its number.
    """
    fixed: Any = None if monitor.has_validation else monitor.n_iterations
    wanted = fixed or estimator.n_estimators
    n_trees, start = 0, monitor.clock.now()
    estimator.set_params(warm_start=True)
    while step := _next_step(n_trees, wanted, start, monitor):
        n_trees += step
        estimator.set_params(n_estimators=n_trees).fit(X, y, sample_weight)
        if fixed is None and n_trees == step:
            wanted = min(wanted, _affordable_trees(estimator, monitor.n_columns))
        if monitor.is_due(n_trees):
            monitor.report(n_trees, monitor.score(estimator))
    estimator.set_params(warm_start=False)


def _next_step(n_trees: int, wanted: int, start: float, monitor: Monitor) -> int:
    """Return the number of trees to add. It uses the clock if there is a deadline."""
    if n_trees == 0:
        return 1
    step = min(max(n_trees, LEAST_STEP), wanted - n_trees)
    if monitor.deadline.exists:
        seconds_per_tree = (monitor.clock.now() - start) / n_trees
        affordable = SAFETY * monitor.seconds_left / max(seconds_per_tree, 1e-9)
        step = min(step, int(affordable))
    return max(step, 0)


def _affordable_trees(estimator, n_forests: int) -> int:
    """Return how many trees like the first one the forests may have in memory."""
    trees = [tree.tree_ for tree in estimator.estimators_]
    node_bytes = NODE_BYTES + 8 * trees[0].value[0].size
    node_bytes += getattr(estimator, "bytes_per_node", 0)
    tree_bytes = node_bytes * np.mean([tree.node_count for tree in trees])
    return max(LEAST_TREES, int(MODEL_BYTES / n_forests / tree_bytes))


def least_leaf(task: Task) -> int:
    """Return the least number of rows of a leaf, which grows with those of a class."""
    rows_of_class = task.n_samples / max(1.0, task.n_classes / 2)
    return int(np.clip(round(rows_of_class / ROWS_PER_LEAF_ROW), 1, 50))


def forest_space(trial, task: Task) -> dict[str, Any]:
    """Suggest the parameters that all forests have."""
    leaf = least_leaf(task)
    params = {
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        "min_samples_split": trial.suggest_int("min_samples_split", 2, 32, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", leaf, 4 * leaf + 4),
        "min_impurity_decrease": trial.suggest_categorical(
            "min_impurity_decrease", [0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3]
        ),
    }
    if task.is_classification:
        params["criterion"] = trial.suggest_categorical(
            "criterion", ["gini", "entropy"]
        )
    return params
