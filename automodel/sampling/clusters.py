"""Rows that belong together: how they are drawn, and how sure a mean over them is.

Rows of one group are alike. Drawn one by one they would be on both sides of a
bootstrap, and a mean would look as sure as if each row told something new.
"""

from __future__ import annotations

import math

import numpy as np


def bootstrap(
    rng: np.random.Generator, n_rows: int, size: int, groups: np.ndarray | None
) -> np.ndarray:
    """Return about `size` row numbers, drawn with replacement, group by group.

    For fewer rows than there are, some of each group that is drawn are left out: a few
    groups alone would speak for all.

    Parameters
    ----------
    rng : Generator
        Draws them.
    n_rows : int
        Rows to draw from.
    size : int
        How many to draw, at most as many as there are.
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
    """Return the variance of a weighted mean whose values are spread around it.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Deviations from the mean.
    weight : ndarray of shape (n_rows,)
        Weights of the rows; one of 2 counts as two rows.
    groups : ndarray of shape (n_rows,) or None
        Rows of one group have errors in common, so that their sums are what is drawn.

    Returns
    -------
    float
        Infinite for a single group, which tells nothing of others.
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
    """Return how many rows tell as much as one that is independent, at least 1.

    The ratio of the variances of a mean with and without the groups (Kish, 1965, Survey
    Sampling). For `values` and the rest see `variance_of_mean`.
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
    units = first_folds
    if groups is not None:  # a group that folds have parted is with its first row
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        units = units[first][group]
    if len(np.unique(units)) < 2 and groups is not None:
        units = groups
    if len(np.unique(units)) < 2:
        units = np.arange(len(units))
    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    return even_parts(sizes, n_parts, seed)[unit]


def even_parts(sizes: np.ndarray, n_parts: int, seed: int) -> np.ndarray:
    """Return the part of each group: the largest first, each to the smallest part.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_groups,)
        Rows of each group.
    n_parts : int
        Parts to fill.
    seed : int
        Seed of the order of groups of one size.
    """
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    parts, filled = np.empty(len(sizes), dtype=np.intp), [0] * n_parts
    for group, size in zip(order, sizes[order].tolist(), strict=True):
        parts[group] = part = filled.index(min(filled))
        filled[part] += size
    return parts
