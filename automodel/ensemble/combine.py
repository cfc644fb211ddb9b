"""Choose what combines some models: a blend, or what the target has in place of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from automodel.clock import Deadline
from automodel.ensemble.selection import fit_blend, max_candidates, shortlist
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.metric import score_or_nan
from automodel.targets.combiner import Combiner


def fit_combiner(
    evaluations: Sequence[Evaluation], folds: Folds, **options: Any
) -> Combiner:
    """Choose which models are combined, and how, on their out-of-fold predictions.

    Predictions that can be averaged are blended (`fit_blend`); others are combined as
    the target says, by weights that a greedy selection chooses.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones whose predictions cover all rows, see `restricted`.
    folds : Folds
        Data of these rows.
    **options
        Those of `fit_blend`.
    """
    if folds.target.link is not None:
        return fit_blend(evaluations, folds, **options)
    return _fit_greedily(
        evaluations, folds, options.get("size", 25), options.get("deadline", Deadline())
    )


def _fit_greedily(evaluations, folds: Folds, size: int, deadline: Deadline) -> Combiner:
    """Add one model at a time, the one whose addition scores best, while it rises."""
    order = shortlist(evaluations, max_candidates(len(folds.y)))
    oofs = [evaluations[i].oof for i in order]
    make = _maker(folds)

    def score(counts: np.ndarray) -> float:
        combined = make(counts / counts.sum()).predict(oofs)
        value = score_or_nan(folds.score, combined)
        return value if math.isfinite(value) else -math.inf

    counts, best = np.eye(len(order))[0], score(np.eye(len(order))[0])
    for _ in range(1, size):
        found = []
        for one in np.eye(len(order)):
            if deadline.is_over:
                return _combiner(counts, order, len(evaluations), folds)
            found.append(score(counts + one))
        # Ties go to a model that is in already: fewer models, faster predictions.
        winner = np.lexsort((counts == 0, -np.array(found)))[0]
        if found[winner] <= best:
            break
        best = found[winner]
        counts = counts + np.eye(len(order))[winner]
    return _combiner(counts, order, len(evaluations), folds)


def _combiner(counts, order, n_models: int, folds: Folds) -> Combiner:
    weights = np.zeros(n_models)
    weights[order] = counts / counts.sum()
    return _maker(folds)(weights)


def _maker(folds: Folds) -> Callable[[np.ndarray], Combiner]:
    """Return what makes combiners of weights, of a target without a link."""
    return cast(Callable[[np.ndarray], Combiner], folds.target.combiner)
