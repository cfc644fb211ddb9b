"""What the costs of all families are made of, in seconds of one core."""

from __future__ import annotations

from typing import Any

from automodel.preprocessing.table_facts import TEXT_COLUMNS
from automodel.task import Task

COLUMNS_OF_CATEGORY = 3


def encoded_columns(task: Task) -> int:
    """Return about how many dense columns the encoder makes of the table."""
    facts = task.facts
    columns = facts.n_numeric + COLUMNS_OF_CATEGORY * facts.n_categorical
    return max(columns + TEXT_COLUMNS * facts.n_text, facts.n_features, 1)


def trees_per_round(task: Task) -> int:
    """Return the trees that a boosting round grows: one for each class or column.

    Two classes need one tree.
    """
    return 1 if task.n_classes == 2 else task.n_outputs


def expected_rounds(
    params: dict[str, Any], parameter: str, rounds_times_rate: float = 12.0
) -> float:
    """Return the rounds after which early stopping usually ends, cut to the most."""
    likely = rounds_times_rate / params.get("learning_rate", 0.1)
    return min(float(params.get(parameter, likely)), likely)
