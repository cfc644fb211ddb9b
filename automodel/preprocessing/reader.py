"""TableReader: reads arrays, sparse matrices and DataFrames into a `Table`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from automodel.nets.weights import first_usable
from automodel.preprocessing.columns import FLOAT32_MAX, Column
from automodel.preprocessing.containers import Columns, open_columns
from automodel.preprocessing.plans import (
    BOTH,
    CATEGORICAL,
    DROPPED,
    NUMERIC,
    TEXT,
    ColumnPlan,
    as_texts,
    plan_column,
)
from automodel.preprocessing.table import Strings, Table, TextColumn
from automodel.preprocessing.table_facts import TableFacts
from automodel.preprocessing.text.columns import count_tokens
from automodel.preprocessing.text.embedded import seconds_to_embed

HASHED_ROWS = 512


class TableReader(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Read arrays, sparse matrices and DataFrames into a `Table`.

    The kind of each column is decided on fit. Later, columns are matched by position.

    Attributes
    ----------
    kinds_ : dict of str to str
        The kind of each column: "numeric", "date", "duration", "categorical", "text",
        "categorical+text" or "dropped".
    dropped_ : dict of str to str
        Why each dropped column is dropped: "constant", "all missing", "duplicate" or
        "id-like".
    all_missing_ : list of str
        Names of the columns without any value.
    n_features_in_ : int
        Number of columns seen during fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns seen during fit. Defined only if X is a DataFrame.

    Examples
    --------
    >>> from automodel.preprocessing.reader import TableReader
    >>> reader = TableReader()
    >>> table = reader.fit_transform([[1.5, "red"], [2.5, "blue"], [None, "red"]])
    >>> table.codes.ravel()
    array([1, 0, 1], dtype=int32)
    >>> reader.kinds_
    {'0': 'numeric', '1': 'categorical'}
    """

    @property
    def strings(self) -> list[str]:
        """Names of the columns of categories and texts, in which "01" is not 1."""
        kinds = self.kinds_.items()
        return [name for name, kind in kinds if kind in (CATEGORICAL, BOTH, TEXT)]

    def fit(self, X: Any, y: Any = None):
        """Decide the kind of each column.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            All rows that may be used for training.
        y : None
            Ignored.

        Returns
        -------
        TableReader
            The fitted reader.

        Raises
        ------
        TypeError
            If a value is neither a string, nor a number, nor a date.
        ValueError
            If X is not 2-dimensional, holds complex numbers or repeats a column name.
        """
        if sparse.issparse(X):
            self._fit_sparse(X)
        else:
            self._fit_columns(open_columns(X))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Table:
        """Decide the kind of each column, and read all rows."""
        if sparse.issparse(X):
            return self._fit_sparse(X)
        columns = open_columns(X)
        self._fit_columns(columns)
        return self._read(columns)

    def facts(self, table: Table) -> TableFacts:
        """Return the facts about the columns that families use."""
        keeps_texts = any(texts.strings is not None for texts in table.text)
        weights = first_usable() if keeps_texts else None
        seconds = seconds_to_embed(table.text, weights) if weights else 0.0
        return TableFacts(
            self.n_features_in_,
            n_rows=len(table),
            n_numeric=table.numeric.shape[1],
            n_categorical=table.codes.shape[1],
            n_text=len(table.text),
            max_cardinality=max(table.cardinalities, default=0),
            is_sparse=table.sparse is not None,
            weights=weights,
            embedding_seconds=seconds,
        )

    @property
    def notes_(self) -> list[str]:
        """Notes about the columns for the user."""
        names = list(self.all_missing_)
        return [f"Columns without any value are left out: {names[:10]}."] * bool(names)

    def transform(self, X: Any) -> Table:
        """Read rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows, with the same columns in the same order as on fit.

        Returns
        -------
        Table
            The rows.

        Raises
        ------
        ValueError
            If a column no longer holds what it held on fit.
        """
        check_is_fitted(self)
        if self.is_sparse_:
            matrix = _read_sparse(X)
            self._check_width(matrix.shape[1])
            return _sparse_table(matrix)
        if sparse.issparse(X):
            return self.transform(_read_sparse(X).toarray())
        columns = open_columns(X)
        self._check_width(columns.n_columns)
        return self._read(columns)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of the table.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X. By default, the names that were seen during fit,
            or x0, x1 and so on if X was not a DataFrame.

        Returns
        -------
        ndarray of str objects
            Names of the numeric columns, followed by those of the categories and those
            of the texts. A date becomes several columns, such as "sold_year". The place
            of a string in the alphabet is a column such as "name_rank".
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self.is_sparse_:
            return names
        return np.array(self._names(names), dtype=object)

    def _names(self, names: Sequence[str]) -> list[str]:
        numeric = np.empty(self.offsets_[-1], dtype=object)
        for plan in self.plans_:
            start, end = self.offsets_[plan.position : plan.position + 2]
            numeric[start:end] = plan.number_names(names[plan.position], end - start)
        return [
            *numeric[self.kept_],
            *(names[p.position] for p in self.plans_ if p.kind in (CATEGORICAL, BOTH)),
            *(names[p.position] for p in self.plans_ if p.tokens),
        ]

    def _check_width(self, n_columns: int) -> None:
        if n_columns != self.n_features_in_:
            raise ValueError(
                f"X has {n_columns} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )

    def _fit_sparse(self, X) -> Table:
        matrix = _read_sparse(X)
        self.is_sparse_ = True
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = matrix.shape[1]
        self.kinds_ = {str(i): NUMERIC for i in range(matrix.shape[1])}
        self.dropped_: dict[str, str] = {}
        self.all_missing_: list[str] = []
        self.plans_: list[ColumnPlan] = []
        return _sparse_table(matrix)

    def _fit_columns(self, columns: Columns) -> None:
        self.is_sparse_ = False
        self.n_features_in_ = columns.n_columns
        names = columns.names
        self.__dict__.pop("feature_names_in_", None)
        if columns.labels is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        numeric = set(columns.numeric.tolist())
        plans = [
            ColumnPlan(i, names[i], NUMERIC)
            if i in numeric
            else plan_column(i, names[i], columns.column(i))
            for i in range(columns.n_columns)
        ]
        self._drop_repeated_labels(plans, columns)
        self._keep_numbers(plans, columns)
        self.kinds_ = {plan.name: plan.kind for plan in plans}
        self.dropped_ = {p.name: p.reason for p in plans if p.kind == DROPPED}
        self.all_missing_ = [n for n, r in self.dropped_.items() if r == "all missing"]
        self.plans_ = [plan for plan in plans if plan.kind != DROPPED]
        has_text = any(plan.tokens for plan in self.plans_)
        self.keeps_texts_ = has_text and first_usable() is not None
        names = self.get_feature_names_out().tolist()
        is_default = names == [f"x{i}" for i in range(len(names))]
        self.names_ = () if is_default else tuple(names)
        self.categories_ = tuple(
            Strings(p.categories) for p in self.plans_ if p.kind in (CATEGORICAL, BOTH)
        )

    def _drop_repeated_labels(self, plans, columns) -> None:
        seen = set()
        for plan in plans:
            if plan.kind in (CATEGORICAL, BOTH, TEXT):
                column = columns.column(plan.position)
                if plan.kind == TEXT:
                    key = (tuple(column.uniques), column.values.tobytes())
                else:
                    key = (tuple(plan.categories), plan.codes(column).tobytes())
                if key in seen:
                    plan.kind, plan.reason, plan.alphabet = DROPPED, "duplicate", []
                seen.add(key)

    def _keep_numbers(self, plans, columns) -> None:
        """Drop the numeric columns that add nothing to the others."""
        widths = np.array([plan.width for plan in plans], dtype=np.intp)
        self.offsets_ = np.concatenate([[0], np.cumsum(widths)])
        self.kept_ = np.arange(self.offsets_[-1])
        matrix = self._numbers(columns, {p.position: p for p in plans if p.width})
        is_part = np.zeros(matrix.shape[1], dtype=bool)
        for plan, start in zip(plans, self.offsets_, strict=False):
            # The first part of a date, the time, is kept: it is missing with the date.
            is_part[start + 1 : start + plan.width] = True
        reasons = _useless_columns(matrix, is_part)
        self.kept_ = np.array(
            [i for i in range(matrix.shape[1]) if i not in reasons], dtype=np.intp
        )
        for plan, start, width in zip(plans, self.offsets_, widths, strict=False):
            lost = [reasons.get(i) for i in range(start, start + width)]
            if width and all(lost) and not plan.alphabet:
                plan.kind, plan.reason = DROPPED, lost[0]

    def _read(self, columns: Columns) -> Table:
        plans = self.plans_
        codes, text = [], []
        for plan in plans:
            if plan.kind in (CATEGORICAL, BOTH):
                codes.append(plan.codes(columns.column(plan.position)))
            if plan.tokens:
                column = columns.column(plan.position)
                text.append(_texts(plan, column, self.keeps_texts_))
        numbers = self._numbers(columns, {p.position: p for p in plans if p.width})
        empty = np.empty((columns.n_rows, 0), dtype=np.int32)
        return Table(
            numeric=numbers,
            codes=np.column_stack(codes) if codes else empty,
            cardinalities=tuple(map(len, self.categories_)),
            text=tuple(text),
            names=self.names_,
            categories=self.categories_,
        )

    def _numbers(self, columns: Columns, plans: dict[int, ColumnPlan]) -> np.ndarray:
        """Return the numeric columns that are kept, in the range of float32."""
        is_block = np.zeros(self.n_features_in_, dtype=bool)
        for position, plan in plans.items():
            is_block[position] = plan.kind == NUMERIC
        in_block = is_block[columns.numeric]
        positions = columns.numeric[in_block]
        n_all = int(self.offsets_[-1])
        if len(positions) == n_all == columns.block.shape[1]:
            return _cleaned(_chosen(columns.block, self.kept_))
        blocks = set(positions.tolist())
        others = {place: plan for place, plan in plans.items() if place not in blocks}
        dtype = np.dtype(np.float64) if others else columns.block.dtype
        matrix = np.full((columns.n_rows, n_all), np.nan, dtype)
        matrix[:, self.offsets_[positions]] = columns.block[:, in_block]
        for position, plan in others.items():
            start = self.offsets_[position]
            values = plan.numbers(columns.column(position))
            matrix[:, start : start + plan.width] = values
        return _cleaned(_chosen(matrix, self.kept_))


def _chosen(matrix: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return matrix if len(kept) == matrix.shape[1] else matrix[:, kept]


def _cleaned(values: np.ndarray) -> np.ndarray:
    """Replace infinities by NaN, and clip values to the range of float32.

    If nothing has to be changed, the array itself is returned.
    """
    if values.size == 0:
        return values
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if not (low < -FLOAT32_MAX or high > FLOAT32_MAX):
        return values
    finite = np.where(np.isinf(values), np.nan, values)
    return np.clip(finite, -FLOAT32_MAX, FLOAT32_MAX)


def _useless_columns(matrix: np.ndarray, is_part: np.ndarray) -> dict[int, str]:
    """Return the columns that add nothing, and why.

    They are constant, all missing, or equal to an earlier column. A column of one value
    and missing values is not constant, unless it is a part of a date.
    """
    if matrix.size == 0:
        return {}
    low, high = np.fmin.reduce(matrix, axis=0), np.fmax.reduce(matrix, axis=0)
    has_missing = np.isnan(matrix.sum(axis=0, dtype=np.float64))
    reasons = {int(i): "all missing" for i in np.flatnonzero(np.isnan(low))}
    constant = (low == high) & (is_part | ~has_missing)
    reasons.update({int(i): "constant" for i in np.flatnonzero(constant)})
    first: dict[int, list[int]] = {}
    for i, key in enumerate(_column_hashes(matrix).tolist()):
        if i in reasons:
            continue
        for earlier in first.setdefault(key, []):
            if np.array_equal(matrix[:, earlier], matrix[:, i], equal_nan=True):
                reasons[i] = "duplicate"
                break
        else:
            first[key].append(i)
    return reasons


def _column_hashes(matrix: np.ndarray) -> np.ndarray:
    """Return a number for each column, equal for equal columns."""
    generator = np.random.default_rng(0)
    hashes = np.zeros(matrix.shape[1], dtype=np.uint64)
    for start in range(0, len(matrix), HASHED_ROWS):
        block = matrix[start : start + HASHED_ROWS].astype(np.float64)
        block += 0.0  # -0.0 becomes 0.0
        block[np.isnan(block)] = np.nan
        bits = np.ascontiguousarray(block).view(np.uint64)
        bits ^= bits >> np.uint64(32)  # the low bits of small integers are all zero
        odd = generator.integers(2**62, size=(len(block), 1), dtype=np.uint64)
        hashes += (bits * (2 * odd + 1)).sum(axis=0, dtype=np.uint64)
    return hashes


def _texts(plan: ColumnPlan, column: Column, keeps_texts: bool) -> TextColumn:
    codes, labels = as_texts(column)
    labels = [*labels, ""]  # the last is for missing texts
    return TextColumn(
        count_tokens(labels, plan.tokens),
        np.where(codes < 0, len(labels) - 1, codes).astype(np.int32),
        Strings(labels) if keeps_texts else None,
    )


def _read_sparse(X: Any) -> sparse.csr_matrix:
    if not sparse.issparse(X):
        columns = open_columns(X)
        if len(columns.numeric) < columns.n_columns:
            raise ValueError(
                "X was a sparse matrix when the model was fitted and now has columns "
                "that do not hold numbers. Pass a sparse or a numeric matrix."
            )
        X = columns.block
    if X.dtype.kind == "c":
        raise ValueError("Complex data not supported. X holds complex numbers.")
    matrix = sparse.csr_matrix(X).astype(np.float64, copy=False)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    clean = _cleaned(matrix.data)
    if clean is not matrix.data:
        shape = matrix.shape
        matrix = sparse.csr_matrix((clean, matrix.indices, matrix.indptr), shape=shape)
    return matrix


def _sparse_table(matrix: sparse.csr_matrix) -> Table:
    n_rows = matrix.shape[0]
    return Table(
        numeric=np.empty((n_rows, 0)),
        codes=np.empty((n_rows, 0), dtype=np.int32),
        sparse=matrix,
    )
