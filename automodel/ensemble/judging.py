"""Judge an ensemble on rows that had no part in choosing it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.combine import fit_combiner
from automodel.ensemble.selection import common_rows, restricted
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached
from automodel.metrics.scorers import score_or_nan
from automodel.sampling.clusters import honest_parts, variance_of_mean

HONEST_PARTS = 5
HONEST_BAGS = 3
HONEST_CELLS = 10_000  # rows x classes, for the temperature of a model
HONEST_ROWS = 20_000


def judged(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    may_stack: bool = True,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> tuple[bool, float]:
    """Score the ensemble on rows that did not choose it, with its stack or not.

    The out-of-fold rows are cut into parts of whole validation folds; each part is
    predicted with the combiner that the other rows choose, and turned into labels as
    they choose. The score of the ensemble on the rows that chose it flatters: with 100
    models and 100 rows by more than a tenth. Without `may_stack` it is that of an
    ensemble whose stack the deadline has prevented.

    Returns
    -------
    bool
        Whether the stack is worthwhile.
    float
        The score; greater is better. NaN if the deadline came first, or if some of the
        rows alone have no such score.
    """
    rows = common_rows(evaluations, folds)
    if len(rows) > HONEST_ROWS:
        rng = np.random.default_rng(random_state)
        rows = np.sort(rng.choice(rows, HONEST_ROWS, replace=False))
    groups = folds.groups_of(rows)
    part_of = honest_parts(
        folds.first_folds()[rows], groups, HONEST_PARTS, random_state
    )
    parts = np.unique(part_of)
    if len(parts) < 2:
        return False, math.nan
    predictions = [e.oof[rows] for e in evaluations]
    plain_parts, stacked_parts, combiners = [], [], {}
    for n_before, part in enumerate(parts):
        out = part_of == part
        try:
            others = restricted(evaluations, folds, rows[~out], deadline)
        except (ValueError, DeadlineReached):  # these rows may have no such score
            return False, math.nan
        combiners[part] = combiner = fit_combiner(
            *others,
            size=size,
            n_bags=HONEST_BAGS,
            most_cells=HONEST_CELLS,
            deadline=deadline.share(1 / (len(parts) - n_before)),
            random_state=random_state,
        )
        known = [prediction[out] for prediction in predictions]
        where = np.flatnonzero(out)
        stacked_parts.append((where, combiner.predict(known)))
        plain_parts.append((where, combiner.unstacked().predict(known)))
    pooled = partial(folds.target.pooled, len(rows), dtype=np.float64)
    plain, stacked = pooled(plain_parts), pooled(stacked_parts)
    can_stack = any(combiner.is_stacked for combiner in combiners.values())
    is_stacked = may_stack and can_stack and _is_worthwhile(plain, stacked, rows, folds)
    if not is_stacked:
        combiners = {part: combiner.unstacked() for part, combiner in combiners.items()}
    honest = stacked if is_stacked else plain
    return is_stacked, _honest_score(
        honest, combiners, part_of, predictions, rows, folds, deadline
    )


def _honest_score(
    honest, combiners, part_of, predictions, rows, folds, deadline
) -> float:
    """Score predictions; the other rows say how they become labels, if these count."""
    y, weight = folds.y[rows], folds.weight_of(rows)
    if not folds.metric.needs_threshold:
        return score_or_nan(folds.metric.score, y, honest, weight)
    decided = []
    for part, combiner in combiners.items():
        out = part_of == part
        decision = folds.metric.choose_decision(
            y[~out],
            combiner.predict([prediction[~out] for prediction in predictions]),
            folds.weight_of(rows[~out]),
            groups=folds.groups_of(rows[~out]),
            deadline=deadline,
        )
        answers = folds.target.decided(honest[out], decision)
        decided.append((np.flatnonzero(out), answers))
    answers = folds.target.pooled(len(rows), decided, dtype=np.float64)
    return score_or_nan(folds.metric.score_decided, y, answers, weight)


def _is_worthwhile(plain, stacked, rows, folds) -> bool:
    """Tell whether the stack did better in rows that it was not fitted to.

    It was fitted to fewer rows there than it will be. Values say more than labels do,
    and where the score is the loss that it was fitted by, it is kept unless it is two
    standard errors worse. All else has to be one better, and better by the score that
    the user wants.
    """
    y, weight = folds.y[rows], folds.training_weight_of(rows)
    losses = folds.target.losses
    gains = losses(y, plain) - losses(y, stacked)
    weight = np.ones(len(y)) if weight is None else weight
    mean = np.average(gains, weights=weight)
    variance = variance_of_mean(gains - mean, weight, folds.groups_of(rows))
    if not math.isfinite(variance):
        return False
    if folds.metric.is_own_loss:
        return bool(mean > -2.0 * math.sqrt(variance))
    own = folds.weight_of(rows)
    before, after = (
        score_or_nan(folds.metric.score, y, p, own) for p in (plain, stacked)
    )
    return bool(mean > math.sqrt(variance) and after > before)
