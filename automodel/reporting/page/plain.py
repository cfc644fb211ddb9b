"""Plain values, which JSON can hold, and curves of few points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from automodel.reporting.one_line import one_line

MOST_CHARACTERS = 2_000  # of a value that has no plain form
MOST_POINTS = 500  # of a curve


def plain(value: Any) -> Any:
    """Return a value as dicts, lists, strings, numbers and None.

    Numbers that are not finite become None, and what has no plain form its repr.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): plain(own) for key, own in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return [plain(own) for own in value]
    return one_line(getattr(value, "__name__", None) or repr(value), MOST_CHARACTERS)


def rounded(values: Iterable[float], digits: int = 5) -> list[float | None]:
    """Return values with a few significant digits, which take less room."""
    numbers = [float(value) for value in values]
    return [float(f"{n:.{digits}g}") if math.isfinite(n) else None for n in numbers]


def thinned(x: Any, y: Any, most: int = MOST_POINTS) -> tuple[list, list]:
    """Return a curve with a limited number of points, evenly along its length."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(x) > most:
        length = _length(x) + _length(y)
        wanted = np.linspace(0.0, length[-1], most)
        kept = np.unique(np.searchsorted(length, wanted).clip(max=len(x) - 1))
        kept = np.union1d(kept, [0, len(x) - 1])
        x, y = x[kept], y[kept]
    return rounded(x), rounded(y)


def _length(values: np.ndarray) -> np.ndarray:
    steps = np.abs(np.diff(values, prepend=values[0]))
    return np.cumsum(steps) / (steps.sum() or 1.0)
