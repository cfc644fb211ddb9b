"""Bins of a column, and how well they tell the values of another one."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

MOST_BINS = 32
N_PARTS = 5  # of the rows, each predicted from the others


def bins_of_numbers(values: np.ndarray, most: int = MOST_BINS) -> np.ndarray:
    """Return the bin of each number.

    At most `most` distinct numbers have a bin each. More are cut into bins of about the
    same number of rows. Missing values have a bin of their own.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Numbers, with NaN for missing values.
    most : int, default=32
        Number of bins, without that of missing values.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.preprocessing.bins import bins_of_numbers
    >>> bins_of_numbers(np.array([3.0, 1.0, np.nan, 2.0, 4.0]), most=2)
    array([1, 0, 2, 0, 1])
    """
    is_missing = np.isnan(values)
    ordered = np.sort(values[~is_missing])
    starts = np.flatnonzero(np.diff(ordered) > 0) + 1  # of the second value, and so on
    if len(starts) >= most:
        cuts = np.linspace(0, len(ordered), most + 1)[1:-1].astype(int)
        starts = starts[np.searchsorted(starts, cuts).clip(max=len(starts) - 1)]
    edges = np.unique(ordered[starts])
    bins = np.searchsorted(edges, values, side="right")
    bins[is_missing] = len(edges) + 1
    return bins


def bins_of_codes(codes: np.ndarray, most: int = MOST_BINS) -> np.ndarray:
    """Return the bin of each category number.

    The most frequent categories have a bin each, and all others share one. Missing
    values, which are -1, have a bin of their own.
    """
    counts = np.bincount(codes + 1)
    kept = np.argsort(-counts[1:], kind="stable")[:most] + 1
    bin_of = np.full(len(counts), len(kept))
    bin_of[kept] = np.arange(len(kept))
    bin_of[0] = len(kept) + 1
    return bin_of[codes + 1]


def parts_of_rows(n_rows: int, seed: int = 0) -> np.ndarray:
    """Return the part that each row is in, drawn at random."""
    return np.random.default_rng(seed).permutation(n_rows) % N_PARTS


def explained_shares(bins: np.ndarray, values: Any, parts: np.ndarray) -> np.ndarray:
    """Return the share of the variance of each output that bins predict.

    The rows of each part are predicted by the means of their bins over the rows of the
    other parts, with the overall mean as one more row. Many bins of few rows are
    therefore no advantage. The share is that of R², at most 1, and negative if the
    means of the bins are worse than the overall mean.

    Parameters
    ----------
    bins : ndarray of shape (n_samples,)
        Bin of each row.
    values : ndarray or sparse matrix of shape (n_samples, n_outputs)
        What is predicted.
    parts : ndarray of shape (n_samples,)
        Part of each row.

    Returns
    -------
    ndarray of shape (n_outputs,)
        The shares; 0 for outputs that are constant.
    """
    errors, spreads = squared_errors(bins, values, parts)
    varies = spreads > 1e-12 * len(bins)
    return np.where(varies, 1 - errors / np.where(varies, spreads, 1.0), 0.0)


def squared_errors(
    bins: np.ndarray, values: Any, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of squared errors of bins, and of the overall mean.

    See `explained_shares`.
    """
    n_rows, n_bins = len(bins), int(bins.max()) + 1
    cells = csr_matrix(
        (np.ones(n_rows), (parts * n_bins + bins, np.arange(n_rows))),
        shape=(N_PARTS * n_bins, n_rows),
    )
    counts = np.asarray(cells.sum(axis=1)).reshape(N_PARTS, n_bins, 1)
    sums = cells @ values
    sums = (sums.toarray() if issparse(sums) else sums).reshape(N_PARTS, n_bins, -1)
    squares = values.multiply(values) if issparse(values) else values**2
    squares = np.asarray(squares.sum(axis=0)).ravel()
    mean = sums.sum(axis=(0, 1)) / n_rows
    other_counts, other_sums = counts.sum(axis=0) - counts, sums.sum(axis=0) - sums
    predicted = (other_sums + mean) / (other_counts + 1)
    errors = squares + (counts * predicted**2 - 2 * predicted * sums).sum(axis=(0, 1))
    return errors, squares - n_rows * mean**2
