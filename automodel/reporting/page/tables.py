"""The tables of a page: which columns they have, and how their cells are written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from automodel.reporting.one_line import one_line
from automodel.reporting.plan_actual import SHOWS

MOST_IN_CELL = 240  # characters
MOST_PARAMS = 160
MOST_WRITTEN = 1e9  # without an exponent


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, what it shows of a row, and its style.

    The style is a class of the style sheet: "n" for numbers, "line" for long texts in
    one line.
    """

    head: str
    show: Callable[[dict[str, Any]], str]
    style: str = ""


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a few significant digits; "unknown" for None."""
    if value is None or not math.isfinite(value):
        return "unknown"
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < MOST_WRITTEN else text


def seconds(value: float | None) -> str:
    """Return a time in milliseconds, seconds, minutes or hours."""
    if value is None:
        return "unknown"
    if value < 0.1:
        return f"{1000 * value:.2g} ms"
    if value < 100:
        return f"{value:.1f} s"
    minutes = value / 60
    return f"{minutes:.1f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def params(values: dict[str, Any]) -> str:
    """Return the parameters of an estimator in one line."""
    parts = [
        f"{name}={number(value) if isinstance(value, float) else value}"
        for name, value in values.items()
    ]
    return one_line(", ".join(parts), MOST_PARAMS)


def _text(head: str, key: str) -> Column:
    return Column(head, lambda row: one_line(row[key], MOST_IN_CELL))


def _list(head: str, key: str, most: int = 6) -> Column:
    def show(row: dict[str, Any]) -> str:
        values = [str(value) for value in row[key]]
        rest = f" and {len(values) - most} more" if len(values) > most else ""
        return one_line(", ".join(values[:most]) + rest, MOST_IN_CELL)

    return Column(head, show)


def _number(head: str, key: str, *, hides_zero: bool = False) -> Column:
    def show(row: dict[str, Any]) -> str:
        value = row[key]
        return "" if value is None or (hides_zero and not value) else number(value)

    return Column(head, show, style="n")


def _count(head: str, key: str) -> Column:
    return Column(head, lambda row: f"{row[key]}", style="n")


def _seconds(head: str, key: str) -> Column:
    def show(row: dict[str, Any]) -> str:
        return "" if row[key] is None else seconds(row[key])

    return Column(head, show, style="n")


def _share(head: str, key: str) -> Column:
    def show(row: dict[str, Any]) -> str:
        return "" if row[key] is None else f"{row[key]:.1%}"

    return Column(head, show, style="n")


def _of_plan(head: str, key: str) -> Column:
    def show(row: dict[str, Any]) -> str:
        return "unknown" if row[key] is None else SHOWS[row["unit"]](row[key])

    return Column(head, show, style="n")


def _fit_seconds(row: dict[str, Any]) -> float:
    """Return the time of a trial without that of predicting the validation rows."""
    return max(row["seconds"] - (row["predict_seconds"] or 0.0), 0.0)


def _statuses(row: dict[str, Any]) -> str:
    return ", ".join(f"{n} {status}" for status, n in row["statuses"].items())


PARAMS = Column("Parameters", lambda row: params(row["params"]), style="line")
ROW = _count("Row", "row")
COLUMNS: dict[str, list[Column]] = {
    "trials": [
        _count("Trial", "number"),
        _text("Family", "family"),
        _text("Status", "status"),
        _number("Score", "score"),
        _number("Weight", "weight", hides_zero=True),
        Column("Fit", lambda row: seconds(_fit_seconds(row)), style="n"),
        _seconds("Predict", "predict_seconds"),
        PARAMS,
    ],
    "families": [
        _text("Family", "family"),
        _number("Best score", "best"),
        _number("Weight", "weight", hides_zero=True),
        Column("Trials", _statuses, style="line"),
        _seconds("Time", "seconds"),
    ],
    "members": [
        _count("Trial", "number"),
        _text("Family", "family"),
        _number("Weight", "weight"),
        _number("Stacking coefficient", "stacking_coefficient", hides_zero=True),
        _number("Score", "score"),
        _count("Models of all rows", "n_refitted"),
        _count("of folds", "n_of_folds"),
        PARAMS,
    ],
    "scores": [_text("Score", "name"), _number("Value", "value")],
    "targets": [
        _text("Target", "name"),
        _number("Root mean squared error", "root_mean_squared_error"),
        _number("Mean absolute error", "mean_absolute_error"),
        _number("Median absolute error", "median_absolute_error"),
        _number("R2", "r2"),
        _number("Standard deviation of the target", "standard_deviation"),
    ],
    "confused": [
        _text("Actual", "true"),
        _text("Predicted", "predicted"),
        _count("Rows", "n"),
        _share("of the actual class", "share"),
    ],
    "by_class": [
        _text("Name", "name"),
        _count("Rows", "n"),
        _share("Recall", "recall"),
        _share("Precision", "precision"),
    ],
    "features": [
        _text("Feature", "name"),
        _number("Importance", "mean"),
        _number("Standard deviation", "std"),
    ],
    "notes": [
        _text("Severity", "severity"),
        _text("Kind", "kind"),
        _text("Note", "text"),
        _list("Columns", "columns"),
    ],
    "failures": [
        _count("Trial", "number"),
        _text("Family", "family"),
        _seconds("After", "seconds"),
        Column("Cause", lambda row: one_line(row["error"], 600)),
        PARAMS,
    ],
    "plan": [
        _text("Figure", "what"),
        _of_plan("Planned", "likely"),
        _of_plan("Low", "low"),
        _of_plan("High", "high"),
        _of_plan("Actual", "actual"),
    ],
    "examples": [
        ROW,
        _text("Actual", "actual"),
        _text("Predicted", "predicted"),
    ],
}


def cells_of(names: list[str]) -> list[Column]:
    """Return the columns for the cells of rows of X."""
    return [Column(name, partial(_cell, i)) for i, name in enumerate(names)]


def _cell(i: int, row: dict[str, Any]) -> str:
    return row["cells"][i]
