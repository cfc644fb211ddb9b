"""Rows that belong together: how they are drawn, and the variance of their means.

Rows of one group are alike. If they were drawn one by one, they would be on both sides
of a bootstrap, and a mean would look as certain as if all rows were independent.
"""

from __future__ import annotations

import math

import numpy as np


def bootstrap(
    rng: np.random.Generator, n_rows: int, size: int, groups: np.ndarray | None
) -> np.ndarray:
    """Return about `size` row numbers, drawn with replacement, group by group.

    If `size` is less than the number of rows, some rows of each drawn group are left
    out. Otherwise only a few groups would represent all.

    Parameters
    ----------
    rng : Generator
        Random number generator.
    n_rows : int
        Number of rows to draw from.
    size : int
        Number of rows to draw, at most `n_rows`.
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    """
    if groups is None:
        return rng.integers(n_rows, size=size)
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    drawn = rng.integers(len(starts), size=len(starts))
    rows = np.concatenate([order[starts[g] : starts[g] + counts[g]] for g in drawn])
    if size >= n_rows:
        return rows
    return rows[rng.permutation(len(rows))[: round(len(rows) * size / n_rows)]]


def variance_of_mean(
    values: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> float:
    """Return the variance of a weighted mean.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Deviations from the mean.
    weight : ndarray of shape (n_rows,)
        Weights of the rows; a weight of 2 counts as two rows.
    groups : ndarray of shape (n_rows,) or None
        Group of each row. Rows of one group have errors in common, so that the sums of
        groups are considered as drawn.

    Returns
    -------
    float
        The variance; infinite for a single group, which says nothing about others.
    """
    total = weight.sum()
    if groups is None:
        return float(weight @ values**2) / total**2
    _, group = np.unique(groups, return_inverse=True)
    sums = np.bincount(group, weight * values)
    n_groups = len(sums)
    if n_groups < 2:
        return math.inf
    return float(sums @ sums) / total**2 * n_groups / (n_groups - 1)


def design_effect(
    values: np.ndarray, weight: np.ndarray, groups: np.ndarray | None
) -> float:
    """Return how many rows carry as much information as one independent row.

    This is the ratio of the variances of a mean with and without the groups (Kish,
    1965, Survey Sampling), and at least 1. The parameters are those of
    `variance_of_mean`.
    """
    if groups is None:
        return 1.0
    alone = variance_of_mean(values, weight, None)
    if not alone > 0:
        return 1.0
    found = variance_of_mean(values, weight, groups) / alone
    return float(np.clip(found, 1.0, len(values)))


def honest_parts(
    first_folds: np.ndarray, groups: np.ndarray | None, n_parts: int, seed: int
) -> np.ndarray:
    """Return the part of each row, where the other parts choose what a part evaluates.

    A part consists of whole validation folds, because the rows of a fold were predicted
    by the same model, whose luck would otherwise be on both sides. Rows of a single
    fold are divided by groups or, without groups, one by one.

    Parameters
    ----------
    first_folds : ndarray of shape (n_rows,)
        The fold that validates each row, see `Folds.first_folds`.
    groups : ndarray of shape (n_rows,) or None
        Group of each row.
    n_parts : int
        Maximum number of parts.
    seed : int
        Seed of the order in which parts are filled.
    """
    units = first_folds
    if groups is not None:  # a group that spans folds is in the fold of its first row
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        units = units[first][group]
    if len(np.unique(units)) < 2 and groups is not None:
        units = groups
    if len(np.unique(units)) < 2:
        units = np.arange(len(units))
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    return even_parts(sizes, n_parts, seed)[unit]


def even_parts(sizes: np.ndarray, n_parts: int, seed: int) -> np.ndarray:
    """Return the part of each group; the largest groups go first, to the smallest part.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_groups,)
        Number of rows of each group.
    n_parts : int
        Number of parts.
    seed : int
        Seed of the order of groups of equal size.
    """
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    parts, filled = np.empty(len(sizes), dtype=np.intp), [0] * n_parts
    for group, size in zip(order, sizes[order].tolist(), strict=True):
        parts[group] = part = filled.index(min(filled))
        filled[part] += size
    return parts
