"""SomeRows: some rows of an array, which stay where they are, such as in a file."""

from __future__ import annotations

from typing import Any

import numpy as np


class SomeRows:
    """Some rows of an array, which are copied when they are needed.

    `numpy.asarray` copies all of them.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
        All rows.
    rows : ndarray of int, default=None
        The positions of those that are meant; None for all.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.some_rows import SomeRows
    >>> some = SomeRows(np.arange(10) ** 2, np.array([1, 3, 5]))
    >>> some.copied([0, 2])
    array([ 1, 25])
    """

    def __init__(self, array: np.ndarray, rows: np.ndarray | None = None):
        self.array = array
        self.rows = np.arange(len(array)) if rows is None else rows

    @classmethod
    def of(cls, rows: np.ndarray | SomeRows) -> SomeRows:
        """Return all rows of an array, or the same rows."""
        return rows if isinstance(rows, SomeRows) else cls(rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an array of these rows alone."""
        return len(self.rows), *self.array.shape[1:]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """The memory of the positions, which is all that this takes."""
        return self.rows.nbytes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> SomeRows:
        """Return some of the rows, in their order."""
        return SomeRows(self.array, self.rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = self.array[self.rows]
        return found if dtype is None else found.astype(dtype, copy=False)

    def copied(self, rows: Any) -> np.ndarray:
        """Return an array of some of the rows."""
        return self.array[self.rows[rows]]
