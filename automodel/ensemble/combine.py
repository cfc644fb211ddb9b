"""Choose the combiner of some models: a blend, or one of the target's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend, ColumnsBlend
from automodel.ensemble.calibration import MOST_CELLS
from automodel.ensemble.limits import Limits
from automodel.ensemble.selection import (
    N_BAGS,
    fit_blend,
    greedy_shares,
    max_candidates,
    select_weights,
    shortlist,
)
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.targets.base import Target, averaged
from automodel.targets.combiner import Combiner

COMMON_ROWS = 1000.0  # at which a column trusts its own choice like that of all columns
LEAST_BAGS = 5  # of a column; all columns together have those of one
LEAST_SHARE = 0.2  # of the weights that all columns choose; below it they are left out
# If a target limits the models of an ensemble, each mixture takes long to score:
LISTED_FOR_EACH = 2  # models from which each of them is chosen
STEPS_FOR_EACH = 2  # of the selection
MOST_COLUMNS = 10  # that choose their own models: more would need too many of them


def plain_combiner(target: Target, weights: np.ndarray) -> Combiner:
    """Return a combiner that uses weights alone."""
    if target.is_averaged:
        return Blend.mean(weights, averaged(target).link)
    return target.combiner(weights)


def simplified(
    combiner: Combiner, evaluations: Sequence[Evaluation], folds: Folds
) -> Combiner:
    """Return what is used if a combiner does not prove to be better than it.

    A blend has its stack left out. If predictions are not averaged, the best single
    model takes the place of several.

    Parameters
    ----------
    combiner : Combiner
        Result of `fit_combiner`.
    evaluations, folds
        Those that it was fitted to.
    """
    if folds.target.is_averaged or np.count_nonzero(combiner.weights) == 1:
        return combiner.unstacked()
    weights = np.zeros(len(evaluations))
    weights[shortlist(evaluations, 1)] = 1.0
    return folds.target.combiner(weights)


def fit_combiner(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    n_bags: int = N_BAGS,
    most_cells: int = MOST_CELLS,
    limits: Limits | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> Combiner:
    """Choose which models are combined, and how, on their out-of-fold predictions.

    Predictions that can be averaged are blended by `fit_blend`: each column by itself
    if the score is a mean over a few columns. Others are combined by the combiner of
    the target, with weights from a greedy selection on all rows.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones whose predictions cover all rows, see `restricted`.
    folds : Folds
        Data of these rows.
    size, n_bags, most_cells, limits, deadline, random_state
        As in `fit_blend`. The columns share the limits, and a model that one of them
        has chosen is free for the others.
    """
    if not folds.target.is_averaged:
        return _fit_greedily(evaluations, folds, size, limits, deadline)
    options: dict[str, Any] = {"size": size, "n_bags": n_bags, "most_cells": most_cells}
    options["random_state"] = random_state
    columns = folds.columns() if size > 1 else []
    if not 1 < len(columns) <= MOST_COLUMNS:
        return fit_blend(
            evaluations, folds, **options, limits=limits, deadline=deadline
        )
    limits = limits or Limits.none(len(evaluations))
    blends, share = [], COMMON_ROWS / (COMMON_ROWS + len(folds.y))
    if share >= LEAST_SHARE:
        common = select_weights(
            evaluations,
            folds,
            size=size,
            n_bags=min(n_bags, LEAST_BAGS),
            limits=limits,
            deadline=deadline.share(1 / (1 + len(columns))),
            random_state=random_state,
        )
        options["common_weights"] = share * common
        limits = limits.after(common > 0)
    options["n_bags"] = max(n_bags // len(columns), min(n_bags, LEAST_BAGS))
    for column, own in enumerate(columns):
        known = [_of_column(e, column, own) for e in evaluations]
        early = deadline.share(1 / (len(columns) - column))
        blend = fit_blend(known, own, **options, limits=limits, deadline=early)
        limits = limits.after(blend.importances > 0)
        blends.append(blend)
    return ColumnsBlend(blends)


def _of_column(evaluation: Evaluation, column: int, folds: Folds) -> Evaluation:
    oof = evaluation.oof[:, [column]]
    return replace(evaluation, oof=oof, score=score_or_nan(folds.score, oof))


def _fit_greedily(
    evaluations, folds: Folds, size: int, limits: Limits | None, deadline: Deadline
) -> Combiner:
    """Add one model at a time, each time the one whose addition scores best.

    The score may have to get worse before it gets better: two votes for one model are a
    majority, and one is not.
    """
    target, n_listed = folds.target, max_candidates(len(folds.y))
    most = n_listed
    if target.most_combined is not None:
        most = target.most_combined
        n_listed = min(n_listed, most * LISTED_FOR_EACH)
        size = min(size, most * STEPS_FOR_EACH)
    order = shortlist(evaluations, n_listed)
    limits = (limits or Limits.none(len(evaluations))).take(order)
    oofs = [evaluations[i].oof for i in order]

    def score(shares: np.ndarray) -> float:
        if np.count_nonzero(shares) > most:
            return math.nan
        return score_or_nan(folds.score, target.combiner(shares).predict(oofs))

    ones = np.eye(len(order))  # whose means are the shares of the models
    chosen = greedy_shares(ones, score, size, limits, deadline)
    weights = np.zeros(len(evaluations))
    first = np.argmax(limits.affordable())
    weights[order] = chosen if chosen.any() else ones[first]
    return target.combiner(weights)
