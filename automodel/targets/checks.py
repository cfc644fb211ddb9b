"""What the checks of targets have in common."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
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
