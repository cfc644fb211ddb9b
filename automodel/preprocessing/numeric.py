"""NumericColumns: impute and scale numeric columns, with weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

LIMIT = 1e10  # of a scaled value; the square of a larger one overflows float32
CELLS = 2**22  # that are copied at a time


class NumericColumns(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Impute and scale numeric columns.

    A row of integer weight n has the effect of n equal rows, and a row of weight zero
    has none.

    Parameters
    ----------
    missing : {"keep", "impute"}, default="keep"
        "keep" leaves missing values as NaN. "impute" replaces them by the median of the
        column, and appends an indicator column of 0 and 1 for each column that has
        missing values in the training rows.
    scale : {None, "standard"}, default=None
        "standard" scales each column to zero mean and unit standard deviation.

    Attributes
    ----------
    kept_ : ndarray of int
        Positions of the columns that have at least one value in the training rows.
    has_missing_ : ndarray of bool
        Whether each of these columns has missing values in the training rows.
    median_ : ndarray of float64
        The value that is imputed in each column.
    center_, factor_ : ndarray of float64
        What is subtracted from each column, and what the difference is multiplied by.
    """

    def __init__(self, missing: str = "keep", scale: str | None = None):
        self.missing = missing
        self.scale = scale

    def fit(self, X: np.ndarray, y=None, sample_weight: np.ndarray | None = None):
        """Learn the medians, and the means and standard deviations."""
        return self.fit_parts([X], sample_weight)

    def fit_parts(
        self, parts: Iterable[np.ndarray], sample_weight: np.ndarray | None = None
    ):
        """Learn from arrays that are columns of the same rows, one after the other.

        No copy is made of all columns, of which there may be many.
        """
        used: Any = slice(None)
        weight = sample_weight
        if weight is not None and not (weight > 0).all():
            used, weight = weight > 0, weight[weight > 0]
        n_columns, learned = 0, []
        for part in parts:
            for X in _groups_of_columns(part):
                own = self._learned(np.asarray(X[used], dtype=np.float64), weight)
                learned.append((own[0] + n_columns, *own[1:]))
                n_columns += X.shape[1]
        columns = (np.concatenate(each) for each in zip(*learned, strict=True))
        self.kept_, self.has_missing_, self.median_, self.center_, self.factor_ = (
            columns
        )
        return self

    def _learned(self, X: np.ndarray, weight: np.ndarray | None) -> tuple:
        """Return what is learned from some columns, for those that have a value."""
        n_values = _count_values(X)
        kept = np.flatnonzero(n_values)
        X = X if len(kept) == X.shape[1] else X[:, kept]
        has_missing = n_values[kept] < len(X)
        median = center = np.zeros(len(kept))
        factor = np.ones(len(kept))
        if self.missing == "impute":
            median = weighted_medians(X, weight)
            X = _filled(X, median)
        if self.scale == "standard":
            center, factor = _standard(X, weight)
        return kept, has_missing, median, center, factor

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled columns, followed by the indicators of missing values."""
        X = X if len(self.kept_) == X.shape[1] else X[:, self.kept_]
        marks = np.isnan(X[:, self.has_missing_]) if self.missing == "impute" else None
        if self.missing == "impute":
            X = _filled(X, self.median_)
        if self.scale is not None:
            X = X - self.center_
            with np.errstate(over="ignore"):
                X *= self.factor_
            np.clip(X, -LIMIT, LIMIT, out=X)
        if marks is not None and marks.shape[1]:
            X = np.hstack([X, marks])
        return X

    def names_out(self, names: Sequence[str]) -> list[str]:
        """Return the names of the encoded columns."""
        kept = [names[i] for i in self.kept_.tolist()]
        if self.missing == "keep":
            return kept
        pairs = zip(kept, self.has_missing_, strict=True)
        return kept + [f"missingindicator_{name}" for name, marked in pairs if marked]


def _groups_of_columns(X: np.ndarray) -> list[np.ndarray]:
    """Return a few arrays of columns, each small enough to be copied and sorted."""
    n_groups = min(max(X.size // CELLS, 1), max(X.shape[1], 1))
    return np.array_split(X, n_groups, axis=1)


def _filled(X: np.ndarray, median: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(X), median, X) if np.isnan(X.sum()) else X


def _standard(X: np.ndarray, weight: np.ndarray | None):
    """Return the means, and the factors that give each column unit deviation."""
    weight = np.ones(len(X)) if weight is None else weight
    unknown = np.isnan(X) if np.isnan(X.sum()) else None
    total = weight.sum() if unknown is None else weight @ ~unknown
    mean = weight @ (X if unknown is None else np.nan_to_num(X)) / total
    deviation = X - mean
    if unknown is not None:
        deviation[unknown] = 0.0
    rest = weight @ deviation / total  # the rounding error of a large mean
    mean = mean + rest
    deviation *= deviation
    variance = np.maximum(weight @ deviation / total - rest * rest, 0.0)
    # Rounding errors give a constant column a small variance; ignore it.
    rounding = len(X) * np.finfo(np.float64).eps * np.abs(mean)
    is_constant = variance <= rounding * rounding + np.finfo(np.float64).tiny
    return mean, 1.0 / np.where(is_constant, 1.0, np.sqrt(variance))


def _count_values(X: np.ndarray) -> np.ndarray:
    """Return the number of values of each column that are not missing."""
    n_values = np.full(X.shape[1], len(X))
    holed = np.flatnonzero(np.isnan(X.sum(axis=0)))
    n_values[holed] -= np.isnan(X[:, holed]).sum(axis=0)
    return n_values


def weighted_medians(
    X: np.ndarray, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """Return the median of each column, without its missing values.

    Weights that are multiplied by a constant give the same medians.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Columns that have at least one value each.
    sample_weight : ndarray of shape (n_samples,), default=None
        Positive weights; a row of integer weight n counts as n equal rows.

    Returns
    -------
    ndarray of shape (n_features,)
        The medians.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.numeric import weighted_medians
    >>> weighted_medians(np.array([[1.0], [5.0]]), np.array([2.0, 1.0]))
    array([1.])
    """
    if sample_weight is None:
        return _medians(X)
    medians = np.empty(X.shape[1])
    for column in range(X.shape[1]):
        known = ~np.isnan(X[:, column])
        values, weight = X[known, column], sample_weight[known]
        order = np.argsort(values, kind="stable")
        values, reached = values[order], np.cumsum(weight[order])
        last, slack = len(values) - 1, 1e-9 * reached[-1] / len(values)
        half = 0.5 * reached[-1]
        low = min(int(np.searchsorted(reached, half - slack)), last)
        high = min(int(np.searchsorted(reached, half + slack, "right")), last)
        # Halve before adding: the sum of two large values may overflow.
        medians[column] = values[low] / 2 + values[high] / 2
    return medians


def _medians(X: np.ndarray) -> np.ndarray:
    """Return the medians where no row has a weight, for all columns at once."""
    ordered = np.sort(X, axis=0)  # NaN is sorted to the end
    n_values = _count_values(X)
    columns = np.arange(X.shape[1])
    low, high = ordered[(n_values - 1) // 2, columns], ordered[n_values // 2, columns]
    return low / 2 + high / 2
