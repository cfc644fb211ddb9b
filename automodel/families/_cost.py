"""Estimates that the costs of several families are made of."""

from __future__ import annotations

from typing import Any

from automodel.preprocessing.table_facts import TEXT_COLUMNS
from automodel.task import Task

COLUMNS_OF_CATEGORY = 3
N_BINS = 255  # of a column, between which boosting looks for thresholds


def encoded_columns(task: Task) -> int:
    """Return the approximate number of dense columns that the encoder returns."""
    facts = task.facts
    columns = facts.n_numeric + COLUMNS_OF_CATEGORY * facts.n_categorical
    return max(columns + TEXT_COLUMNS * facts.n_text, facts.n_features, 1)


def numeric_columns(task: Task) -> int:
    """Return the approximate number of encoded columns that have many values."""
    return task.facts.n_numeric + TEXT_COLUMNS * task.facts.n_text


def trees_per_round(task: Task) -> int:
    """Return the number of trees of a boosting round, one for each class or column.

    Two classes need a single tree.
    """
    return 1 if task.n_classes == 2 else task.n_outputs


def expected_rounds(
    params: dict[str, Any], parameter: str, rounds_times_rate: float = 12.0
) -> float:
    """Return the number of rounds after which early stopping usually ends."""
    likely = rounds_times_rate / params.get("learning_rate", 0.1)
    return min(float(params.get(parameter, likely)), likely)
