"""ColumnPlan: the kind of a column, decided on fit, and how the column is read."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.preprocessing.columns import (
    DATE,
    DURATION,
    LABEL,
    NUMBER,
    Column,
    as_labels,
    holds_dates,
    moments_of,
    parse_numbers,
)
from automodel.preprocessing.dates import (
    PARTS,
    date_parts,
    find_date_format,
    parse_dates,
)
from automodel.preprocessing.zones import Zone, kept_zone

NUMERIC, DATES, DURATIONS = "numeric", "date", "duration"
CATEGORICAL, TEXT, BOTH, DROPPED = "categorical", "text", "categorical+text", "dropped"

MANY_CATEGORIES = 100  # of several words each: the words say more than the code
SEVERAL_WORDS = 1.8
MAX_CHAR_TEXTS = 50_000  # more texts are cut into words, which are fewer
TEXT_WORDS = 8.0
TEXT_DISTINCT = 0.3
NEARLY_DISTINCT = 0.9
MOSTLY_DISTINCT = 0.5  # then a category has less than two rows on average
MIN_ROWS_OF_IDS = 20  # in fewer rows all values may differ by chance
ORDERED_ABOVE = 30  # a model can tell fewer categories apart without an order
MOST_IN_ALPHABET = 1000


@dataclass
class ColumnPlan:
    """How to read one column.

    Parameters
    ----------
    position : int
        Position of the column in X.
    name : str
        Name of the column, for messages.
    kind : str
        One of "numeric", "date", "duration", "categorical", "text",
        "categorical+text" and "dropped".
    reason : str
        Why the column is dropped.
    from_strings : bool
        Whether the numbers or dates were strings on fit. If so, a string that cannot be
        parsed later counts as missing. If not, it is an error.
    categories : list of str
        The known strings, sorted.
    alphabet : list of str
        At most 1,000 strings in alphabetical order. If there are any, the place of a
        string among them is a numeric column. Strings that begin alike are often of a
        kind, such as tickets, cabins and family names, and a new string has a place
        among them too.
    tokens : {"", "word", "char"}
        How text is tokenized; "" if the column is not read as text.
    date_format : str
        Format of dates in strings.
    origin : int
        The moment at which the continuous time is zero, in microseconds since 1970.
    zone : str, ClockChanges or None
        Time zone in which the parts of a date are read.
    """

    position: int
    name: str
    kind: str
    reason: str = ""
    from_strings: bool = False
    categories: list[str] = field(default_factory=list)
    alphabet: list[str] = field(default_factory=list)
    tokens: str = ""
    date_format: str = "ISO8601"
    origin: int = 0
    zone: Zone | None = None

    @property
    def width(self) -> int:
        """Number of numeric columns that are made of the column."""
        if self.kind == DATES:
            return len(PARTS)
        return int(self.kind in (NUMERIC, DURATIONS) or bool(self.alphabet))

    def number_names(self, name: str, width: int) -> list[str]:
        """Return the names of the numeric columns made of the column called `name`."""
        if width == len(PARTS):
            return [f"{name}_{part}" for part in PARTS]
        return [f"{name}_rank" if self.alphabet else name] * width

    def numbers(self, column: Column) -> np.ndarray:
        """Return the numeric columns, of shape (n_samples, width)."""
        if column.is_all_missing:
            return np.full((len(column.values), self.width), np.nan)
        if self.alphabet:
            return self._places(column).reshape(-1, 1)
        if self.kind == DATES:
            origin = np.datetime64(self.origin, "us")
            return date_parts(self._moments(column), origin, self.zone)
        expected = NUMBER if self.kind == NUMERIC else DURATION
        if column.form == expected:
            return column.values.reshape(-1, 1)
        if column.form != LABEL:
            raise self._changed(column.form)
        codes, labels = as_labels(column.used())
        parse = parse_numbers if self.kind == NUMERIC else _parse_durations
        values, failed = parse(labels)
        self._check(failed, labels)
        return np.append(values, np.nan)[codes].reshape(-1, 1)

    def codes(self, column: Column) -> np.ndarray:
        """Return the category numbers, with -1 for missing and unknown values."""
        known = _by_label(column, lambda label: _position(self.categories, label), -1)
        return known.astype(np.int32)

    def _places(self, column: Column) -> np.ndarray:
        """Return the number of strings in the alphabet that come before each value."""
        return _by_label(
            column, lambda label: bisect_left(self.alphabet, label), np.nan
        )

    def _moments(self, column: Column) -> np.ndarray:
        if column.form == DATE:
            return column.values
        if column.form != LABEL:
            raise self._changed(column.form)
        column = column.used()
        codes, labels = as_labels(column)
        if holds_dates(column.uniques):
            moments = moments_of(column.uniques)
        else:
            moments, failed = parse_dates(labels, self.date_format)
            self._check(failed, labels)
        return np.append(moments, np.datetime64("NaT"))[codes]

    def _check(self, failed: np.ndarray, labels) -> None:
        if self.from_strings or not failed.any():
            return
        example = labels[int(failed.argmax())]
        raise self._changed(f"text, as {example!r}")

    def _changed(self, found: str) -> ValueError:
        return ValueError(
            f"Column {self.name!r} of X was {self.kind} when the model was fitted and "
            f"now holds {found}. Convert it to the same type as on fit, or set "
            "what has no value to missing (None or NaN)."
        )


def _by_label(
    column: Column, value_of: Callable[[str], int], missing: float
) -> np.ndarray:
    """Return a number for each row, computed once for each distinct label."""
    codes, labels = as_labels(column)
    values = [missing if label is None else value_of(label) for label in labels]
    return np.array([*values, missing])[codes]


def _position(categories: list[str], label: str) -> int:
    i = bisect_left(categories, label)
    return i if i < len(categories) and categories[i] == label else -1


def _parse_durations(labels) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    parsed = pd.to_timedelta(pd.Series(labels, dtype=object), errors="coerce")
    seconds = parsed.dt.total_seconds().to_numpy(dtype=np.float64)
    given = np.array([label is not None for label in labels], dtype=bool)
    return seconds, np.isnan(seconds) & given


def plan_column(position: int, name: str, column: Column) -> ColumnPlan:
    """Decide how a column is read.

    Parameters
    ----------
    position : int
        Position of the column in X.
    name : str
        Name of the column, for messages.
    column : Column
        The column, with all training rows.

    Returns
    -------
    ColumnPlan
        How the column is read.
    """
    if column.is_all_missing:
        return ColumnPlan(position, name, DROPPED, reason="all missing")
    if column.form == NUMBER:
        return ColumnPlan(position, name, NUMERIC)
    if column.form == DURATION:
        return ColumnPlan(position, name, DURATIONS)
    if column.form == DATE:
        origin = _first_moment(column.values)
        zone = None if column.zone is None else kept_zone(column.zone)
        return ColumnPlan(position, name, DATES, origin=origin, zone=zone)
    return _plan_labels(position, name, column.used())


def _first_moment(moments: np.ndarray) -> int:
    return int(np.fmin.reduce(moments).astype("datetime64[us]").astype(np.int64))


def _plan_labels(position: int, name: str, column: Column) -> ColumnPlan:
    codes, labels = as_labels(column)
    given = [label for label in labels if label is not None]
    if not given:
        return ColumnPlan(position, name, DROPPED, reason="all missing")
    if not column.is_category:
        plan = _plan_parsed(position, name, given)
        if plan is not None:
            return plan
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    n_missing = len(codes) - counts.sum()
    counts = np.array(
        [c for c, label in zip(counts, labels, strict=True) if label is not None]
    )
    categories = sorted(set(given))
    if len(categories) == 1 and not n_missing and len(given) == len(labels):
        return ColumnPlan(position, name, DROPPED, reason="constant")
    return _plan_strings(position, name, given, counts, categories, column.is_category)


def _plan_parsed(position, name, given) -> ColumnPlan | None:
    """Return the plan of numbers or dates in strings; None if they are neither."""
    values, failed = parse_numbers(given[:50])
    if not failed.any():
        values, failed = parse_numbers(given)
        if not failed.any() and not np.isnan(values).all():
            return ColumnPlan(position, name, NUMERIC, from_strings=True)
    date_format = find_date_format(given)
    if date_format is None:
        return None
    origin = _first_moment(parse_dates(given, date_format)[0])
    return ColumnPlan(
        position,
        name,
        DATES,
        from_strings=True,
        date_format=date_format,
        origin=origin,
    )


def _plan_strings(
    position: int,
    name: str,
    given: list[str],
    counts: np.ndarray,
    categories: list[str],
    is_category: bool,
) -> ColumnPlan:
    n_given = int(counts.sum())
    distinct = len(categories) / n_given
    words = np.array([len(label.split()) for label in given])
    mean_words = float(words @ counts) / n_given
    plan = ColumnPlan(position, name, CATEGORICAL, categories=categories)
    plan.alphabet = _alphabet(categories)
    is_text = mean_words >= TEXT_WORDS and distinct >= TEXT_DISTINCT
    has_ids = distinct >= NEARLY_DISTINCT and n_given >= MIN_ROWS_OF_IDS
    has_words = mean_words >= SEVERAL_WORDS and (
        len(categories) > MANY_CATEGORIES or is_text or has_ids
    )
    is_unique = distinct == 1.0 and n_given >= MIN_ROWS_OF_IDS
    if is_unique and (is_category or not has_words):
        return ColumnPlan(position, name, DROPPED, reason="id-like")
    is_single = distinct > MOSTLY_DISTINCT
    if not is_category and (has_words or (is_single and plan.alphabet)):
        is_short = mean_words < TEXT_WORDS
        is_cut = is_short and len(categories) <= MAX_CHAR_TEXTS
        plan.tokens = "char" if is_cut else "word"
        plan.kind = TEXT if is_text or is_single else BOTH
        if plan.kind == TEXT:
            plan.categories = []
        if not is_short:
            plan.alphabet = []
    return plan


def _alphabet(categories: list[str]) -> list[str]:
    """Return at most 1,000 of the strings, evenly spaced; none if they are few."""
    if len(categories) <= ORDERED_ABOVE:
        return []
    return categories[:: math.ceil(len(categories) / MOST_IN_ALPHABET)]


def as_texts(column: Column) -> tuple[np.ndarray, list[Any]]:
    """Return the position of each row's text, -1 if missing, and the texts."""
    codes, labels = as_labels(column.used() if column.form == LABEL else column)
    return codes, [label or "" for label in labels]
