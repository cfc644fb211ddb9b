"""Operations on the rows of arrays, sparse matrices and DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse, vstack

BOUND = np.finfo(np.float32).max
BLOCK_CELLS, BLOCK_ROWS = 2**20, 1024  # that are encoded at a time, or more


class MixedRows:
    """Rows of numbers and categories as two arrays, in place of a DataFrame.

    A DataFrame of one row takes longer to make than most models take to predict it.

    Parameters
    ----------
    numbers : ndarray of shape (n_samples, n_numbers)
        The numbers.
    codes : ndarray of shape (n_samples, n_categorical), int32
        The categories, which are numbered from 0.
    n_categories : sequence of int
        Number of categories of each column of `codes`.
    """

    def __init__(self, numbers: np.ndarray, codes: np.ndarray, n_categories: Any):
        self.numbers, self.codes, self.n_categories = numbers, codes, n_categories
        self.shape = len(codes), numbers.shape[1] + codes.shape[1]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> MixedRows:
        return MixedRows(self.numbers[rows], self.codes[rows], self.n_categories)

    @cached_property
    def matrix(self) -> np.ndarray:
        """Numbers and codes beside each other, in the type of the numbers."""
        return np.hstack([self.numbers, self.codes.astype(self.numbers.dtype)])

    @cached_property
    def frame(self) -> Any:
        """A DataFrame of the numbers and of columns of dtype "category"."""
        import pandas as pd

        numbers = self.numbers.T
        columns: dict[str, Any] = {f"x{i}": values for i, values in enumerate(numbers)}
        for i, size in enumerate(self.n_categories):
            dtype = pd.CategoricalDtype(list(range(size)))
            columns[f"c{i}"] = pd.Categorical.from_codes(self.codes[:, i], dtype=dtype)
        return pd.DataFrame(columns, copy=False)


def returns_mixed(encoder: Any) -> bool:
    """Tell whether an encoder has `transform_mixed`, which agrees with `transform`.

    A subclass that overrides `transform` alone has not.
    """
    for kind in type(encoder).__mro__:
        if "transform" in vars(kind):
            return "transform_mixed" in vars(kind)
    return False


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


def clipped(parts: list[np.ndarray], dtype: str) -> np.ndarray:
    """Join columns to a C-contiguous array, clipped to the range of float32."""
    with np.errstate(over="ignore"):
        values = np.hstack(parts, dtype=dtype, casting="same_kind")
    return np.ascontiguousarray(np.clip(values, -BOUND, BOUND, out=values))


def blocks_of_rows(n_rows: int, n_columns: int) -> list[slice]:
    """Return the rows that are encoded at a time, at least one block of them."""
    size = max(BLOCK_CELLS // max(n_columns, 1), BLOCK_ROWS)
    return [slice(i, i + size) for i in range(0, max(n_rows, 1), size)]


def joined_blocks(blocks: Iterator[Any], n_rows: int) -> Any:
    """Concatenate rows that are made one block after the other.

    Arrays are written into the result at once, so that they are not in memory twice.

    Parameters
    ----------
    blocks : iterator of ndarray, csr_matrix or MixedRows
        Blocks of rows of the same type.
    n_rows : int
        Number of rows of all blocks.
    """
    first = next(blocks)
    if issparse(first):
        return vstack([first, *blocks], format="csr")
    is_mixed, start = isinstance(first, MixedRows), 0
    parts = (first.numbers, first.codes) if is_mixed else (first,)
    wholes = [np.empty((n_rows, part.shape[1]), part.dtype) for part in parts]
    for block in chain([first], blocks):
        rows = slice(start, start + len(block))
        parts = (block.numbers, block.codes) if is_mixed else (block,)
        for whole, part in zip(wholes, parts, strict=True):
            whole[rows] = part
        start = rows.stop
    if is_mixed:
        numbers, codes = wholes
        return MixedRows(numbers, codes, first.n_categories)
    return wholes[0]


def joined_columns(parts: list[Any]) -> csr_matrix:
    """Return the columns of several parts, dense or sparse, as a sparse matrix."""
    if parts[0].shape[0] != 1:
        return hstack([csr_matrix(part) for part in parts], format="csr")
    data, indices, start = [], [], 0  # SciPy is slow for a single row
    for part in parts:
        if issparse(part):
            columns, values = part.indices, part.data
        else:
            columns = np.flatnonzero(part[0])
            values = part[0, columns]
        data.append(values)
        indices.append(columns + start)
        start += part.shape[1]
    joined = np.concatenate(data)
    pointers = np.array([0, len(joined)], dtype=np.int32)
    places = np.concatenate(indices).astype(np.int32)
    return csr_matrix((joined, places, pointers), shape=(1, start))


def nbytes_of(X: Any) -> int:
    """Return the size of encoded rows in bytes, approximately."""
    if hasattr(X, "memory_usage"):
        return int(X.memory_usage(index=False).sum())
    if issparse(X):
        arrays = (getattr(X, name, None) for name in ("data", "indices", "indptr"))
        return sum(array.nbytes for array in arrays if array is not None)
    return X.nbytes
