"""OnPairs: makes a family of trees learn from pairs of numeric columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.families._cost import encoded_columns
from automodel.families._tabular import TabularFamily

if TYPE_CHECKING:
    from automodel.task import Task

MOST_FEATURES, LEAST_FEATURES = 150, 10
CELLS = 2**25  # that the encoded rows may have
OPERATIONS = 5  # for each pair
BYTES_PER_CELL = 24  # of the encoded rows in single precision, and their copies


class OnPairs(TabularFamily):
    """A mixin for families of trees, whose encoder adds columns of pairs of columns.

    The result is a family of its own, so that a search finds out whether the pairs
    help, and an ensemble can have models with and without them. Tables of many rows get
    fewer of them, for the sake of memory, or none.
    """

    embeds_text = False

    def supports(self, task: Task) -> bool:
        if not super().supports(task):
            return False
        if task.facts.n_numeric < 2 or task.facts.is_sparse:
            return False
        return _most_features(task) >= LEAST_FEATURES

    def why_unsupported(self, task: Task) -> str:
        if super().supports(task) and task.facts.n_numeric > 1:
            return "would need too much memory for so many rows"
        return super().why_unsupported(task)

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        encoder = super().preprocessor(estimator, task)
        return encoder.set_params(n_arithmetic=_most_features(task))

    def n_columns(self, task: Task) -> int:
        return super().n_columns(task) + _n_made(task)

    def memory(self, params: dict[str, Any], task: Task) -> float:
        made = BYTES_PER_CELL * task.n_samples * _n_made(task)
        return super().memory(params, task) + made


def _n_made(task: Task) -> int:
    n_pairs = task.facts.n_numeric * (task.facts.n_numeric - 1) // 2
    return min(_most_features(task), OPERATIONS * n_pairs)


def _most_features(task: Task) -> int:
    n_rows = max(task.facts.n_rows or task.n_samples, 1)
    return int(np.clip(CELLS // n_rows - encoded_columns(task), 0, MOST_FEATURES))
