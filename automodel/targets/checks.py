"""What the checks of targets have in common."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, column_or_1d


def as_column(y: Any) -> np.ndarray:
    """Return y as a one-dimensional array, its values unchecked.

    Raises
    ------
    ValueError
        If there is none, or it has several columns.
    """
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None."
        )
    if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
        y = y.to_numpy()
    y = check_array(
        y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y"
    )
    return column_or_1d(y, warn=True)


def missing(y: np.ndarray) -> np.ndarray:
    """Tell which values are missing or infinite."""
    if y.dtype.kind == "f":
        return ~np.isfinite(y)
    if y.dtype == object:
        return np.array([_is_missing(value) for value in y.tolist()], dtype=bool)
    if y.dtype.kind in "mM":
        return np.isnat(y)
    return np.zeros(len(y), dtype=bool)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number."""
    # a timedelta64 is an integer to numpy
    return isinstance(value, Real | Decimal) and not isinstance(value, np.timedelta64)


def is_numeral(value: Any) -> bool:
    """Tell whether a value can be read as a number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def has_several_columns(y: Any) -> bool:
    """Tell whether y is a table of more than one column, its values unchecked."""
    shape = getattr(y, "shape", None)
    if shape is None:
        try:
            shape = np.asarray(y).shape
        except ValueError:  # rows of several lengths
            return False
    return len(shape) == 2 and shape[1] > 1


def column_names(y: Any) -> np.ndarray | None:
    """Return the names of the columns of a data frame; None where all are no texts."""
    names = list(getattr(y, "columns", ()))
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=object)


def as_columns(y: Any) -> np.ndarray:
    """Return y of several columns as an array of two dimensions, unchecked values."""
    if sparse.issparse(y):
        return y.toarray()
    if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
        y = y.to_numpy()
    return check_array(y, dtype=None, ensure_all_finite=False, input_name="y")


def refuse_cell(y: np.ndarray, refused: np.ndarray, names: Any, expected: str) -> None:
    """Raise if a cell is refused; name its row and its column.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_columns)
        The values.
    refused : ndarray of bool of shape (n_samples, n_columns)
        Which are refused.
    names : ndarray of shape (n_columns,) or None
        Of the columns.
    expected : str
        What is expected, as a sentence.
    """
    if not refused.any():
        return
    row, column = np.argwhere(refused)[0].tolist()
    value = y[row, column]
    name = column if names is None else repr(names[column])
    is_missing = missing(y[row : row + 1, column])[0]
    plain = value.item() if isinstance(value, np.generic) else value
    what = "is missing or infinite" if is_missing else f"is {plain!r}"
    raise ValueError(
        f"Row {row} of column {name} of y {what}. Cells of y that cannot be learned: "
        f"{int(refused.sum())}. {expected}"
    )
