"""NetEncoder: turns columns into the two arrays that all nets for tables take."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

CLIP = 3.0  # bound of scaled numbers, in interquartile ranges
LARGE = 1e6  # its square is finite in every float type


def has_categories(X: Any) -> bool:
    """Whether X is a pandas DataFrame with columns of dtype "category"."""
    return hasattr(X, "iloc") and any(_is_category(dtype) for dtype in X.dtypes)


def check_floats(X: Any) -> np.ndarray:
    """Return X as a float array that may hold NaN.

    An array of floats is returned as it is. The nets have checked it before, and to do
    so again takes longer than to predict a row.
    """
    if isinstance(X, np.ndarray) and X.dtype in (np.float32, np.float64):
        return X
    return check_array(
        X,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
    )


class NetEncoder(BaseEstimator):
    """Scale and clip numbers, mark missing ones, and encode categories.

    Numbers are centred by the median, divided by the interquartile range and
    clipped smoothly: x / sqrt(1 + (x / 3)^2), as RealMLP does (Holzmüller et al.,
    2024). A column with few categories becomes one column per category. The categories
    of other columns are numbered for an embedding, where 0 stands for a missing or
    unknown category.

    Parameters
    ----------
    max_onehot : int, default=9
        Largest number of categories of a column that is one-hot encoded.

    Attributes
    ----------
    n_continuous_ : int
        Number of columns of `dense` that come from numbers, the first ones.
    n_dense_ : int
        Number of columns of `dense`.
    features_ : ndarray of int
        A number for each column of `dense`, which is the same for all that come from
        one column of X.
    cardinalities_ : list of int
        Number of rows in the embedding of each column of `codes`.
    """

    def __init__(self, max_onehot=9):
        self.max_onehot = max_onehot

    def fit(self, X, y=None):
        """Learn medians, scales and categories."""
        names = list(X.dtypes) if has_categories(X) else []
        self.category_columns_ = [
            i for i, dtype in enumerate(names) if _is_category(dtype)
        ]
        numbers = self._numbers(X)
        self._fit_numbers(numbers)
        self.categories_ = []
        self.onehot_, self.embedded_, self.cardinalities_ = [], [], []
        n_numbers = numbers.shape[1]
        features = [*range(n_numbers), *self.missing_.tolist()]
        for position, column in enumerate(self.category_columns_):
            values, codes = _values_and_codes(X.iloc[:, column])
            present = np.unique(codes)
            self.categories_.append([values[code] for code in present if code >= 0])
            if len(self.categories_[-1]) <= self.max_onehot:
                self.onehot_.append(position)
                n_columns = len(self.categories_[-1]) + 1
                features += [n_numbers + position] * n_columns
            else:
                self.embedded_.append(position)
                self.cardinalities_.append(len(self.categories_[-1]) + 1)
        self.features_ = np.array(features, dtype=np.intp)
        self.n_continuous_ = n_numbers
        self.n_dense_ = len(features)
        return self

    def transform(self, X):
        """Return `dense` (float32) and `codes` (int64), one row per row of X."""
        numbers = self._numbers(X)
        parts = [self._scaled(numbers)]
        if len(self.missing_):
            parts.append(np.isnan(numbers[:, self.missing_]).astype(np.float32))
        codes = [self._codes(X, i) for i in range(len(self.category_columns_))]
        for position in self.onehot_:
            n_columns = len(self.categories_[position]) + 1
            parts.append(np.eye(n_columns, dtype=np.float32)[codes[position]])
        embedded = [codes[position] for position in self.embedded_]
        dense = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        shape = (len(dense), 0)
        return dense, np.stack(embedded, 1) if embedded else np.zeros(shape, np.int64)

    def _fit_numbers(self, numbers) -> None:
        n_columns = numbers.shape[1]
        self.center_, self.factor_ = np.zeros(n_columns), np.zeros(n_columns)
        missing = []
        for i in range(n_columns):
            column = numbers[:, i].astype(np.float64)
            known = column[~np.isnan(column)]
            if len(known) < len(column):
                missing.append(i)
            if len(known):
                low, q1, q2, q3, high = np.percentile(known, [0, 25, 50, 75, 100])
                self.center_[i] = q2
                scale = q3 - q1 if q3 > q1 else (high - low) / 2
                self.factor_[i] = 1 / scale if 1e-300 < scale < np.inf else 0.0
        self.missing_ = np.array(missing, dtype=np.intp)

    def _scaled(self, numbers) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (numbers - self.center_) * self.factor_
        np.clip(scaled, -LARGE, LARGE, out=scaled)
        scaled /= np.sqrt(1 + (scaled / CLIP) ** 2)
        scaled[np.isnan(scaled)] = 0  # the median
        return scaled.astype(np.float32)

    def _numbers(self, X: Any) -> np.ndarray:
        if not self.category_columns_:
            return X.toarray() if hasattr(X, "toarray") else check_floats(X)
        if _is_mixed(X):
            return X.numbers
        if not hasattr(X, "iloc"):
            raise ValueError(
                "X has to be a pandas DataFrame, since this net was fitted on one "
                'with columns of dtype "category". Got a '
                f"{type(X).__name__} instead."
            )
        taken = set(self.category_columns_)
        rest = [i for i in range(X.shape[1]) if i not in taken]
        return check_floats(X.iloc[:, rest]) if rest else np.zeros((len(X), 0))

    def _codes(self, X, position) -> np.ndarray:
        if _is_mixed(X):
            values, codes = range(X.n_categories[position]), X.codes[:, position]
        else:
            column = X.iloc[:, self.category_columns_[position]]
            values, codes = _values_and_codes(column)
        number = {v: i + 1 for i, v in enumerate(self.categories_[position])}
        # Code -1, a missing category, takes the last entry.
        table = np.array([*(number.get(value, 0) for value in values), 0])
        return table[codes]


def _is_mixed(X: Any) -> bool:
    """Tell whether rows are `MixedRows`, and not a frame with such a column."""
    return hasattr(X, "codes") and not hasattr(X, "iloc")


def _is_category(dtype) -> bool:
    return getattr(dtype, "name", None) == "category"


def _values_and_codes(column):
    if not _is_category(column.dtype):
        column = column.astype("category")
    return column.cat.categories.tolist(), column.cat.codes.to_numpy()
