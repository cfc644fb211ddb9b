"""Table: one compact form for every kind of tabular input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from automodel.task import Task


@dataclass(frozen=True)
class Table:
    """Rows as arrays, whatever the user's container was.

    Parameters
    ----------
    numeric : ndarray of shape (n_samples, n_numeric), float64
        Finite numbers; missing values and infinities are NaN. Holds the parts
        of dates, durations (seconds) and booleans as well.
    codes : ndarray of shape (n_samples, n_categorical), int32
        Category numbers; -1 is missing or unknown.
    cardinalities : tuple of int
        Number of categories of each column of `codes`.
    text : tuple of csr_matrix of shape (n_samples, n_buckets)
        Hashed token counts, one matrix per text column.
    sparse : csr_matrix of shape (n_samples, n_features) or None
        Set when X is a scipy sparse matrix; the other parts are then empty.
    """

    numeric: np.ndarray
    codes: np.ndarray
    cardinalities: tuple[int, ...] = ()
    text: tuple[csr_matrix, ...] = ()
    sparse: csr_matrix | None = None

    def __len__(self) -> int:
        return self.numeric.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays hold."""
        matrices = [m for m in (*self.text, self.sparse) if m is not None]
        return (
            self.numeric.nbytes
            + self.codes.nbytes
            + sum(m.data.nbytes + m.indices.nbytes for m in matrices)
        )

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> "Table":
        """Return the table of the given rows."""
        return Table(
            numeric=self.numeric[rows],
            codes=self.codes[rows],
            cardinalities=self.cardinalities,
            text=tuple(matrix[rows] for matrix in self.text),
            sparse=None if self.sparse is None else self.sparse[rows],
        )


def describe(task: Task, table: Table) -> Task:
    """Return the task with the facts that reading the columns brought."""
    return replace(
        task,
        n_numeric=table.numeric.shape[1],
        n_categorical=table.codes.shape[1],
        n_text=len(table.text),
        max_cardinality=max(table.cardinalities, default=0),
        has_missing=bool(np.isnan(table.numeric).any()),
        is_sparse=table.sparse is not None,
    )
