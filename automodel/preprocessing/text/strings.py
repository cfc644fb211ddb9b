"""Read texts from lists, arrays, Series and frames of one column."""

from __future__ import annotations

import numbers
from datetime import datetime
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._missing import is_pandas_na

TABLES = "Use AutoClassifier or AutoRegressor, which learn from tables."


def as_strings(X: Any) -> np.ndarray:
    """Return texts as an array of str objects, with None for those that are missing.

    Lone surrogates, which cannot be encoded, become the replacement character.

    Parameters
    ----------
    X : sequence of str
        A list, an array, a Series or an Arrow array of strings, or a frame with a
        single column of them.

    Raises
    ------
    TypeError, ValueError
        If X holds anything but strings and missing values.

    Examples
    --------
    >>> from automodel.preprocessing.text.strings import as_strings
    >>> as_strings(["good", None])
    array(['good', None], dtype=object)
    """
    values = _as_list(_single_column(X) if hasattr(X, "columns") else X)
    strings = np.empty(len(values), dtype=object)
    strings[:] = [_as_string(value, row) for row, value in enumerate(values)]
    return strings


def _single_column(X: Any) -> Any:
    """Return the only column of a frame of pandas, polars or Arrow."""
    names = list(getattr(X, "column_names", X.columns))
    if len(names) != 1:
        shown = ", ".join(map(repr, names[:10]))
        raise ValueError(
            f"X is a frame of {len(names)} columns ({shown}), and texts are a single "
            f"one. Pass one column, such as X[{names[0]!r}], to learn from it alone. "
            f"{TABLES}"
            if names
            else f"X is a frame without columns. {TABLES}"
        )
    return X.iloc[:, 0] if hasattr(X, "iloc") else X[names[0]]


def _as_list(X: Any) -> list[Any]:
    for method in ("to_pylist", "to_list"):  # of Arrow; of pandas and polars
        if hasattr(X, method):
            return getattr(X, method)()
    if isinstance(X, np.ma.MaskedArray) and X.ndim == 1:
        return X.tolist()  # None where the mask says so
    if isinstance(X, list | tuple):
        return list(X)
    if isinstance(X, str | bytes):
        raise ValueError(
            "X is a single text. Pass a sequence of texts, such as the list [text]."
        )
    n_dimensions = 2 if issparse(X) else getattr(X, "ndim", 1)
    if n_dimensions != 1:
        raise ValueError(
            f"Expected texts in one dimension, but X has {n_dimensions} dimensions. "
            f"{TABLES} If X is one column of texts, pass X.ravel()."
        )
    if not hasattr(X, "__array__"):
        raise TypeError(
            "X must be a list, an array or a Series of str. Got an object of type "
            f"{type(X).__name__!r} instead."
        )
    return np.asarray(X).tolist()


def _as_string(value: Any, row: int) -> str | None:
    if isinstance(value, str):
        return _encodable(str(value))
    if _is_missing(value):
        return None
    kind = type(value).__name__
    if isinstance(value, bytes | bytearray):
        raise TypeError(
            f"Row {row} of X is of type {kind!r}, and texts must be str. Decode them "
            "first, as by text.decode('utf-8')."
        )
    if isinstance(value, numbers.Number | np.generic):
        raise ValueError(
            f"Row {row} of X is the number {value!r}, and texts must be str. {TABLES} "
            "If the numbers are texts, such as codes, convert them to str."
        )
    if hasattr(value, "__len__") and not isinstance(value, dict | set):
        raise ValueError(
            f"Row {row} of X is of type {kind!r}, so that X is no sequence of texts, "
            f"but a table. {TABLES} Join words that belong together to one str."
        )
    raise TypeError(
        f"Row {row} of X is of type {kind!r}, but the argument must be a string, or "
        "None for a missing text. Convert the rows to str first."
    )


def _is_missing(value: Any) -> bool:
    if value is None or is_pandas_na(value) or value is np.ma.masked:
        return True
    # NaN and NaT, of any library, are not equal to themselves.
    is_scalar = isinstance(value, numbers.Number | np.generic | datetime)
    return is_scalar and bool(value != value)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
