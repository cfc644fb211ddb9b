"""Splits in which no row is validated by models that know an equal row."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np

from automodel.evaluation.splits import Splits, make_splits
from automodel.exceptions import FitWarning
from automodel.targets.base import Target
from automodel.task import Task


def make_splits_by_distinct_rows(
    equal: np.ndarray,
    cv: Any,
    task: Task,
    target: Target,
    y: Any,
    groups: np.ndarray | None,
    seed: int,
) -> Splits:
    """Return splits that keep equal rows together; see `make_splits`.

    The splits are those of the distinct rows, and equal rows follow the first of them.
    A splitter and groups of the user stay as they are.

    Parameters
    ----------
    equal : ndarray of shape (n_samples,)
        The first row that is equal to each row.
    cv, task, target, y, groups, seed
        As in `make_splits`.

    Warns
    -----
    FitWarning
        If equal rows are in both parts of a split, since the user asks for it or too
        few rows are distinct.
    """
    distinct = np.unique(equal)
    is_drawn = groups is None and (cv is None or isinstance(cv, Integral))
    if len(distinct) < len(y) and is_drawn and _can_be_split(target, y[distinct]):
        splits = make_splits(cv, task, target, y[distinct], None, seed)
        return [
            (_with_equal(distinct[train], equal), _with_equal(distinct[valid], equal))
            for train, valid in splits
        ]
    splits = make_splits(cv, task, target, y, groups, seed)
    n_known = sum(int(np.isin(equal[v], equal[t]).sum()) for t, v in splits)
    if n_known:
        cause = "too few rows are distinct"
        if not is_drawn:
            cause = "the given cv or groups separate equal rows"
        warnings.warn(
            f"{n_known} validation rows are equal to training rows of the same split, "
            f"since {cause}. The scores of the search are therefore too good.",
            FitWarning,
            stacklevel=2,
        )
    return splits


def _can_be_split(target: Target, y: Any) -> bool:
    labels = target.strata(y)
    return len(y) > 1 and (labels is None or np.bincount(labels).max() > 1)


def _with_equal(rows: np.ndarray, equal: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.isin(equal, rows))
