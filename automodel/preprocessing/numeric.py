"""NumericColumns: impute and scale numeric columns, with weights."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

LIMIT = 1e10  # of a scaled value; beyond, squares leave the range of float32


class NumericColumns(TransformerMixin, BaseEstimator):
    """Impute and scale numeric columns.

    An integer weight has the effect of as many rows, and weight zero that of none:
    medians and quantiles are those of the repeated rows.

    Parameters
    ----------
    missing : {"keep", "impute"}, default="keep"
        "impute" puts the median where a value is missing, and appends a column of
        0 and 1 for each column in which training rows have missing values.
    scale : {None, "standard", "robust"}, default=None
        "standard": zero mean and unit standard deviation. "robust": median and
        interquartile range, then a smooth clip into (-3, 3), as for RealMLP
        (Holzmueller et al. 2024, "Better by default", section 3).

    Attributes
    ----------
    kept_ : ndarray of int
        Columns in which training rows have a value.
    has_missing_ : ndarray of bool
        Which of them have missing values too.
    median_, center_, factor_ : ndarray of float64
        What is imputed, subtracted and then multiplied.
    """

    def __init__(self, missing: str = "keep", scale: str | None = None):
        self.missing = missing
        self.scale = scale

    def fit(self, X: np.ndarray, y=None, sample_weight: np.ndarray | None = None):
        """Learn medians, centres and factors."""
        if sample_weight is not None:
            X, sample_weight = X[sample_weight > 0], sample_weight[sample_weight > 0]
        n_values = _count_values(X)
        self.kept_ = np.flatnonzero(n_values)
        X = self._kept(X)
        self.has_missing_ = n_values[self.kept_] < len(X)
        self.median_ = self.center_ = np.zeros(len(self.kept_))
        self.factor_ = np.ones(len(self.kept_))
        if self.missing == "impute" or self.scale == "robust":
            quantiles = weighted_quantiles(X, [0.25, 0.5, 0.75], sample_weight)
            self.median_ = quantiles[1]
        if self.scale == "robust":
            self._fit_robust(X, quantiles)
        elif self.scale == "standard":
            self._fit_standard(self._filled(X), sample_weight)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the numeric columns, and then those that mark missing values."""
        X = self._kept(X)
        marks = np.isnan(X[:, self.has_missing_]) if self.missing == "impute" else None
        X = self._filled(X)
        if self.scale is not None:
            X = X - self.center_
            with np.errstate(over="ignore"):
                X *= self.factor_
            np.clip(X, -LIMIT, LIMIT, out=X)
        if self.scale == "robust":
            X /= np.sqrt(1.0 + (X / 3.0) ** 2)
        if marks is not None and marks.shape[1]:
            X = np.hstack([X, marks])
        return X

    def _kept(self, X: np.ndarray) -> np.ndarray:
        return X if len(self.kept_) == X.shape[1] else X[:, self.kept_]

    def _filled(self, X: np.ndarray) -> np.ndarray:
        if self.missing == "keep" or not np.isnan(X.sum()):
            return X
        return np.where(np.isnan(X), self.median_, X)

    def _fit_standard(self, X, sample_weight) -> None:
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        unknown = np.isnan(X) if np.isnan(X.sum()) else None
        total = weight.sum() if unknown is None else weight @ ~unknown
        mean = weight @ (X if unknown is None else np.nan_to_num(X)) / total
        deviation = X - mean
        if unknown is not None:
            deviation[unknown] = 0.0
        rest = weight @ deviation / total  # rounding of the mean, for large offsets
        mean = mean + rest
        deviation *= deviation
        variance = np.maximum(weight @ deviation / total - rest * rest, 0.0)
        # What rounding leaves of a constant column is no spread.
        rounding = len(X) * np.finfo(np.float64).eps * np.abs(mean)
        is_constant = variance <= rounding * rounding + np.finfo(np.float64).tiny
        self.center_ = mean
        self.factor_ = 1.0 / np.where(is_constant, 1.0, np.sqrt(variance))

    def _fit_robust(self, X, quantiles) -> None:
        spread = quantiles[2] - quantiles[0]
        half_range = (np.fmax.reduce(X, axis=0) - np.fmin.reduce(X, axis=0)) / 2
        spread = np.where(spread > 0, spread, half_range)
        self.center_ = quantiles[1]
        self.factor_ = np.divide(
            1.0, spread, out=np.zeros_like(spread), where=spread > 1e-300
        )


def _count_values(X: np.ndarray) -> np.ndarray:
    """Return how many values each column has, quickly where none is missing."""
    n_values = np.full(X.shape[1], len(X))
    holed = np.flatnonzero(np.isnan(X.sum(axis=0)))
    n_values[holed] -= np.isnan(X[:, holed]).sum(axis=0)
    return n_values


def weighted_quantiles(
    X: np.ndarray, quantiles: list[float], sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """Return quantiles of columns without their NaN.

    Where a quantile falls between two values it is their mean, so that the 0.5
    quantile is the usual median, rows repeated `sample_weight` times give the same
    result, and so does a multiple of the weights.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Columns with at least one value.
    quantiles : list of float
        Between 0 and 1.
    sample_weight : ndarray of shape (n_samples,), default=None
        Positive weights.

    Returns
    -------
    ndarray of shape (len(quantiles), n_features)
        The quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.numeric import weighted_quantiles
    >>> weighted_quantiles(np.array([[1.0], [5.0]]), [0.5], np.array([2.0, 1.0]))
    array([[1.]])
    """
    result = np.empty((len(quantiles), X.shape[1]))
    if sample_weight is None:
        ordered = np.sort(X, axis=0)  # NaN comes last
        n_values = _count_values(X)
        columns = np.arange(X.shape[1])
        for row, q in enumerate(quantiles):
            place = q * n_values
            low = np.clip(np.ceil(place - 1e-9) - 1, 0, n_values - 1).astype(np.intp)
            high = np.clip(np.floor(place + 1e-9), 0, n_values - 1).astype(np.intp)
            # Halves first: the sum of two large values may overflow.
            result[row] = ordered[low, columns] / 2 + ordered[high, columns] / 2
        return result
    for column in range(X.shape[1]):
        known = ~np.isnan(X[:, column])
        values, weight = X[known, column], sample_weight[known]
        order = np.argsort(values, kind="stable")
        values, reached = values[order], np.cumsum(weight[order])
        last, slack = len(values) - 1, 1e-9 * reached[-1] / len(values)
        for row, q in enumerate(quantiles):
            place = q * reached[-1]
            low = min(int(np.searchsorted(reached, place - slack)), last)
            high = min(int(np.searchsorted(reached, place + slack, "right")), last)
            result[row, column] = values[low] / 2 + values[high] / 2
    return result
