"""What adds nothing: constant columns, copies of columns, and repeated rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, issparse
from sklearn.utils import _safe_indexing

from automodel.preprocessing.columns import LABEL
from automodel.preprocessing.containers import Columns, open_columns
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table_columns import TableColumns
from automodel.reporting.data_note import DataNote, listed, percent
from automodel.reporting.target_notes import TargetValues

MOST_CELLS = 50_000_000  # that are compared to find repeated rows
COMPARED_ROWS = 2_000  # to find the column that another one is a copy of
MANY = 0.01  # of the rows
WHY = {  # for one column, and for several
    "constant": ("has the same value in all rows", "have the same value in all rows"),
    "all missing": ("has no value in any row", "have no value in any row"),
    "id-like": (
        "has a different string in each row, as an identifier does",
        "have a different string in each row, as identifiers do",
    ),
    "duplicate": ("is a copy of another one", "are copies of others"),
}


def repeated_columns(X: Any, reader: TableReader) -> list[DataNote]:
    """Return notes about the columns of X that add nothing to a model."""
    names = TableColumns(reader).names
    if issparse(X):
        reasons, originals = _reasons_of_matrix(X.tocsc())
    else:
        kinds = list(reader.kinds_)  # of all columns, whose names may have a suffix
        dropped = reader.dropped_
        reasons = {i: dropped[n] for i, n in enumerate(kinds) if n in dropped}
        originals = _originals(X, [i for i, r in reasons.items() if r == "duplicate"])
    notes = []
    for reason, (one, several) in WHY.items():
        found = [i for i, own in reasons.items() if own == reason]
        if not found:
            continue
        columns = tuple(str(names[i]) for i in found)
        shown = [
            f"{names[i]} (of {names[originals[i]]})" if i in originals else names[i]
            for i in found
        ]
        what, why = ("One column", one)
        if len(found) > 1:
            what, why = f"{len(found)} columns", several
        kind = "duplicate columns" if reason == "duplicate" else reason
        text = f"{what} {why}, and adds nothing to a model: {listed(shown)}."
        text = text.replace(" adds ", " add ") if len(found) > 1 else text
        notes.append(DataNote(kind, columns, text))
    return notes


def _reasons_of_matrix(matrix: csc_matrix) -> tuple[dict[int, str], dict[int, int]]:
    """Return the columns that add nothing, why, and what they are copies of."""
    low, high = (m.toarray().ravel() for m in (matrix.min(axis=0), matrix.max(axis=0)))
    reasons = {int(i): "constant" for i in np.flatnonzero(low == high)}
    originals: dict[int, int] = {}
    first: dict[tuple[bytes, bytes], int] = {}
    for i in range(matrix.shape[1]):
        own = slice(matrix.indptr[i], matrix.indptr[i + 1])
        key = matrix.indices[own].tobytes(), matrix.data[own].tobytes()
        if i not in reasons and first.setdefault(key, i) != i:
            reasons[i], originals[i] = "duplicate", first[key]
    return reasons, originals


def _originals(X: Any, copies: list[int]) -> dict[int, int]:
    """Return the first column with the same values as each copy, if there is one."""
    if not copies:
        return {}
    rows = np.arange(min(X.shape[0], COMPARED_ROWS))
    columns = open_columns(_safe_indexing(X, rows))
    first: dict[Any, int] = {}
    for i in range(max(copies) + 1):
        first.setdefault(_key(columns, i), i)
    found = {i: first[_key(columns, i)] for i in copies}
    return {i: original for i, original in found.items() if original != i}


def _key(columns: Columns, position: int) -> Any:
    column = columns.column(position)
    if column.form == LABEL:
        used = column.used()
        return used.values.tobytes(), tuple(map(str, used.uniques))
    return np.ascontiguousarray(column.values).tobytes()


def repeated_rows(X: Any, target: TargetValues, seed: int = 0) -> list[DataNote]:
    """Return a note about the rows that are equal, unless there are none.

    All rows are compared if they have at most 50 million values, or else a part of them
    that is drawn at random.
    """
    rows = np.arange(X.shape[0])
    most = max(MOST_CELLS // max(X.shape[1], 1), 1)
    if len(rows) > most and not issparse(X):
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(rows), most, replace=False))
        X, target = _safe_indexing(X, rows), target.take(rows)
    keys = _keys_of_matrix(X) if issparse(X) else _keys_of_rows(open_columns(X))
    _, equal = np.unique(keys, return_inverse=True)
    return repetition_notes(equal, target, "rows")


def repetition_notes(
    equal: np.ndarray, target: TargetValues, noun: str
) -> list[DataNote]:
    """Return a note about equal rows, and how many of them differ in y.

    Parameters
    ----------
    equal : ndarray of shape (n_samples,)
        The same number for equal rows.
    target : TargetValues
        The target of the rows.
    noun : str
        What the rows are called, such as "texts".
    """
    _, first, inverse = np.unique(equal, return_index=True, return_inverse=True)
    n_rows, n_repeated = len(equal), len(equal) - len(first)
    if not n_repeated:
        return []
    values = target.values if target.codes is None else target.codes.reshape(-1, 1)
    differs = (values != values[first[inverse]]).any(axis=1)
    n_different = int(differs.sum())
    text = (
        f"{n_repeated} of {n_rows} {noun} ({percent(n_repeated / n_rows)}) repeat an "
        "earlier one."
    )
    if n_different:
        text += f" In {n_different} of them, y is different, which no model can learn."
    if noun == "rows":
        text += (
            " If they are copies and no independent observations, drop them, or pass "
            "equal groups, since a model is validated on rows that it was fitted to."
        )
    is_many = n_repeated > MANY * n_rows
    return [DataNote("duplicate rows", (), text, "medium" if is_many else "low")]


def _keys_of_rows(columns: Columns) -> np.ndarray:
    """Return a hash of each row, the same for equal rows."""
    keys = np.zeros(columns.n_rows, dtype=np.uint64)
    odd = _odd_numbers(columns.n_columns)
    block = columns.block
    for place, position in enumerate(columns.numeric):
        values = block[:, place].astype(np.float64) + 0.0  # -0.0 becomes 0.0
        _add(keys, values, odd[position])
    numeric = set(columns.numeric.tolist())
    for position in range(columns.n_columns):
        if position not in numeric:
            _add(keys, columns.column(position).values, odd[position])
    return keys


def _add(keys: np.ndarray, values: np.ndarray, odd: np.uint64) -> None:
    """Add the bits of the values of a column, which are mixed with its odd number."""
    if values.dtype == np.float64:
        values = np.where(np.isnan(values), np.nan, values)
    bits = np.ascontiguousarray(values).view(np.uint64) * odd
    bits ^= bits >> np.uint64(31)
    keys += bits * odd


def _keys_of_matrix(matrix: Any) -> np.ndarray:
    """Return a hash of each row of a sparse matrix, the same for equal rows."""
    matrix = csr_matrix(matrix, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    bits = np.ascontiguousarray(matrix.data, dtype=np.float64).view(np.uint64)
    odd = _odd_numbers(matrix.shape[1])[matrix.indices]
    bits = bits * odd
    bits ^= bits >> np.uint64(31)
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(bits * odd)])
    return sums[matrix.indptr[1:]] - sums[matrix.indptr[:-1]]


def _odd_numbers(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 2 * rng.integers(2**62, size=n, dtype=np.uint64) + np.uint64(1)


def empty_texts(texts: Iterable[str]) -> list[DataNote]:
    """Return a note about the texts that are empty or missing."""
    is_empty = [not text.strip() for text in texts]
    if not any(is_empty):
        return []
    share = sum(is_empty) / len(is_empty)
    text = f"{sum(is_empty)} texts ({percent(share)}) are empty or missing."
    return [DataNote("empty", (), text, "medium" if share > MANY else "low")]
