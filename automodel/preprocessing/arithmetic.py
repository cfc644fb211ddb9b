"""Sums, differences, products and ratios of numeric columns, for trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

FEWEST_VALUES = 3  # that a column must have
ROWS_LOOKED_AT = 5000  # to count the values, and to measure the scale
GROUP = 8  # new columns that are computed at a time, where all are too many


class ArithmeticColumns(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Compute sums, differences, products and ratios of pairs of numeric columns.

    A tree needs many splits to express a ratio or a difference, and only one if it is a
    column of its own. These are the arithmetic features of TabPrep (arXiv:2606.02384).

    Parameters
    ----------
    n_features : int, default=150
        Largest number of new columns. If there are more combinations of a pair and an
        operation, some of them are drawn at random.
    n_columns : int, default=30
        Largest number of columns that are combined. Those with the most distinct values
        are chosen.
    random_state : int, default=0
        Seed of the random choice.

    Attributes
    ----------
    operations_ : list of (ufunc, left, right)
        The operation of each new column, and the positions of the two columns that it
        combines.
    scale_ : ndarray of shape (n_features_in,)
        Standard deviations of the columns. Each column is divided by its own first, so
        that a sum does not depend on the larger column alone.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.arithmetic import ArithmeticColumns
    >>> X = np.array([[1.0, 2.0], [2.0, 8.0], [3.0, 5.0]])
    >>> made = ArithmeticColumns().fit_transform(X)
    >>> made.shape
    (3, 5)
    """

    def __init__(
        self, n_features: int = 150, n_columns: int = 30, random_state: int = 0
    ):
        self.n_features = n_features
        self.n_columns = n_columns
        self.random_state = random_state

    def fit(self, X: np.ndarray, y=None, sample_weight: np.ndarray | None = None):
        """Choose the pairs. Rows of weight zero are ignored."""
        used = np.arange(len(X))
        if sample_weight is not None:
            used = used[sample_weight > 0]
        rows = np.linspace(0, len(used) - 1, min(len(used), ROWS_LOOKED_AT))
        looked_at = X[used[rows.astype(int)]].astype(np.float64)
        n_values = [len(np.unique(c[np.isfinite(c)])) for c in looked_at.T]
        order = np.argsort(-np.array(n_values, dtype=int), kind="stable")
        chosen = [i for i in order[: self.n_columns] if n_values[i] >= FEWEST_VALUES]
        self.scale_ = _spread(looked_at)
        possible = [
            (operation, left, right)
            for left, right in combinations(sorted(chosen), 2)
            for operation in (np.add, np.subtract, np.multiply, np.divide)
        ]
        possible += [(np.divide, j, i) for i, j in combinations(sorted(chosen), 2)]
        if len(possible) > self.n_features:
            rng = np.random.default_rng(self.random_state)
            drawn = rng.choice(len(possible), self.n_features, replace=False)
            possible = [possible[i] for i in sorted(drawn)]
        self.operations_ = possible
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the new columns, with NaN where a result is missing or infinite."""
        if len(X) != 1:
            return self._made(X, self.operations_)
        made = np.empty((1, len(self.operations_)))
        with np.errstate(all="ignore"):
            self._fill_one(made[0], X[0] / self.scale_)
        made[~np.isfinite(made)] = np.nan
        return made

    def groups(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the new columns of all rows, a few columns at a time."""
        for start in range(0, len(self.operations_), GROUP):
            yield self._made(X, self.operations_[start : start + GROUP])

    def _made(self, X: np.ndarray, operations: Sequence[tuple]) -> np.ndarray:
        made = np.empty((len(X), len(operations)), order="F")
        scaled = partial(np.divide, dtype=np.float64)
        with np.errstate(all="ignore"):
            for column, (operation, i, j) in enumerate(operations):
                left = scaled(X[:, i], self.scale_[i])
                right = scaled(X[:, j], self.scale_[j])
                operation(left, right, out=made[:, column])
        made[~np.isfinite(made)] = np.nan
        return made

    def _fill_one(self, made: np.ndarray, row: np.ndarray) -> None:
        """Compute the columns of a single row, each operation once."""
        places: dict[Any, list[tuple[int, int, int]]] = {}
        for column, (operation, left, right) in enumerate(self.operations_):
            places.setdefault(operation, []).append((column, left, right))
        for ufunc, found in places.items():
            columns, left, right = np.array(found).T
            made[columns] = ufunc(row[left], row[right])

    def names_out(self, names: Sequence[str]) -> list[str]:
        """Return the names of the new columns, such as "height / width"."""
        return [
            f"{names[left]} {_SIGNS[operation]} {names[right]}"
            for operation, left, right in self.operations_
        ]


_SIGNS = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/"}


def _spread(X: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column, or 1 if it is 0 or not finite."""
    known = np.isfinite(X)
    with np.errstate(all="ignore"):
        spread = np.array([c[k].std() for c, k in zip(X.T, known.T, strict=True)])
    return np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
