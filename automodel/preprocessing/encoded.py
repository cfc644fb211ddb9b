"""Operations on the rows of arrays, sparse matrices and DataFrames."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack


def take_rows(X: Any, rows: Any) -> Any:
    """Return some rows.

    A slice of an array that is mapped from a file is still mapped. A sparse matrix is
    always copied, since CatBoost accepts no read-only one.

    Parameters
    ----------
    X : ndarray, sparse matrix or DataFrame
        The encoded rows.
    rows : ndarray of int or bool, or slice
        Positions of the rows, or a mask.
    """
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def joined(parts: list[Any]) -> Any:
    """Concatenate the rows of several parts of the same type."""
    if issparse(parts[0]):
        return vstack(parts, format="csr")
    if hasattr(parts[0], "iloc"):
        import pandas as pd

        return pd.concat(parts, ignore_index=True)
    return np.concatenate(parts)


def nbytes_of(X: Any) -> int:
    """Return the size of encoded rows in bytes, approximately."""
    if hasattr(X, "memory_usage"):
        return int(X.memory_usage(index=False).sum())
    if issparse(X):
        arrays = (getattr(X, name, None) for name in ("data", "indices", "indptr"))
        return sum(array.nbytes for array in arrays if array is not None)
    return X.nbytes
