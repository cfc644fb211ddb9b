"""Encoders of categories: pooling, one-hot, target and frequency encoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.sampling.clusters import even_parts

RARE = "infrequent"  # the common name of the pooled categories of a column
N_FOLDS = 5
MAX_ENCODED_CLASSES = 10
PRIOR_ROWS = 10.0
TINY = 1e-300


def used_categories(codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Return the number of categories of each column in the rows of positive weight."""
    codes = codes if weight is None else codes[weight > 0]
    sizes = [len(np.unique(column[column >= 0])) for column in codes.T]
    return np.array(sizes, dtype=np.intp)


class PooledCategories(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Renumber the categories of each column, and pool the rare ones.

    Parameters
    ----------
    max_categories : int, default=254
        Number of categories of each column that keep a number of their own, the most
        frequent ones. All others share a number.
    own_pool : bool, default=False
        Whether the shared number is an additional one, the last of the column. If
        False, it is 0, as for missing values and unknown categories.

    Attributes
    ----------
    numbers_ : list of ndarray of int32
        The new number of each code. The last entry is that of missing values and
        unknown categories.
    sizes_ : list of int
        The largest new number of each column.
    """

    def __init__(self, max_categories: int = 254, own_pool: bool = False):
        self.max_categories = max_categories
        self.own_pool = own_pool

    def fit(
        self,
        codes: np.ndarray,
        y=None,
        sample_weight: np.ndarray | None = None,
        cardinalities: tuple[int, ...] = (),
    ):
        """Count the categories of the training rows."""
        self.numbers_, self.sizes_ = [], []
        for column, cardinality in zip(codes.T, cardinalities, strict=True):
            counts = count_codes(column, cardinality, sample_weight)
            numbers = np.zeros(cardinality + 1, dtype=np.int32)
            # Round, so that a multiple of the weights breaks ties in the same way.
            shares = np.round(counts / max(counts.sum(), TINY), 9)
            common = np.argsort(-shares, kind="stable")[: self.max_categories]
            common = np.sort(common[counts[common] > 0])
            numbers[common] = np.arange(1, len(common) + 1)
            size = len(common)
            rare = np.flatnonzero((numbers[:-1] == 0) & (counts > 0))
            if self.own_pool and len(rare):
                size += 1
                numbers[rare] = size
            self.numbers_.append(numbers)
            self.sizes_.append(size)
        return self

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Return the new numbers, with 0 for missing values and unknown categories."""
        numbers = np.empty(codes.shape, dtype=np.int32)
        for i, new in enumerate(self.numbers_):
            numbers[:, i] = new[codes[:, i]]
        return numbers

    def labels(self, column: int, categories: Sequence[str]) -> list[str]:
        """Return the categories that the numbers of a column stand for, from 1 on.

        Parameters
        ----------
        column : int
            Position of the column.
        categories : sequence of str
            The categories that its codes stand for. If empty, the codes are returned.
        """
        new, codes, counts = np.unique(
            self.numbers_[column][:-1], return_index=True, return_counts=True
        )
        labels = [
            str(categories[code] if categories else code) if count == 1 else RARE
            for code, count in zip(codes.tolist(), counts, strict=True)
        ]
        return labels[int(np.searchsorted(new, 1)) :]


class OneHotColumns(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Turn categories into columns of 0 and 1.

    A missing value or an unknown category gives zeros only. A column of two categories
    without missing values becomes a single column.

    Parameters
    ----------
    max_categories : int, default=254
        Number of categories that get a column of their own, the most frequent ones. All
        others share a column.

    Attributes
    ----------
    n_columns_ : int
        Number of columns.
    """

    def __init__(self, max_categories: int = 254):
        self.max_categories = max_categories

    def fit(
        self,
        codes: np.ndarray,
        y=None,
        sample_weight: np.ndarray | None = None,
        cardinalities: tuple[int, ...] = (),
    ):
        """Choose the categories."""
        pool = PooledCategories(self.max_categories, own_pool=True)
        self.pool_ = pool.fit(codes, None, sample_weight, cardinalities)
        numbers = pool.transform(codes)
        if sample_weight is not None:
            numbers = numbers[sample_weight > 0]
        has_missing = (numbers == 0).any(axis=0)
        self.first_ = [
            2 if size == 2 and not missing else 1
            for size, missing in zip(pool.sizes_, has_missing, strict=True)
        ]
        widths = [s - f + 1 for s, f in zip(pool.sizes_, self.first_, strict=True)]
        self.starts_ = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        self.n_columns_ = int(self.starts_[-1])
        return self

    def transform(self, codes: np.ndarray) -> sparse.csr_matrix:
        """Return the columns, of shape (n_samples, n_columns_)."""
        columns, is_set = self._places(codes)
        columns = columns[is_set]
        pointers = np.concatenate([[0], np.cumsum(is_set.sum(axis=1))])
        ones = np.ones(len(columns), dtype=np.float32)
        shape = (len(codes), self.n_columns_)
        return sparse.csr_matrix((ones, columns, pointers), shape=shape)

    def dense(self, codes: np.ndarray) -> np.ndarray:
        """Return the same columns as an array."""
        columns = np.zeros((len(codes), self.n_columns_), dtype=np.float32)
        if self.n_columns_:
            places, is_set = self._places(codes)
            columns[np.nonzero(is_set)[0], places[is_set]] = 1
        return columns

    def _places(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the column that each code sets to 1, and whether it sets one."""
        places = self.pool_.transform(codes) - np.array(self.first_, dtype=np.int64)
        return places + self.starts_[:-1], places >= 0

    def labels(self, categories: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the categories that the columns of 0 and 1 stand for, by column.

        Parameters
        ----------
        categories : sequence of sequences of str
            The categories that the codes of each column stand for. If empty, the codes
            are returned.
        """
        return [
            self.pool_.labels(i, categories[i] if categories else ())[first - 1 :]
            for i, first in enumerate(self.first_)
        ]


class TargetMeans(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Encode each category by the mean target and by the share of its rows.

    A training row gets the mean of the rows in the other folds, which depends neither
    on its own target nor on those of its group. A new row gets the mean of all training
    rows. Each mean is shrunk towards the overall mean, which counts as ten rows. For
    classification, there is a mean for each class: a single one for two classes, and at
    most ten for many classes, those of the most frequent ones. If the target has
    several columns, there is a mean of each. The last column is the share of the
    category among the training rows.

    Parameters
    ----------
    random_state : int, default=0
        Seed of the folds.

    Attributes
    ----------
    classes_ : list of int
        Classes that have a mean; empty if the target does not hold classes.
    means_ : list of ndarray of shape (n_categories + 1, n_targets)
        The means of each code. The last row is for missing values and unknown
        categories.
    shares_ : list of ndarray of shape (n_categories + 1,)
        The share of each code.
    """

    def __init__(self, random_state: int = 0):
        self.random_state = random_state

    def fit(
        self,
        codes: np.ndarray,
        y: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        cardinalities: tuple[int, ...] = (),
        groups: np.ndarray | None = None,
    ):
        """Learn the means of all training rows."""
        self.fit_transform(codes, y, sample_weight, cardinalities, groups)
        return self

    def fit_transform(
        self,
        codes: np.ndarray,
        y: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        cardinalities: tuple[int, ...] = (),
        groups: np.ndarray | None = None,
    ) -> np.ndarray:
        """Learn the means, and return out-of-fold means of the training rows."""
        weight = np.ones(len(codes)) if sample_weight is None else sample_weight
        self.classes_ = _encoded_classes(y, weight)
        targets = _targets(y, self.classes_, len(codes))
        folds = _folds(y, len(codes), self.random_state, groups)
        self.means_, self.shares_, columns = [], [], []
        for column, cardinality in zip(codes.T, cardinalities, strict=True):
            column = np.where(column < 0, cardinality, column)
            counts = np.bincount(column, weight, minlength=cardinality + 1)
            self.shares_.append(counts / counts.sum())
            self.shares_[-1][-1] = 0.0
            means, out_of_fold = _target_means(column, targets, weight, folds, counts)
            self.means_.append(means)
            columns.append(self._joined(out_of_fold, self.shares_[-1][column]))
        return _stacked(columns, len(codes))

    def transform(self, codes: np.ndarray) -> np.ndarray:
        """Return the means of all training rows, of shape (n_samples, n_columns)."""
        columns = [
            self._joined(means[column], shares[column])
            for column, means, shares in zip(
                codes.T, self.means_, self.shares_, strict=True
            )
        ]
        return _stacked(columns, len(codes))

    def names_out(self, names: Sequence[str]) -> list[str]:
        """Return the names of the columns."""
        found = []
        for name, means in zip(names, self.means_, strict=True):
            if means.shape[1] == 1:
                found.append(f"{name}_mean")
            else:
                numbers = self.classes_ or range(means.shape[1])
                found += [f"{name}_mean_{number}" for number in numbers]
            found.append(f"{name}_frequency")
        return found

    def _joined(self, means: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return np.column_stack([means, shares])


def _stacked(columns: list[np.ndarray], n_rows: int) -> np.ndarray:
    return np.hstack(columns) if columns else np.empty((n_rows, 0))


def count_codes(column, cardinality: int, sample_weight) -> np.ndarray:
    """Return the total weight of the rows of each code, without those of -1."""
    return np.bincount(column + 1, sample_weight, minlength=cardinality + 1)[1:]


def _encoded_classes(y: np.ndarray | None, weight: np.ndarray) -> list[int]:
    """Return the classes that have a mean; none if y does not hold classes."""
    if y is None or y.ndim == 2 or y.dtype.kind not in "iub":
        return []
    counts = np.bincount(y, weight)
    classes = np.argsort(-counts, kind="stable")[:MAX_ENCODED_CLASSES]
    return [1] if len(counts) == 2 else np.sort(classes[counts[classes] > 0]).tolist()


def _targets(y: np.ndarray | None, classes: list[int], n_rows: int) -> np.ndarray:
    """Return the columns whose means are computed."""
    if y is None:
        return np.empty((n_rows, 0))
    if not classes:
        return y.reshape(len(y), -1).astype(np.float64)
    return np.column_stack([y == c for c in classes]).astype(np.float64)


def _folds(
    y: np.ndarray | None, n_rows: int, random_state: int, groups: np.ndarray | None
) -> np.ndarray:
    """Return the fold of each row.

    If there are several groups, none is divided among the folds. Otherwise the folds
    are stratified by y, or by the first principal component of several columns.
    """
    if groups is not None:
        _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        if len(sizes) > 1:
            return even_parts(sizes, N_FOLDS, random_state)[numbers]
    shuffled = np.random.default_rng(random_state).permutation(n_rows)
    if y is not None:
        order = y if y.ndim == 1 else _first_component(y)
        shuffled = shuffled[np.argsort(order[shuffled], kind="stable")]
    folds = np.empty(n_rows, dtype=np.intp)
    folds[shuffled] = np.arange(n_rows) % N_FOLDS
    return folds


def _first_component(y: np.ndarray) -> np.ndarray:
    """Return the first principal component of the standardized columns."""
    centered = y - y.mean(axis=0)
    spread = centered.std(axis=0)
    centered /= np.where(spread > 0, spread, 1.0)
    _, directions = np.linalg.eigh(centered.T @ centered)
    return centered @ directions[:, -1]


def _target_means(column, targets, weight, folds, counts):
    """Return the means of each code over all rows, and the out-of-fold means."""
    n_codes, n_targets = len(counts), targets.shape[1]
    means = np.empty((n_codes, n_targets))
    out_of_fold = np.empty((len(column), n_targets))
    cells = folds * n_codes + column
    cell_counts = np.bincount(cells, weight, minlength=N_FOLDS * n_codes)
    cell_counts = cell_counts.reshape(N_FOLDS, n_codes)
    for i in range(n_targets):
        sums = np.bincount(
            cells, weight * targets[:, i], minlength=N_FOLDS * n_codes
        ).reshape(N_FOLDS, n_codes)
        means[:, i] = _shrunk(sums.sum(axis=0), counts)
        others = np.empty_like(sums)
        for fold in range(N_FOLDS):
            rest = np.arange(N_FOLDS) != fold
            others[fold] = _shrunk(
                sums[rest].sum(axis=0), cell_counts[rest].sum(axis=0)
            )
        out_of_fold[:, i] = others[folds, column]
    return means, out_of_fold


def _shrunk(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the means of the codes, shrunk towards the overall mean."""
    total = counts.sum()
    overall = sums.sum() / total if total > 0 else 0.0
    return (sums + PRIOR_ROWS * overall) / (counts + PRIOR_ROWS)
