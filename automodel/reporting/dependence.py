"""Partial dependence: how predictions change with one column of X."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from automodel.clock import Deadline
from automodel.preprocessing.columns import DATE, LABEL, Column
from automodel.preprocessing.containers import open_columns
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table_columns import TableColumns

MOST_ROWS, LEAST_ROWS = 300, 50
MOST_CELLS = 10_000_000  # of the rows that are predicted for one column
MOST_VALUES = 20  # of a column
MOST_CATEGORIES = 12
TAILS = 0.05  # of the values at each end, where few rows are
LAST_FACTOR = 1.3  # a column may take longer than the slowest one before it


@dataclass(frozen=True)
class Dependence:
    """How predictions change with one column of X, the others being as they are.

    Parameters
    ----------
    feature : str
        Name of the column.
    kind : {"number", "date", "category"}
        What its values are. Those of categories have no order.
    values : list
        Numbers, datetimes or strings, in increasing order or the most frequent first.
        None stands for a missing value, and comes last.
    average : ndarray of shape (n_values, n_outputs)
        Mean prediction of the rows, if all of them have the value: probabilities of the
        classes in the order of `classes_`, or numbers.
    low, high : ndarray of shape (n_values, n_outputs)
        Quantiles 0.1 and 0.9 of the predictions of the rows.
    shares : ndarray of shape (n_values,)
        Share of the rows that have the value, or are closest to it.
    """

    feature: str
    kind: str
    values: list[Any]
    average: np.ndarray
    low: np.ndarray
    high: np.ndarray
    shares: np.ndarray


def partial_dependence(
    estimator: Any,
    X: Any,
    features: Iterable[int | str],
    *,
    seconds: float | None = 10.0,
    n_rows: int = MOST_ROWS,
) -> list[Dependence]:
    """Compute the partial dependence of predictions on some columns of X.

    All rows of a sample get the same value of a column, for several values that occur
    in it, and their predictions are averaged (Friedman, 2001). As in scikit-learn,
    combinations with values of other columns that never occur together are predicted,
    too, so that correlated columns deserve caution. Unlike
    `sklearn.inspection.partial_dependence`, this works for dates, categories, missing
    values and sparse matrices.

    Parameters
    ----------
    estimator : AutoClassifier or AutoRegressor
        Fitted.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows of the same kind as in `fit`.
    features : iterable of int or str
        Positions or names of columns, the most important first.
    seconds : float, default=10.0
        Limit of the time in seconds; None for no limit. Columns for which there is no
        time are left out.
    n_rows : int, default=300
        Number of rows that are drawn at random, and fewer if there are many columns.

    Returns
    -------
    list of Dependence
        One for each column, in the order of `features`. Columns of texts and columns
        that the estimator does not read are left out.

    Raises
    ------
    ValueError
        If a column is unknown, or if a row of X is a single text or image.

    References
    ----------
    .. [1] J. H. Friedman, "Greedy function approximation: a gradient boosting machine",
       Annals of Statistics 29, 1189-1232, 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel import AutoClassifier
    >>> from automodel.reporting.dependence import partial_dependence
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> search = AutoClassifier(families=["linear"], n_trials=1, time_budget=None)
    >>> (found,) = partial_dependence(search.fit(X, y), X, ["petal width (cm)"])
    >>> bool(found.average[0, 0] > found.average[-1, 0])
    True
    """
    check_is_fitted(estimator, "ensemble_")
    deadline = Deadline.after(seconds)
    reader = estimator._reader
    if not isinstance(reader, TableReader):
        raise ValueError(
            f"Each row of {type(estimator).__name__} is a single object, so that there "
            "are no columns on which predictions could depend."
        )
    affordable = MOST_CELLS // (MOST_VALUES * reader.n_features_in_)
    n_rows = min(n_rows, max(affordable, LEAST_ROWS))
    rows = _drawn(X, n_rows, estimator._seed_)
    part = copy.copy(estimator)._check_X(_safe_indexing(X, rows), reset=False)
    columns = TableColumns(reader)
    table = reader.transform(part)
    positions = [_position(feature, columns.names) for feature in features]
    found: list[Dependence] = []
    slowest = 0.0
    for position in positions:
        left = deadline.seconds_left
        if left < LAST_FACTOR * slowest or left <= 0:
            break
        grid = _grid(part, position, reader)
        if grid is None or not columns.is_read[position]:
            continue
        found.append(_dependence(estimator, table, columns, position, grid))
        if deadline.exists:
            slowest = max(slowest, left - deadline.seconds_left)
    return found


@dataclass(frozen=True)
class _Grid:
    """Rows with the values that all rows get, the values, and their shares."""

    kind: str
    rows: np.ndarray
    values: list[Any]
    shares: np.ndarray


def _dependence(estimator, table, columns, position: int, grid: _Grid) -> Dependence:
    n_rows, n_values = len(table), len(grid.rows)
    # Each row, once for each value; the value of a row with that value takes its place.
    repeated = table.take(np.tile(np.arange(n_rows), n_values))
    changed = columns.permuted(repeated, position, np.repeat(grid.rows, n_rows))
    outputs = _predict(estimator, repeated if changed is None else changed)
    outputs = outputs.reshape(n_values, n_rows, -1)
    low, high = np.quantile(outputs, [0.1, 0.9], axis=1)
    return Dependence(
        str(columns.names[position]),
        grid.kind,
        grid.values,
        outputs.mean(axis=1),
        low,
        high,
        grid.shares,
    )


def _predict(estimator: Any, table: Any) -> np.ndarray:
    """Return the predictions for rows that are read already."""
    from automodel.containment import contained

    with contained():
        outputs = estimator.ensemble_.predict(table)
    if hasattr(estimator, "classes_"):
        return estimator._target.probabilities(outputs)
    return np.asarray(estimator._target.decode(outputs))


def _drawn(X: Any, n_rows: int, seed: int) -> np.ndarray:
    n_all = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_all <= n_rows:
        return np.arange(n_all)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_all, n_rows, replace=False))


def _position(feature: int | str, names: np.ndarray) -> int:
    if isinstance(feature, str):
        found = np.flatnonzero(names == feature)
        if not len(found):
            raise ValueError(f"X has no column {feature!r}.")
        return int(found[0])
    if not 0 <= feature < len(names):
        raise ValueError(f"X has {len(names)} columns, and none at {feature}.")
    return int(feature)


def _grid(part: Any, position: int, reader: TableReader) -> _Grid | None:
    """Return the values of a column that all rows get; None for texts."""
    if issparse(part):
        return _grid_of_numbers(part[:, [position]].toarray().ravel(), "number")
    plans = {plan.position: plan for plan in reader.plans_}
    plan = plans.get(position)
    if plan is None or (plan.tokens and not plan.categories):
        return None
    column = open_columns(part).column(position)
    if column.form == DATE:
        return _grid_of_dates(column.values)
    if column.form != LABEL:
        return _grid_of_numbers(column.values, "number")
    if plan.width and not plan.alphabet:  # numbers or dates in strings
        return _grid_of_numbers(plan.numbers(column)[:, 0], "number")
    return _grid_of_labels(column)


def _grid_of_numbers(numbers: np.ndarray, kind: str) -> _Grid:
    """Return the quantiles of numbers, or all of them if they are few."""
    given = np.flatnonzero(~np.isnan(numbers))
    order = given[np.argsort(numbers[given], kind="stable")]
    distinct = np.unique(numbers[given], return_index=True)[1]
    if len(distinct) <= MOST_VALUES:
        rows = given[distinct]
    else:
        places = np.linspace(TAILS, 1 - TAILS, MOST_VALUES) * (len(order) - 1)
        rows = order[places.astype(int)]
        rows = rows[np.unique(numbers[rows], return_index=True)[1]]
    values = numbers[rows]
    middles = (values[1:] + values[:-1]) / 2
    counts = np.bincount(
        np.searchsorted(middles, numbers[given]), minlength=len(values)
    )
    return _with_missing(kind, rows, values.tolist(), counts, np.isnan(numbers))


def _grid_of_dates(moments: np.ndarray) -> _Grid:
    numbers = moments.astype(np.int64).astype(np.float64)
    numbers[np.isnat(moments)] = np.nan
    grid = _grid_of_numbers(numbers, "date")
    values: list[datetime.datetime | None] = [
        None if np.isnat(moment) else moment.astype("datetime64[us]").item()
        for moment in moments[grid.rows]
    ]
    return _Grid("date", grid.rows, values, grid.shares)


def _grid_of_labels(column: Column) -> _Grid:
    counts = np.bincount(column.values + 1, minlength=len(column.uniques) + 1)[1:]
    most = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    most = most[counts[most] > 0]
    first = {code: row for row, code in reversed(list(enumerate(column.values)))}
    rows = np.array([first[code] for code in most], dtype=int)
    values = [str(column.uniques[code]) for code in most]
    return _with_missing("category", rows, values, counts[most], column.values < 0)


def _with_missing(kind, rows, values, counts, is_missing) -> _Grid:
    """Add a missing value to a grid, if there are any."""
    if is_missing.any():
        rows = np.append(rows, np.flatnonzero(is_missing)[0])
        values, counts = [*values, None], np.append(counts, is_missing.sum())
    return _Grid(kind, rows, values, counts / len(is_missing))
