"""The names of columns and classes, as text."""

from __future__ import annotations

from typing import Any

from automodel.reporting.one_line import one_line

MOST_CHARACTERS = 80


def names_of_targets(estimator: Any) -> list[str]:
    """Return a name for each column of a target of several columns."""
    names = getattr(estimator, "target_names_", None)
    if names is None:
        names = [f"target {i}" for i in range(estimator.task_.n_outputs)]
    return [one_line(name, MOST_CHARACTERS) for name in names]


def names_of_classes(estimator: Any) -> list[str]:
    """Return a name for each class of a target of one column."""
    return [one_line(label, MOST_CHARACTERS) for label in estimator.classes_]
