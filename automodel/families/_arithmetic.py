"""OnPairs: makes a family of trees learn from pairs of numeric columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import BaseEstimator

from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.task import Task

N_FEATURES = 150
OPERATIONS = 5  # for each pair


class OnPairs(TabularFamily):
    """A mixin for families of trees, whose encoder adds columns of pairs of columns.

    The result is a family of its own, so that a search finds out whether the pairs
    help, and an ensemble can have models with and without them.
    """

    embeds_text = False

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
