"""Checking, choosing and splitting the rows that a net is fitted on."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from automodel.nets._encoding import has_categories
from automodel.sampling.holdout import hold_out

FEWEST_ROWS_TO_SPLIT = 50


def check_rows(net, X, y, *, y_numeric: bool, reset: bool):
    """Return X and y, checked as scikit-learn does; y has one or two dimensions."""
    if has_categories(X):
        X, y = validate_data(net, X, y, reset=reset, skip_check_array=True)
        return X, check_target(net, X, y, y_numeric=y_numeric)
    X, y = validate_data(
        net,
        X,
        y,
        reset=reset,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_samples=2,
        multi_output=True,
        y_numeric=y_numeric,
    )
    return X, _dense_target(y)


def check_target(net, X, y, *, y_numeric: bool):
    """Return y of rows that are checked elsewhere."""
    y = _check_y(y, multi_output=True, y_numeric=y_numeric, estimator=net)
    check_consistent_length(X, y)
    if len(y) < 2:
        raise ValueError(f"A net needs at least 2 rows, got {len(y)} sample.")
    return _dense_target(y)


def _dense_target(y):
    if issparse(y):
        y = y.toarray()
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return y


def drop_weightless(X, target, weight, groups=None):
    """Leave out rows of weight zero."""
    if weight is None or weight.min() > 0:
        return X, target, weight, groups
    kept = np.flatnonzero(weight > 0)
    return take(X, kept), target[kept], weight[kept], take(groups, kept)


def check_some_weight(weight) -> None:
    """Raise if fewer than two rows have a weight."""
    n_counted = int((weight > 0).sum())
    if n_counted < 2:
        raise ValueError(
            f"A net needs at least 2 rows of positive weight, got {n_counted}."
        )


def split_rows(target, fraction: float, seed: int, groups=None):
    """Return the rows to fit on and those to stop on, or None if they are too few.

    Classes are spread evenly, and rows of one group stay together. Of groups so large
    that most rows would be held out, the others are.
    """
    if len(target) < FEWEST_ROWS_TO_SPLIT:
        return np.arange(len(target)), None
    labels = target if np.issubdtype(target.dtype, np.integer) else None
    fit_on, stop_on = hold_out(
        len(target), fraction, seed, labels=labels, groups=groups
    )
    if fraction <= 0.5 and len(stop_on) > len(fit_on):
        fit_on, stop_on = stop_on, fit_on
    return np.sort(fit_on), np.sort(stop_on)


def take(X, rows):
    """Return rows of X, or None for None."""
    if X is None:
        return None
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def draw_seed(random_state) -> int:
    """Return a seed for a generator of the net's own."""
    if random_state is None:  # numpy's global generator stays as it is
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


def choose_batch_size(batch_size, n_rows: int) -> int:
    """Return the batch size; "auto" grows with the rows as in RealMLP."""
    if batch_size != "auto":
        return batch_size
    for limit, size in ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512)):
        if n_rows <= limit:
            return size
    return 1024
