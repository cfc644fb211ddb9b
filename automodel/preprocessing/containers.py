"""Read the columns of arrays and DataFrames, the numeric ones as one block."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from automodel.preprocessing.columns import (
    DATE,
    DURATION,
    LABEL,
    NUMBER,
    Column,
    column_of_objects,
)

_COMPLEX = "Complex data not supported. X holds complex numbers; split them in two."


class Columns:
    """The columns of a table, each read once when it is first needed.

    Attributes
    ----------
    n_rows : int
        Number of rows.
    labels : sequence or None
        Names of the columns of a DataFrame; None for an array.
    numeric : ndarray of int
        Positions of the columns that have a numeric dtype.
    """

    n_rows: int
    n_columns: int
    labels: Sequence[Any] | None = None
    numeric: np.ndarray

    def __init__(self):
        self._read: dict[int, Column] = {}

    @cached_property
    def names(self) -> list[str]:
        """Distinct names of the columns, for messages."""
        if self.labels is None:
            return [str(i) for i in range(self.n_columns)]
        names = [str(label) for label in self.labels]
        if len(set(names)) < len(names):  # for example the int 1 and the string "1"
            names = [f"{name} ({i})" for i, name in enumerate(names)]
        return names

    @cached_property
    def block(self) -> np.ndarray:
        """The numeric columns, possibly the user's own memory.

        They are in float32 if that holds each value of their types, and else in
        float64.
        """
        raise NotImplementedError

    def column(self, position: int) -> Column:
        """Return the column at a position."""
        if position not in self._read:
            place = int(np.searchsorted(self.numeric, position))
            if place < len(self.numeric) and self.numeric[place] == position:
                values = self.block[:, place].astype(np.float64, copy=False)
                column = Column(NUMBER, values)
            else:
                column = self._column(position)
            self._read[position] = column
        return self._read[position]

    def _column(self, position: int) -> Column:
        raise NotImplementedError


class ArrayColumns(Columns):
    """Columns of a numpy array, numeric or not."""

    def __init__(self, array: np.ndarray):
        super().__init__()
        self._array = array
        self.n_rows, self.n_columns = array.shape
        is_numeric = array.dtype.kind in "biuf"
        self.numeric = np.arange(self.n_columns if is_numeric else 0)

    @cached_property
    def block(self) -> np.ndarray:
        """The numeric columns, possibly the user's own memory."""
        if not len(self.numeric):
            return np.empty((self.n_rows, 0))
        return _to_float(self._array, _float_type([self._array.dtype]))

    def _column(self, position: int) -> Column:
        return _column_of_array(self._array[:, position], self.names[position])


class PandasColumns(Columns):
    """Columns of a pandas DataFrame."""

    def __init__(self, frame):
        super().__init__()
        self._frame = frame
        self.n_rows, self.n_columns = frame.shape
        self.labels = list(frame.columns)
        _check_no_repeats(self.labels)
        self._dtypes = list(frame.dtypes)
        kinds = [d.kind if isinstance(d, np.dtype) else "" for d in self._dtypes]
        if "c" in kinds:
            raise ValueError(_COMPLEX)
        self.numeric = np.array([i for i, k in enumerate(kinds) if k and k in "biuf"])
        self.numeric = self.numeric.astype(np.intp)

    @cached_property
    def block(self) -> np.ndarray:
        """The numeric columns, possibly the user's own memory."""
        frame = self._frame
        if len(self.numeric) < self.n_columns:
            if self.n_rows == 1:  # to take columns of a frame takes longer
                values = frame.to_numpy(dtype=object)[:, self.numeric]
                return values.astype(np.float64)
            frame = frame.iloc[:, self.numeric]
        dtypes = [self._dtypes[i] for i in self.numeric]
        return frame.to_numpy(dtype=_float_type(dtypes))

    def _column(self, position: int) -> Column:
        import pandas as pd

        label = self.labels[position]  # type: ignore[index]
        is_plain = type(label) is str and self._frame.columns.nlevels == 1
        series = self._frame[label] if is_plain else self._frame.iloc[:, position]
        dtype, name = series.dtype, self.names[position]
        if isinstance(dtype, pd.CategoricalDtype):
            codes = series.cat.codes.to_numpy().astype(np.intp)
            uniques = list(series.cat.categories.to_numpy(dtype=object))
            return Column(LABEL, codes, uniques, is_category=True)
        if isinstance(dtype, pd.PeriodDtype):
            series = series.dt.to_timestamp()
            dtype = series.dtype
        if isinstance(dtype, np.dtype) and dtype.kind != "M":
            return _column_of_array(series.to_numpy(), name)
        kind = getattr(dtype, "kind", "O")
        if kind == "c":
            raise ValueError(_COMPLEX)
        if kind in "biuf":
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return Column(NUMBER, values)
        if kind == "M":
            return _column_of_dates(series)
        if kind == "m":
            return _column_of_array(series.astype("timedelta64[us]").to_numpy(), name)
        return column_of_objects(series, name)


class PolarsColumns(Columns):
    """Columns of a polars DataFrame, read without pyarrow."""

    def __init__(self, frame):
        super().__init__()
        self._frame = frame
        self.n_rows, self.n_columns = frame.shape
        self.labels = list(frame.columns)
        import polars as pl

        self.numeric = np.array(
            [i for i, d in enumerate(frame.dtypes) if d.is_numeric() or d == pl.Boolean]
        ).astype(np.intp)

    @cached_property
    def block(self) -> np.ndarray:
        """The numeric columns, possibly the user's own memory."""
        import polars as pl

        if not len(self.numeric):
            return np.empty((self.n_rows, 0))
        names = self._frame.columns
        frame = self._frame.select([names[i] for i in self.numeric])
        small = {pl.Float32, pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Boolean}
        dtype = pl.Float32 if small.issuperset(frame.dtypes) else pl.Float64
        return frame.cast(dtype).to_numpy()

    def _column(self, position: int) -> Column:
        import polars as pl

        series, name = self._frame.to_series(position), self.names[position]
        dtype = series.dtype
        if dtype in (pl.Categorical, pl.Enum):
            objects = np.array(series.cast(pl.String).to_list(), dtype=object)
            column = column_of_objects(objects, name)
            return Column(LABEL, column.values, column.uniques, is_category=True)
        if dtype in (pl.Date, pl.Datetime):
            zone = getattr(dtype, "time_zone", None)
            micros = series.dt.timestamp("us").fill_null(_NAT).to_numpy()
            return Column(DATE, micros.astype("datetime64[us]"), zone=zone)
        if dtype == pl.Duration:
            micros = series.dt.total_microseconds().cast(pl.Float64).to_numpy()
            return Column(DURATION, micros / 1e6)
        objects = np.empty(self.n_rows, dtype=object)
        objects[:] = series.to_list()
        return column_of_objects(objects, name)


_NAT = np.datetime64("NaT").astype(np.int64).item()


def open_columns(X: Any) -> Columns:
    """Return the columns of X.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        A numpy array, a list of rows, or a pandas or polars DataFrame.

    Returns
    -------
    Columns
        Its columns.

    Raises
    ------
    ValueError
        If X is not 2-dimensional, holds complex numbers or repeats a column name.

    Examples
    --------
    >>> from automodel.preprocessing.containers import open_columns
    >>> open_columns([[1, "a"], [2, "b"]]).column(1).uniques
    ['a', 'b']
    """
    if _is_frame_of("pandas", X):
        return PandasColumns(X)
    if _is_frame_of("polars", X):
        return PolarsColumns(X)
    array = X if isinstance(X, np.ndarray) else _array_of(X)
    if array.dtype.kind == "c":
        raise ValueError(_COMPLEX)
    if array.dtype.kind == "V":
        raise ValueError(
            "X is a structured array. Pass pandas.DataFrame(X), which has columns."
        )
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead. Reshape your data: "
            "X.reshape(-1, 1) if it is one column, X.reshape(1, -1) if it is one row."
        )
    return ArrayColumns(array)


def _is_frame_of(library: str, X: Any) -> bool:
    """Tell whether X is a DataFrame of a library, without importing the library."""
    module = sys.modules.get(library)
    return module is not None and isinstance(X, module.DataFrame)


def _array_of(X: Any) -> np.ndarray:
    array = np.asarray(X)
    if array.dtype.kind in "US" and not hasattr(X, "__array__"):
        return np.asarray(X, dtype=object)  # numpy has converted numbers to strings
    return array


def _check_no_repeats(labels) -> None:
    if len(set(labels)) == len(labels):
        return
    repeated = sorted({str(label) for label in labels if labels.count(label) > 1})
    raise ValueError(
        f"X repeats the column names {', '.join(map(repr, repeated))}. Every column "
        "needs its own name: rename them, or drop one of each."
    )


def _column_of_array(values: np.ndarray, name: str) -> Column:
    kind = values.dtype.kind
    if kind in "biuf":
        return Column(NUMBER, _to_float(values))
    if kind == "M":
        return Column(DATE, values.astype("datetime64[us]"))
    if kind == "m":
        seconds = values.astype("timedelta64[us]") / np.timedelta64(1, "s")
        return Column(DURATION, seconds)
    return column_of_objects(values.astype(object), name)


def _column_of_dates(series) -> Column:
    """Return the column of a Series of dates, with or without a time zone."""
    import pandas as pd

    zone = None
    if getattr(series.dtype, "tz", None) or "tz=" in str(series.dtype):
        zone = series.dt.tz
    if zone is None:
        moments = series.astype("datetime64[us]")
    else:
        moments = pd.to_datetime(series, utc=True).dt.tz_localize(None)
    values = moments.to_numpy(dtype="datetime64[us]", na_value=np.datetime64("NaT"))
    return Column(DATE, values, zone=zone)


def _float_type(dtypes: Iterable[np.dtype]) -> type[np.floating]:
    """Return float32 if it holds each value of all types, and else float64."""
    is_exact = [np.can_cast(dtype, np.float32) for dtype in dtypes]
    return np.float32 if is_exact and all(is_exact) else np.float64


def _to_float(array: np.ndarray, dtype: type[np.floating] = np.float64) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=dtype)
