"""The columns of a table that a command learns: what they hold, and how it is said."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from automodel.cli.table_file import words_of_missing
from automodel.cli.usage import Say, UsageError, listed
from automodel.metrics.metric import Metric
from automodel.targets.base import Target
from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from automodel.targets.several_values import ValuesTarget
from automodel.targets.values import ValueTarget

MAX_CLASSES = 20


def names_of_targets(target: str, table: pd.DataFrame) -> list[str]:
    """Return the columns to learn; one of a name with a comma is that column.

    Among several such a name stands in double quotes, as in a CSV file.
    """
    if target in table.columns or "," not in target:
        return [target]
    named = next(csv.reader([target], skipinitialspace=True))
    names = [name.strip() for name in named if name.strip()]
    if not names:
        raise UsageError(f"--target {target!r} names no column.")
    return names


def rows_with_targets(
    table: pd.DataFrame, names: list[str], path: Path, say: Say
) -> pd.DataFrame:
    """Leave out the rows that lack a target, and say so."""
    lacks = pd.Series(False, index=table.index)
    for name in names:
        missing = table[name].isna()
        if missing.all():
            raise UsageError(f"the target {name!r} has no value in any row of {path}.")
        if missing.any():
            words = words_of_missing(path, table[name])
            why = f" ({listed(map(repr, words))} count as none)" if words else ""
            say(f"{missing.sum()} of {len(table)} rows left out: no {name!r}{why}.")
            lacks |= missing
    if lacks.all():
        raise UsageError(
            f"no row of {path} has a value of each target: {listed(map(repr, names))}."
        )
    return table[~lacks]


def is_classification(y: pd.DataFrame, task: str) -> bool:
    """Decide by the rule that `automodel fit --help` states."""
    if task != "auto":
        return task == "classification"
    for name in y.columns:
        if pd.api.types.is_datetime64_any_dtype(y[name]):
            raise UsageError(
                f"the target {name!r} holds dates. Convert them to numbers or classes."
            )
    if y.shape[1] > 1:
        return all(_is_of_labels(y[name]) for name in y.columns)
    column = y.iloc[:, 0]
    if not _is_numeric(column):
        return True
    n_values = column.nunique()
    is_repeated = n_values <= MAX_CLASSES and n_values <= len(column) / 2
    return is_repeated and bool((column % 1 == 0).all())


def note_of_task(y: pd.DataFrame, task: str, is_of_classes: bool) -> str:
    """Return what is learned, in a sentence."""
    column, n_columns = y.iloc[:, 0], y.shape[1]
    kind, other = "regression", "classification"
    if is_of_classes:
        kind, other = other, kind
    if n_columns > 1:
        text = f"{n_columns} labels" if is_of_classes else f"{n_columns} columns"
    elif is_of_classes:
        text = f"{column.nunique()} classes"
    else:
        numbers = pd.to_numeric(column, errors="coerce")
        text = f"{numbers.min()} to {numbers.max()}"
    if task == "auto":
        text += f" (chosen from the values; --task {other} for the other)"
    return f"{','.join(y.columns)}: {kind}, {text}."


def checked(y: pd.DataFrame, is_of_classes: bool) -> np.ndarray | pd.DataFrame:
    """Return the target as `fit` takes it; several columns keep their names."""
    if y.shape[1] == 1:
        column = y.iloc[:, 0]
        return _checked_classes(column) if is_of_classes else _checked_numbers(column)
    if not is_of_classes:
        repair = "Code labels as 0 and 1, or learn one column at a time."
        return pd.DataFrame({name: _checked_numbers(y[name], repair) for name in y})
    LabelsTarget.check(y)
    return y.reset_index(drop=True)


def check_scoring(
    scoring: str | None, y: np.ndarray | pd.DataFrame, is_of_classes: bool
) -> None:
    """Raise if the score does not fit the target, before a search begins."""
    target: Target
    if y.ndim == 1:
        target = ClassTarget(np.unique(y)) if is_of_classes else ValueTarget()
    else:
        n_columns = y.shape[1]
        units = np.zeros(n_columns), np.ones(n_columns)
        target = LabelsTarget(n_columns) if is_of_classes else ValuesTarget(*units)
    Metric.from_scoring(scoring, target)


def _is_numeric(column: pd.Series) -> bool:
    is_bool = pd.api.types.is_bool_dtype(column)
    return pd.api.types.is_numeric_dtype(column) and not is_bool


def _is_of_labels(column: pd.Series) -> bool:
    return bool(column.isin([0, 1]).all())


def _checked_classes(y: pd.Series) -> np.ndarray:
    if y.nunique() < 2:
        raise UsageError(
            f"the target {y.name!r} has one class only, {y.iloc[0]!r}. "
            "Two are needed to learn anything."
        )
    if pd.api.types.is_float_dtype(y) and (y % 1 == 0).all():
        y = y.astype(np.int64)  # whole numbers, read as floats beside a gap
    return y.to_numpy(dtype=object) if y.dtype.kind not in "biuf" else y.to_numpy()


def _checked_numbers(
    y: pd.Series, repair: str = "Use --task classification, or repair the column."
) -> np.ndarray:
    values = pd.to_numeric(y, errors="coerce")
    if values.isna().any():
        raise UsageError(
            f"the target {y.name!r} holds {y[values.isna()].iloc[0]!r}, and regression "
            f"needs numbers. {repair}"
        )
    return values.to_numpy(dtype=float)
