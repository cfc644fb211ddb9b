"""Rows that belong together: how they are drawn, and how sure a mean over them is.

Rows of one group are alike. Drawn one by one they would be on both sides of a
bootstrap, and a mean would look as sure as if each row told something new.
"""

from __future__ import annotations

import numpy as np


def bootstrap(
    rng: np.random.Generator, n_rows: int, size: int, groups: np.ndarray | None
) -> np.ndarray:
    """Return about `size` row numbers, drawn with replacement; groups come whole.

    Parameters
    ----------
    rng : Generator
        Draws them.
    n_rows : int
        Rows to draw from.
    size : int
        How many to draw.
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    """
    if groups is None:
        return rng.integers(n_rows, size=size)
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    n_drawn = max(round(len(starts) * size / n_rows), 1)
    drawn = rng.integers(len(starts), size=n_drawn)
    return np.concatenate([order[starts[g] : starts[g] + counts[g]] for g in drawn])


def variance_of_mean(
    values: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> float:
    """Return the variance of a weighted mean whose values are spread around it.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Deviations from the mean.
    weight : ndarray of shape (n_rows,)
        Weights of the rows; one of 2 counts as two rows.
    groups : ndarray of shape (n_rows,) or None
        Rows of one group have errors in common, so that their sums are what is drawn.
    """
    total = weight.sum()
    if groups is None:
        return float(weight @ values**2) / total**2
    sums = np.bincount(groups, weight * values)
    return float(sums @ sums) / total**2


def honest_parts(
    first_folds: np.ndarray, groups: np.ndarray | None, n_parts: int, seed: int
) -> np.ndarray:
    """Return the part of each row, for parts that are judged by what the rest chooses.

    A part is made of whole validation folds: the rows of a fold were predicted by the
    same model, whose luck would be on both sides. Rows of a single fold are parted by
    groups or, without any, one by one.

    Parameters
    ----------
    first_folds : ndarray of shape (n_rows,)
        The fold that validates each row, see `Folds.first_folds`.
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    n_parts : int
        The most parts.
    seed : int
        Seed of what is drawn.
    """
    rng = np.random.default_rng(seed)
    units = first_folds
    if groups is not None:  # a group that folds have parted is with its first row
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        units = units[first][group]
    if len(np.unique(units)) < 2:
        units = np.arange(len(units)) if groups is None else groups
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    part_of = np.zeros(len(sizes), dtype=int)
    filled = np.zeros(n_parts)
    shuffled = rng.permutation(len(sizes))
    for i in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part_of[i] = filled.argmin()
        filled[part_of[i]] += sizes[i]
    return part_of[unit]
