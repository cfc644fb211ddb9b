"""Texts as a net takes them, from any container."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_texts(X: Any, name: str, *, least: int = 1) -> np.ndarray:
    """Return texts as an array of str objects; missing ones are empty.

    Parameters
    ----------
    X : list, array, Series, frame of one column, or other iterable of str
        The texts.
    name : str
        The class that an error names.
    least : int, default=1
        The fewest texts that are accepted.
    """
    if isinstance(X, str | bytes):
        raise ValueError(
            f"{name} expects a list or an array of texts. Got a single {type(X)}: put "
            "it into a list."
        )
    shape = getattr(X, "shape", ())
    if len(shape) == 2:
        X = _only_column(X, shape, name)
    values = X.to_pylist() if hasattr(X, "to_pylist") else list(X)
    if len(values) < least:
        raise ValueError(
            f"Found array with {len(values)} sample(s) while a minimum of {least} is "
            f"required by {name}."
        )
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        texts[row] = _text(value, row, name)
    return texts


def _only_column(X, shape, name: str):
    if shape[1] != 1:
        raise ValueError(
            f"{name} expects one text per row. Got {shape[1]} columns: choose one of "
            "them, or join them."
        )
    return X.iloc[:, 0] if hasattr(X, "iloc") else np.asarray(X, dtype=object)[:, 0]


def _text(value: Any, row: int, name: str) -> str:
    if isinstance(value, str):
        return str(value)  # not a str of numpy
    if _is_missing(value):
        return ""
    raise ValueError(
        f"{name} expects texts, and row {row} of X is of type {type(value).__name__}. "
        "Convert it to str, or use a net for tables, such as RealMLPClassifier."
    )


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
