"""Column: one column of the user's X in one of four plain forms."""

from __future__ import annotations

import datetime
import enum
import numbers
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automodel.preprocessing.zones import local_texts

NUMBER, DATE, DURATION, LABEL = "number", "date", "duration", "label"
FLOAT32_MAX = float(np.finfo(np.float32).max)
NO_NUMBER = frozenset({"", "na", "n/a", "nan", "none", "null", "nil", "?", "-", "."})


@dataclass(frozen=True)
class Column:
    """The values of one column.

    Parameters
    ----------
    form : {"number", "date", "duration", "label"}
        The form of the values.
    values : ndarray of shape (n_samples,)
        Numbers (float64), moments in UTC (datetime64[us]), seconds (float64), or
        positions in `uniques`, -1 for missing.
    uniques : sequence
        The distinct values of a label column, as the user has them.
    zone : tzinfo, str or None
        Time zone of a date column, as the user has it.
    is_category : bool
        Whether the user declared the column to be categorical.
    """

    form: str
    values: np.ndarray
    uniques: Sequence[Any] = ()
    zone: datetime.tzinfo | str | None = None
    is_category: bool = False

    @property
    def is_all_missing(self) -> bool:
        """Whether no row holds a value."""
        if self.form == LABEL:
            return not (self.values >= 0).any()
        return bool(np.isnan(self.values).all())

    def used(self) -> Column:
        """Return the label column, with only those values that occur in a row."""
        counts = np.bincount(self.values + 1, minlength=len(self.uniques) + 1)[1:]
        if counts.all():
            return self
        positions = np.cumsum(counts > 0) - 1
        positions = np.where(counts > 0, positions, -1)
        values = np.append(positions, -1)[self.values]
        uniques = [u for u, count in zip(self.uniques, counts, strict=True) if count]
        return Column(LABEL, values, uniques, is_category=self.is_category)


def column_of_objects(values: Any, name: str) -> Column:
    """Return the column that an array or Series of strings or objects holds.

    Raises
    ------
    TypeError
        If a value is neither a string, nor a number, nor a date.
    ValueError
        If a value is a complex number.
    """
    if len(values) == 1 and isinstance(values, np.ndarray) and type(values[0]) is str:
        return Column(LABEL, np.zeros(1, dtype=np.intp), [values[0]])
    import pandas as pd

    try:
        codes, uniques = pd.factorize(values)
    except (TypeError, NotImplementedError):  # the latter from Arrow
        unhashable = (v for v in values if getattr(v, "__hash__", None) is None)
        raise _wrong_type(name, next(unhashable, values)) from None
    return _from_labels(codes, np.asarray(uniques, dtype=object), name)


def _from_labels(codes, uniques, name: str) -> Column:
    types = set(map(type, uniques))
    if types <= {str}:
        return Column(LABEL, codes, list(uniques))
    for kind in types:
        if not issubclass(kind, _SCALARS):
            odd = next(u for u in uniques if type(u) is kind)
            if type(odd).__module__.startswith("pandas"):  # Interval, Period
                continue
            raise _wrong_type(name, odd)
        if issubclass(kind, (complex, np.complexfloating)):
            raise ValueError(f"Complex data not supported. Column {name!r} holds it.")
    if all(issubclass(kind, numbers.Number | np.bool_) for kind in types):
        return Column(NUMBER, _spread(_floats(uniques), codes))
    if all(issubclass(kind, _DATES) for kind in types):
        return _from_date_objects(codes, uniques)
    if all(issubclass(kind, _DURATIONS) for kind in types):
        seconds = np.array([_seconds(u) for u in uniques])
        return Column(DURATION, _spread(seconds, codes))
    return Column(LABEL, codes, list(uniques))


_SCALARS = (
    str,
    bytes,
    numbers.Number,
    np.generic,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    enum.Enum,
    uuid.UUID,
)
_DATES = (datetime.date, np.datetime64)
_DURATIONS = (datetime.timedelta, datetime.time, np.timedelta64)


def _wrong_type(name: str, value: Any) -> TypeError:
    return TypeError(
        f"Column {name!r} of X holds a value of type {type(value).__name__!r}: the "
        "argument must be a table of strings, numbers or dates. Convert the values, or "
        "drop the column."
    )


def _from_date_objects(codes, uniques) -> Column:
    return Column(
        DATE, _spread(moments_of(uniques), codes), zone=_main_zone(codes, uniques)
    )


def holds_dates(values: Sequence[Any]) -> bool:
    """Tell whether all objects are dates."""
    return all(isinstance(value, _DATES) for value in values)


def moments_of(dates: Sequence[Any]) -> np.ndarray:
    """Return the moments of date objects, in UTC (datetime64[us])."""
    return np.array([_moment(date) for date in dates], dtype="datetime64[us]")


def _moment(date: Any) -> np.datetime64:
    import pandas as pd

    if not isinstance(date, datetime.datetime) or isinstance(date, pd.Timestamp):
        return pd.Timestamp(date).as_unit("us").to_datetime64()
    # pandas does not support all time zones.
    offset = date.utcoffset() or datetime.timedelta(0)
    return np.datetime64(date.replace(tzinfo=None), "us") - np.timedelta64(offset)


def _main_zone(codes, uniques) -> datetime.tzinfo | None:
    """Return the most frequent time zone, or None if no date has one."""
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques)).tolist()
    zones: dict[str, datetime.tzinfo] = {}
    rows: dict[str, int] = {}
    for date, count in zip(uniques, counts, strict=True):
        zone = getattr(date, "tzinfo", None)
        if zone is not None:
            name = str(zone)  # pytz has different objects for winter and summer
            zones.setdefault(name, zone)
            rows[name] = rows.get(name, 0) + count
    return zones[max(rows, key=rows.__getitem__)] if rows else None


def _seconds(value: Any) -> float:
    if isinstance(value, datetime.time):
        return (value.hour * 60 + value.minute) * 60 + value.second
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "us")) / 1e6
    return value.total_seconds()


def _floats(uniques) -> np.ndarray:
    try:
        return np.array(uniques, dtype=np.float64)
    except OverflowError:
        return np.array([_clipped_float(u) for u in uniques])


def _clipped_float(value) -> float:
    """Return an integer as a float, clipped to the range of float32 on overflow."""
    try:
        return float(value)
    except OverflowError:
        return FLOAT32_MAX if value > 0 else -FLOAT32_MAX


def _spread(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the value of each code, with NaN or NaT for -1."""
    if values.dtype.kind == "M":
        missing = np.array(["NaT"], dtype=values.dtype)
    else:
        missing = np.array([np.nan])
    return np.concatenate([values, missing])[codes]


_NUMBERS = (float, np.floating, bool, np.bool_)


def label_of(value: Any) -> str | None:
    """Return the string that represents a value, or None if it is blank.

    A whole number has the same string as an int, a float or a bool. A missing value
    turns a column of ints into floats, and a column of bools alone is one of numbers.
    """
    if isinstance(value, str):
        text = str(value)
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    elif isinstance(value, _NUMBERS) and float(value).is_integer():
        text = str(int(value))
    else:
        text = str(value)
    return text if text.strip() else None


def as_labels(column: Column) -> tuple[np.ndarray, list[str | None]]:
    """Return the position of each row's string, -1 if missing, and the strings."""
    if column.form == LABEL:
        return column.values, [label_of(u) for u in column.uniques]
    missing = np.isnan(column.values)
    uniques, codes = np.unique(column.values[~missing], return_inverse=True)
    positions = np.full(len(missing), -1)
    positions[~missing] = codes
    if column.form == DATE:
        if column.zone is not None:
            return positions, [*local_texts(uniques, column.zone)]
        import pandas as pd

        return positions, [label_of(pd.Timestamp(u)) for u in uniques]
    return positions, [label_of(u) for u in uniques]


def parse_numbers(labels: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """Parse strings, and tell which of them are neither numbers nor missing.

    The usual marks of a missing value are parsed as NaN.
    """
    import pandas as pd

    series = pd.Series(list(labels), dtype=object)
    parsed = pd.to_numeric(series, errors="coerce")
    values = parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    failed = np.isnan(values)
    for i in np.flatnonzero(failed).tolist():
        failed[i] = (labels[i] or "").strip().lower() not in NO_NUMBER
    return values, failed
