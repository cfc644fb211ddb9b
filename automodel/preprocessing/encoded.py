"""What encoders return: an array, a scipy sparse matrix or a DataFrame, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack


def take_rows(X: Any, rows: Any) -> Any:
    """Return some rows.

    Those of an array that is mapped from a file are mapped still if they are a slice.
    A sparse matrix is always copied: CatBoost takes none that is read-only.

    Parameters
    ----------
    X : ndarray, sparse matrix or DataFrame
        The encoded rows.
    rows : ndarray of int or bool, or slice
        Their numbers, or which of them.
    """
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def joined(parts: list[Any]) -> Any:
    """Return the rows of all parts, which are of one kind."""
    if issparse(parts[0]):
        return vstack(parts, format="csr")
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    return np.concatenate(parts)


def nbytes_of(X: Any) -> int:
    """Return about the bytes that encoded rows hold."""
    if hasattr(X, "memory_usage"):
        return int(X.memory_usage(index=False).sum())
    if issparse(X):
        arrays = (getattr(X, name, None) for name in ("data", "indices", "indptr"))
        return sum(array.nbytes for array in arrays if array is not None)
    return X.nbytes
