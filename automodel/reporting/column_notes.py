"""What looks wrong with the columns of a table: leaks, drift, constants, copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.special import chdtrc
from sklearn.utils import _safe_indexing

from automodel.preprocessing.bins import (
    MOST_BINS,
    bins_of_codes,
    bins_of_numbers,
    parts_of_rows,
    squared_errors,
)
from automodel.preprocessing.containers import open_columns
from automodel.preprocessing.plans import BOTH, CATEGORICAL
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table_columns import TableColumns
from automodel.reporting.data_note import DataNote, listed, percent
from automodel.reporting.target_notes import TargetValues

MOST_ROWS, LEAST_ROWS = 20_000, 2_000  # that columns are judged by
MOST_CELLS = 4_000_000
MOST_COLUMNS = 5_000  # of a sparse matrix: those with the most values
LEAST_ROWS_OF_LEAK = 50
LEAK = 0.95  # of the variance of y, that one column predicts
DRIFT = 0.3  # Cramér's V between the first and the last third of the rows
DRIFT_LEVEL = 1e-3  # of significance, for all columns together
SORTED = 0.05  # of the rows, that differ from the one before, or there are few values
MISSING = 0.5
ROWS_OF_BIN, LEAST_BINS = 10, 5
MOST_BINS_OF_CLASSES = 256


@dataclass(frozen=True)
class ColumnValues:
    """The values of one column in some rows, in their order.

    Parameters
    ----------
    position : int
        Position of the column in X.
    values : ndarray of shape (n_samples,)
        Its numbers or moments, with NaN for missing values, or its category numbers,
        with -1 for missing values.
    is_category : bool, default=False
        Whether they are category numbers.
    """

    position: int
    values: np.ndarray
    is_category: bool = False

    @property
    def is_missing(self) -> np.ndarray:
        """Whether each value is missing."""
        return self.values < 0 if self.is_category else np.isnan(self.values)

    @property
    def is_sorted(self) -> bool:
        """Whether the numbers increase or decrease from row to row."""
        if self.is_category or self.is_missing.any():
            return False
        steps = np.diff(self.values)
        n_up, n_down = np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)
        return bool(not min(n_up, n_down) and max(n_up, n_down) > SORTED * len(steps))

    def bins(self, most: int) -> np.ndarray:
        """Return the bin of each value; see `bins_of_numbers`."""
        bins_of = bins_of_codes if self.is_category else bins_of_numbers
        return bins_of(self.values, most)


def rows_to_judge(n_rows: int, n_columns: int, seed: int = 0) -> np.ndarray:
    """Return the rows that columns are judged by, in their order."""
    most = min(max(MOST_CELLS // max(n_columns, 1), LEAST_ROWS), MOST_ROWS)
    if n_rows <= most:
        return np.arange(n_rows)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_rows, most, replace=False))


def column_notes(
    X: Any,
    target: TargetValues,
    reader: TableReader,
    seed: int = 0,
) -> list[DataNote]:
    """Return what looks wrong with the columns of a table.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The rows in their original order.
    target : TargetValues
        The target.
    reader : TableReader
        Fitted to X.
    seed : int, default=0
        Seed of the rows that are used.
    """
    names = TableColumns(reader).names
    rows = rows_to_judge(X.shape[0], len(names), seed)
    part, target = _safe_indexing(X, rows), target.take(rows)
    known = _Findings(target, seed)
    for values in _columns(part, reader):
        known.add(values)
    return [
        *known.leaks(names),
        *known.orders(names),
        *known.drifts(names),
        *known.missings(names),
    ]


def _columns(part: Any, reader: TableReader) -> Iterator[ColumnValues]:
    """Yield the columns that the reader keeps, texts aside."""
    if issparse(part):
        matrix = part.tocsc()
        n_values = np.diff(matrix.indptr)
        most = np.argsort(-n_values, kind="stable")[:MOST_COLUMNS]
        for position in np.sort(most[n_values[most] > 0]).tolist():
            own = slice(matrix.indptr[position], matrix.indptr[position + 1])
            numbers = np.zeros(matrix.shape[0])
            numbers[matrix.indices[own]] = matrix.data[own]
            yield ColumnValues(position, numbers)
        return
    columns = open_columns(part)
    for plan in reader.plans_:
        column = columns.column(plan.position)
        if plan.kind in (CATEGORICAL, BOTH):
            yield ColumnValues(plan.position, plan.codes(column), is_category=True)
        elif not plan.tokens:
            yield ColumnValues(plan.position, plan.numbers(column)[:, 0])


class _Findings:
    """What is known of the columns so far.

    Parameters
    ----------
    target : TargetValues
        The target of the rows.
    seed : int
        Seed of the parts of the rows that predict each other.
    """

    def __init__(self, target: TargetValues, seed: int):
        n_rows = target.values.shape[0]
        self.n_columns = 0
        self._parts = parts_of_rows(n_rows, seed)
        self._third = np.arange(n_rows) * 3 // max(n_rows, 1)
        self._is_class = target.codes is not None
        self._values = target.values if self._is_class else _ranks(target.values)
        n_bins = min(max(n_rows // ROWS_OF_BIN, LEAST_BINS), MOST_BINS)
        n_of_classes = 2 * target.values.shape[1] if self._is_class else 0
        self._most_bins = max(n_bins, min(n_of_classes, MOST_BINS_OF_CLASSES))
        self._leaks: list[tuple[float, int]] = []
        self._drifts: list[tuple[float, float, int]] = []
        self._sorted: list[int] = []
        self._missing: list[tuple[float, int]] = []
        self._target_drift = max(
            self._drift(values.bins(MOST_BINS)) for values in _of_target(target)
        )

    def add(self, values: ColumnValues) -> None:
        """Judge a column."""
        position, bins = values.position, values.bins(self._most_bins)
        self.n_columns += 1
        missing = float(values.is_missing.mean())
        if missing > MISSING:
            self._missing.append((missing, position))
        if len(bins) >= LEAST_ROWS_OF_LEAK:
            share = self._explained(bins)
            if share >= LEAK:
                self._leaks.append((share, position))
            if values.is_sorted:
                self._sorted.append(position)
            else:
                self._drifts.append((*self._drift(bins), position))

    def _explained(self, bins: np.ndarray) -> float:
        errors, spreads = squared_errors(bins, self._values, self._parts)
        if self._is_class:  # the classes are judged together
            errors, spreads = errors.sum(keepdims=True), spreads.sum(keepdims=True)
        varies = spreads > 1e-12 * len(bins)
        return float((1 - errors[varies] / spreads[varies]).max(initial=0.0))

    def _drift(self, bins: np.ndarray) -> tuple[float, float]:
        """Return Cramér's V between the first and the last third, and its p-value."""
        n_bins = int(bins.max(initial=0)) + 1
        first, _, last = (
            np.bincount(bins[self._third == third], minlength=n_bins)
            for third in range(3)
        )
        both = first + last
        used = both > 0
        table = np.stack([first, last])[:, used]
        expected = table.sum(axis=1, keepdims=True) * both[used] / max(both.sum(), 1)
        if used.sum() < 2 or not expected.all():
            return 0.0, 1.0
        statistic = float(((table - expected) ** 2 / expected).sum())
        p_value = float(chdtrc(int(used.sum()) - 1, statistic))
        return float(np.sqrt(statistic / both.sum())), p_value

    def leaks(self, names: np.ndarray) -> list[DataNote]:
        """Return a note about each column that predicts the target alone."""
        what = "the classes" if self._is_class else "the ranks of y"
        return [
            DataNote(
                "leak",
                (str(names[position]),),
                f"{names[position]} alone predicts {percent(share)} of the variance of "
                f"{what}, by the means of y in bins of the column over other rows. "
                "Make sure that its value is known before that of y, and is not made "
                "from it.",
                "high",
            )
            for share, position in sorted(self._leaks, reverse=True)
        ]

    def orders(self, names: np.ndarray) -> list[DataNote]:
        """Return a note about the columns by which the rows are sorted."""
        if not self._sorted:
            return []
        found = tuple(str(names[position]) for position in self._sorted)
        return [
            DataNote(
                "order",
                found,
                f"The rows are sorted by {listed(found)}. If later rows are to be "
                "predicted from earlier ones, pass a splitter such as "
                "cv=TimeSeriesSplit(), since the default splits mix them. If the "
                "column only counts the rows, drop it.",
                "medium",
            )
        ]

    def drifts(self, names: np.ndarray) -> list[DataNote]:
        """Return notes about the columns that are not the same in all parts of X."""
        notes = []
        in_target, p_value = self._target_drift
        if in_target > DRIFT and p_value < DRIFT_LEVEL:
            notes.append(
                DataNote(
                    "drift",
                    (),
                    "y has other values in the first third of the rows than in the "
                    f"last (Cramér's V is {in_target:.2f}), and so have columns that "
                    "depend on it. This does no harm if the rows are only sorted by y.",
                )
            )
        level = DRIFT_LEVEL / max(self.n_columns, 1)
        found = [own for own in self._drifts if own[0] > DRIFT and own[1] < level]
        if found:
            found.sort(reverse=True)
            columns = tuple(str(names[position]) for _, _, position in found)
            shown = [
                f"{name} ({v:.2f})"
                for name, (v, *_) in zip(columns, found, strict=True)
            ]
            notes.append(
                DataNote(
                    "drift",
                    columns,
                    f"{_count(len(found))} other values in the first third of the rows "
                    f"than in the last: {listed(shown)}. The number is Cramér's V of "
                    "the bins of the column, from 0 for equal thirds to 1 for thirds "
                    "without a common value. Scores of shuffled splits may be too "
                    "good for future rows.",
                    "low" if notes else "medium",
                )
            )
        return notes

    def missings(self, names: np.ndarray) -> list[DataNote]:
        """Return a note about the columns that are mostly missing."""
        if not self._missing:
            return []
        found = sorted(self._missing, reverse=True)
        columns = tuple(str(names[position]) for _, position in found)
        shown = [
            f"{name} ({percent(share)})"
            for name, (share, _) in zip(columns, found, strict=True)
        ]
        return [
            DataNote(
                "missing",
                columns,
                f"{_count(len(found))} no value in most of the rows: {listed(shown)}.",
            )
        ]


def _count(n: int) -> str:
    return "One column has" if n == 1 else f"{n} columns have"


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the mean rank of each value in its column, so that none is extreme."""
    ranks = np.empty(values.shape)
    for output, column in enumerate(values.T):
        _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, output] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _of_target(target: TargetValues) -> Iterator[ColumnValues]:
    if target.codes is not None:
        yield ColumnValues(0, target.codes, is_category=True)
    else:
        yield from (ColumnValues(i, own) for i, own in enumerate(target.values.T))
