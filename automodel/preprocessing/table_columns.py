"""TableColumns: where the columns of X are in a `Table`, and their permutation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from automodel.preprocessing.bins import (
    bins_of_codes,
    bins_of_numbers,
    explained_shares,
    parts_of_rows,
)
from automodel.preprocessing.plans import BOTH, CATEGORICAL
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import Table

ASSOCIATION_ROWS = 1000
ASSOCIATION_OUTPUTS = 10  # those that vary most


@dataclass(frozen=True)
class ColumnParts:
    """Where the values of one column of X are in a `Table`.

    Parameters
    ----------
    numeric : slice
        Its columns in `Table.numeric`, such as the parts of a date.
    codes, text : int or None
        Its position in `Table.codes` and in `Table.text`.
    """

    numeric: slice
    codes: int | None = None
    text: int | None = None


class TableColumns:
    """The columns of X in the tables that a reader has made of it.

    Parameters
    ----------
    reader : TableReader
        Fitted.

    Attributes
    ----------
    names : ndarray of shape (n_features,)
        Names of the columns of X; x0, x1 and so on if X has none.
    is_read : ndarray of bool of shape (n_features,)
        Whether a column is in the tables. The others are dropped: constants,
        duplicates, and strings that are different in each row.

    Examples
    --------
    >>> from automodel.preprocessing.reader import TableReader
    >>> from automodel.preprocessing.table_columns import TableColumns
    >>> reader = TableReader()
    >>> table = reader.fit_transform([[1.5, "red"], [2.5, "blue"], [3.5, "red"]])
    >>> columns = TableColumns(reader)
    >>> columns.permuted(table, 0, [2, 0, 1]).numeric.ravel()
    array([3.5, 1.5, 2.5])
    """

    def __init__(self, reader: TableReader):
        n_columns = reader.n_features_in_
        names = getattr(reader, "feature_names_in_", None)
        if names is None:
            names = np.array([f"x{i}" for i in range(n_columns)], dtype=object)
        self.names = names
        self._parts = _parts_of(reader)
        self.is_read = np.full(n_columns, reader.is_sparse_)
        self.is_read[list(self._parts)] = True

    def __len__(self) -> int:
        return len(self.names)

    def permuted(self, table: Table, column: int, order) -> Table | None:
        """Return a table whose values of one column come from other rows.

        Parameters
        ----------
        table : Table
            The rows.
        column : int
            Position of the column in X.
        order : array-like of shape (n_samples,)
            The row that the value of each row is taken from.

        Returns
        -------
        Table or None
            None if the values are the same as before.
        """
        order = np.asarray(order)
        if not self.is_read[column]:
            return None
        if table.sparse is not None:
            matrix = _permuted_matrix(table.sparse, column, order)
            return None if matrix is None else replace(table, sparse=matrix)
        own = self._parts[column]
        new: dict[str, Any] = {}
        numbers = table.numeric[:, own.numeric]
        if not np.array_equal(numbers, numbers[order], equal_nan=True):
            new["numeric"] = _with_columns(table.numeric, own.numeric, numbers[order])
        if own.codes is not None:
            codes = table.codes[:, own.codes]
            if not np.array_equal(codes, codes[order]):
                new["codes"] = _with_columns(table.codes, own.codes, codes[order])
        if own.text is not None:
            texts = list(table.text)
            before, texts[own.text] = texts[own.text], texts[own.text].take(order)
            if not np.array_equal(before.codes, texts[own.text].codes):
                new["text"] = tuple(texts)
        return replace(table, **new) if new else None

    def association(self, table: Table, values: np.ndarray, seed: int = 0):
        """Return how much of some values each column tells alone.

        Parameters
        ----------
        table : Table
            The rows, of which at most 1,000 are used.
        values : ndarray of shape (n_samples, n_outputs)
            A prediction for these rows.
        seed : int, default=0
            Seed of the rows that are used.

        Returns
        -------
        ndarray of shape (n_features,)
            The share of the variance that the means of bins of the column explain; see
            `explained_shares`. It is 1 for texts, which have no bins, and -1 for
            columns that are not in the table.
        """
        if len(table) > ASSOCIATION_ROWS:
            rng = np.random.default_rng(seed)
            rows = np.sort(rng.choice(len(table), ASSOCIATION_ROWS, replace=False))
            table, values = table.take(rows), values[rows]
        most = np.argsort(-values.var(axis=0), kind="stable")[:ASSOCIATION_OUTPUTS]
        values, parts = values[:, most], parts_of_rows(len(table), seed)
        shares = np.full(len(self), -1.0)
        by_column = None if table.sparse is None else table.sparse.tocsc()
        for column in np.flatnonzero(self.is_read).tolist():
            if by_column is not None:
                found = [bins_of_numbers(by_column[:, [column]].toarray().ravel())]
            else:
                found = self._bins(table, self._parts[column])
            explained = [explained_shares(b, values, parts).max() for b in found]
            shares[column] = max(explained, default=1.0)
        return shares

    def _bins(self, table: Table, own: ColumnParts) -> list[np.ndarray]:
        found = [bins_of_numbers(column) for column in table.numeric[:, own.numeric].T]
        if own.codes is not None:
            found.append(bins_of_codes(table.codes[:, own.codes]))
        return [] if own.text is not None else found


def _parts_of(reader: TableReader) -> dict[int, ColumnParts]:
    """Return the parts of each column that is read, by its position in X."""
    parts, n_codes, n_texts = {}, 0, 0
    for plan in reader.plans_:
        position = plan.position
        start, end = np.searchsorted(
            reader.kept_, reader.offsets_[[position, position + 1]]
        )
        codes = text = None
        if plan.kind in (CATEGORICAL, BOTH):
            codes, n_codes = n_codes, n_codes + 1
        if plan.tokens:
            text, n_texts = n_texts, n_texts + 1
        parts[position] = ColumnParts(slice(int(start), int(end)), codes, text)
    return parts


def _with_columns(matrix: np.ndarray, columns, values: np.ndarray) -> np.ndarray:
    matrix = matrix.copy()
    matrix[:, columns] = values
    return matrix


def _permuted_matrix(
    matrix: csr_matrix, column: int, order: np.ndarray
) -> csr_matrix | None:
    own = matrix[:, [column]].toarray().ravel()
    new = own[order]
    if np.array_equal(own, new, equal_nan=True):
        return None
    others = matrix.tocoo()
    kept = others.col != column
    filled = np.flatnonzero(new)  # NaN counts as not zero
    rows = np.concatenate([others.row[kept], filled])
    columns = np.concatenate([others.col[kept], np.full(len(filled), column)])
    data = np.concatenate([others.data[kept], new[filled]])
    return csr_matrix((data, (rows, columns)), shape=matrix.shape)
