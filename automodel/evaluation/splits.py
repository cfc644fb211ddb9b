"""Draw the splits of a search: as `cv` says, or by the size of the data."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from automodel.exceptions import FitWarning
from automodel.quiet import no_warnings
from automodel.sampling.holdout import hold_out
from automodel.targets.base import Target
from automodel.task import Task

N_FOLDS = 5
LEAST_HELD_OUT = 30  # rows, of a single split
HOLDOUT_FROM = 100_000  # rows
N_BLOCKS = 20  # of consecutive rows, where splits go by time
COST_PER_SECOND = 5_000  # rows x columns x outputs; above it folds cost too much

Splits = list[tuple[np.ndarray, np.ndarray]]


def make_splits(
    cv: Any, task: Task, target: Target, y: Any, groups: np.ndarray | None, seed: int
) -> Splits:
    """Return the (train, valid) index arrays that all candidates share.

    Parameters
    ----------
    cv : None, int, splitter or iterable of splits
        None chooses from the size of the data: 5 shuffled folds, twice up to 500
        rows; one holdout from 100,000 rows on, or when a family is too slow for several
        folds, or rows x columns x outputs are more than 5,000 for each second of the
        time budget. The target may choose other numbers of rows. Classes are
        stratified, and no group is in two folds.
    task : Task
        The facts about the problem.
    target : Target
        Says which labels the splits are stratified by.
    y : sequence of length n_samples
        Encoded by the target.
    groups : ndarray of shape (n_samples,) or None
        Rows of one group stay together.
    seed : int
        Seed of the shuffling.

    Raises
    ------
    ValueError
        If there are fewer than two rows or groups, or the splits are not valid.
    """
    if len(y) < 2:
        raise ValueError(
            f"Found n_samples={len(y)}, and at least 2 are needed: models are "
            "compared on rows that they were not trained on."
        )
    labels = target.strata(y)
    if cv is None:
        splits = _default_splits(task, target, len(y), labels, groups, seed)
    elif isinstance(cv, numbers.Integral):
        labels = _spreadable(labels, target, int(cv))
        n_folds = _possible_folds(int(cv), len(y), labels, groups)
        splits = _folds(n_folds, len(y), labels, groups, seed)
    elif isinstance(cv, BaseCrossValidator) or hasattr(cv, "split"):
        splits = _checked(_split_by(cv, target, y, labels, groups), len(y))
    else:
        splits = _checked(iter(cv), len(y))
    return splits


def kept_together(
    groups: np.ndarray | None, splits: Splits, n_rows: int
) -> np.ndarray | None:
    """Return the number of the group of each row; None if rows are independent.

    If several splits train on rows that come before the rows they validate, the rows
    are ordered by time and neighbours are alike. Blocks of consecutive rows then take
    the place of groups. A single such split may be of rows in any order.
    """
    if groups is not None:
        return np.unique(groups, return_inverse=True)[1].reshape(-1)
    goes_by_time = all(train.max() < valid.min() for train, valid in splits)
    if len(splits) < 2 or not goes_by_time or n_rows <= N_BLOCKS:
        return None
    return np.arange(n_rows) * N_BLOCKS // n_rows


def without_rows(splits: Splits, kept: np.ndarray) -> Splits:
    """Return the splits of the rows that are kept, with new row numbers.

    Raises
    ------
    ValueError
        If no split keeps rows in both parts.
    """
    position = np.cumsum(kept) - 1
    splits = [
        (position[train[kept[train]]], position[valid[kept[valid]]])
        for train, valid in splits
    ]
    splits = [pair for pair in splits if len(pair[0]) and len(pair[1])]
    if not splits:
        raise ValueError(
            "No split of cv has rows of positive sample_weight in both parts."
        )
    return splits


def without_unknown_rows(splits: Splits, target: Target, y: Any) -> Splits:
    """Leave out validation rows that no model can predict, and splits of one class.

    If the training part lacks the class of a row, the score would depend on how surely
    a model rules that class out. A split whose training part has a single class is left
    out. Warns with `FitWarning` if splits are left out.
    """
    known = []
    for train, valid in splits:
        columns, _ = target.local(y[train])
        valid = valid[target.known_rows(columns, y[valid])]
        if target.is_learnable(columns) and len(valid):
            known.append((train, valid))
    if known and len(known) < len(splits):
        warnings.warn(
            f"{len(splits) - len(known)} of {len(splits)} splits are left out, since "
            "their training rows have a single class, or none of their validation rows "
            "has a class that is in the training rows.",
            FitWarning,
            stacklevel=2,
        )
    return known or splits


def _spreadable(labels, target: Target, n_folds: int) -> np.ndarray | None:
    """Return the labels unless they are parts of a target that folds outnumber."""
    if labels is None or target.classes is not None:
        return labels
    return labels if np.bincount(labels).max() >= n_folds else None


def _split_by(cv: Any, target: Target, y: Any, labels, groups) -> Splits:
    """Return the splits of a splitter, which may stratify by classes alone."""
    X = np.zeros((len(y), 1))
    if target.classes is None:
        try:
            return list(cv.split(X, target.restore(y), groups))
        except ValueError:
            if labels is None:
                raise
    return list(cv.split(X, labels, groups))


def _default_splits(
    task: Task, target: Target, n_rows: int, labels, groups, seed: int
) -> Splits:
    seconds = task.time_budget
    is_slow = task.is_slow or (
        seconds is not None and task.cost > COST_PER_SECOND * seconds
    )
    if n_rows > HOLDOUT_FROM or (is_slow and n_rows > target.holdout_from):
        return _holdout(n_rows, labels, groups, seed)
    n_folds = _possible_folds(N_FOLDS, n_rows, labels, groups)
    splits = _folds(n_folds, n_rows, labels, groups, seed)
    if n_rows <= target.repeats_up_to:
        splits += _folds(n_folds, n_rows, labels, groups, seed + 1)
    return splits


def _holdout(n_rows: int, labels, groups, seed: int) -> Splits:
    """Return one split; a fifth of the rows is validated, at most 20,000.

    Of few rows, 30 are validated, or half of them.
    """
    if groups is not None:
        _possible_folds(2, n_rows, labels, groups)
    share = min(0.2, 20_000 / n_rows)
    share = max(share, min(LEAST_HELD_OUT / n_rows, 0.5))
    return [hold_out(n_rows, share, seed, labels=labels, groups=groups)]


def _possible_folds(n_folds: int, n_rows: int, labels, groups) -> int:
    """Return the number of folds that the data allow, and warn if it is smaller."""
    limit, what = n_rows, "rows"
    if groups is not None:
        limit, what = len(np.unique(groups)), "groups"
    if labels is not None:
        largest = int(np.bincount(labels).max())
        if largest < limit:
            limit, what = largest, "rows of the largest class"
    if limit < 2:
        raise ValueError(
            f"The {what} allow only {limit} fold, and at least 2 are needed, since "
            "models are compared on rows that they were not trained on. Give more "
            f"{'groups' if what == 'groups' else 'rows of each class'}."
        )
    if n_folds > limit:
        warnings.warn(
            f"{n_folds} folds need as many {what}, and there are only {limit}, so that "
            f"{limit} folds are used.",
            FitWarning,
            stacklevel=2,
        )
    return min(n_folds, limit)


def _folds(n_folds: int, n_rows: int, labels, groups, seed: int) -> Splits:
    splitter = _splitter(n_folds, labels is not None, groups is not None, seed)
    with no_warnings():  # of a class with fewer rows than folds
        return _checked(splitter.split(np.zeros((n_rows, 1)), labels, groups), n_rows)


def _splitter(n_folds: int, is_stratified: bool, is_grouped: bool, seed: int):
    if is_grouped and is_stratified:
        return StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    if is_grouped:
        return GroupKFold(n_folds, shuffle=True, random_state=seed)
    if is_stratified:
        return StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return KFold(n_folds, shuffle=True, random_state=seed)


def _checked(splits, n_samples: int) -> Splits:
    """Return the splits as index arrays; refuse those that cannot be used."""
    checked = []
    for position, split in enumerate(splits):
        try:
            train, valid = (_indices(part, n_samples) for part in split)
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(
                "cv must give pairs of row numbers (train, valid) within "
                f"[0, {n_samples}). Split {position} does not: {error}"
            ) from error
        if not len(train) or not len(valid):
            raise ValueError(f"Split {position} of cv has an empty part.")
        checked.append((train, valid))
    if not checked:
        raise ValueError("cv gives no split. Give at least one (train, valid) pair.")
    return checked


def _indices(part, n_samples: int) -> np.ndarray:
    rows = np.asarray(part)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    if rows.size == 0:
        rows = rows.astype(int)
    rows = np.arange(n_samples)[rows.astype(int) if rows.size == 0 else rows]
    if rows.shape != (rows.size,):
        raise ValueError("row numbers must be one-dimensional")
    return rows
