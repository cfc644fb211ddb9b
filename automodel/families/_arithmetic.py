"""What families of trees on pairs of numeric columns have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator

from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.task import Task

N_FEATURES = 150
OPERATIONS = 5  # of a pair


class OnPairs(TabularFamily):
    """Mixed into a family of trees: its encoder makes columns of pairs of columns.

    It is a family of its own then, so that a search finds out by itself where the
    pairs pay, and an ensemble has models with them and without.
    """

    def supports(self, task: Task) -> bool:
        if not super().supports(task):
            return False
        return task.facts.n_numeric > 1 and not task.facts.is_sparse

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        encoder = super().preprocessor(estimator, task)
        return encoder.set_params(n_arithmetic=N_FEATURES)

    def n_columns(self, task: Task) -> int:
        n_pairs = task.facts.n_numeric * (task.facts.n_numeric - 1) // 2
        return super().n_columns(task) + min(N_FEATURES, OPERATIONS * n_pairs)
