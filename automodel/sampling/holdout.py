"""A split that holds out some rows, stratified by classes and respecting groups."""

from __future__ import annotations

import numpy as np

from automodel.quiet import no_warnings

MOST_GROUPS_TIMES_FOLDS = 20_000  # above it, stratified groups take seconds


def hold_out(
    n_rows: int,
    share: float,
    seed: int,
    *,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are kept and those that are held out, in random order.

    Parameters
    ----------
    n_rows : int
        Number of rows to split, at least 2.
    share : float
        Share of the rows to hold out.
    seed : int
        Seed of the split.
    labels : ndarray of shape (n_rows,), default=None
        Class numbers by which the split is stratified. Classes of a single row are
        treated as one class, and so are the rarest classes if there are more classes
        than rows in a part.
    groups : ndarray of shape (n_rows,), default=None
        Groups of the rows, which stay together. A single group is ignored.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.sampling.holdout import hold_out
    >>> stay, out = hold_out(10, 0.4, 0, groups=np.repeat([0, 1, 2, 3, 4], 2))
    >>> sorted(set(out // 2) & set(stay // 2)), len(out)
    ([], 4)
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    rows = np.zeros((n_rows, 1))
    if groups is not None and len(np.unique(groups)) > 1:
        stay, out = _groups_held_out(rows, share, seed, labels, groups)
    else:
        strata = None if labels is None else _strata(labels, share)
        splitter = ShuffleSplit if strata is None else StratifiedShuffleSplit
        split = splitter(1, test_size=share, random_state=seed).split(rows, strata)
        stay, out = next(split)
    return stay, out


def _groups_held_out(rows, share, seed, labels, groups):
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    n_folds, n_groups = round(1 / share), len(np.unique(groups))
    is_slow = n_groups * n_folds > MOST_GROUPS_TIMES_FOLDS
    if (
        labels is not None
        and not is_slow
        and 2 <= n_folds <= min(n_groups, np.bincount(labels).max())
    ):
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with no_warnings():  # about a class with fewer rows than folds
            stay, out = next(splitter.split(rows, labels, groups))
        if len(stay) and len(out):
            return stay, out
    splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
    return next(splitter.split(rows, None, groups))


def _strata(labels: np.ndarray, share: float) -> np.ndarray | None:
    """Return the labels with the rarest ones pooled; None if they cannot be split."""
    counts = np.bincount(labels)
    n_out = int(np.ceil(share * len(labels)))
    most = min(n_out, len(labels) - n_out)  # each part needs a row of each class
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    is_rare = np.zeros(len(counts), dtype=bool)
    is_rare[order[max(most - 1, 0) :]] = len(order) > most
    is_rare |= counts < 2
    n_rare = counts[is_rare].sum()
    if n_rare == 1:  # a single row cannot be split: pool it with the next class
        is_rare[order[counts[order] >= 2][-1:]] = True
    strata = np.where(is_rare[labels], len(counts), labels)
    kinds, sizes = np.unique(strata, return_counts=True)
    return strata if 1 <= len(kinds) <= most and sizes.min() >= 2 else None
