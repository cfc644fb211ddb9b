"""Choose on out-of-fold predictions which models are blended, and how."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend
from automodel.ensemble.calibration import MOST_CELLS, best_temperature
from automodel.ensemble.limits import Limits
from automodel.ensemble.stacking import fit_stack
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.sampling.clusters import bootstrap, design_effect
from automodel.targets.base import averaged

SELECTION_ROWS = 10_000  # more rows do not change which models are chosen
STACK_CELLS = 200_000  # rows x classes that its stack is fitted to
N_BAGS = 20
BAG_ROWS = 2500
CALIBRATION_SHARE = 0.5  # of the time, for the temperatures of models
WEIGHTS_SHARE = 0.8  # of the rest, for the weights; the remainder is for the stack
LEAST_WEIGHT = 0.03  # below it a member costs more than it gives


def max_candidates(n_samples: int) -> int:
    """Return how many models an ensemble may be selected from.

    They are 12 at 100 rows, 24 at 500 and 40 from 2,500 rows on, interpolated on
    logarithmic axes. Choosing among more overfits the out-of-fold predictions.
    """
    rows, models = np.log([100, 500, 2500]), np.log([12, 24, 40])
    return round(float(np.exp(np.interp(math.log(max(n_samples, 1)), rows, models))))


def shortlist(evaluations: Sequence[Evaluation], n: int) -> list[int]:
    """Return the positions of the most promising evaluations, best first.

    The best evaluation of each family is taken before the second best of any, since an
    ensemble profits from different models, and settings of one family often differ by
    luck alone.
    """
    order = sorted(range(len(evaluations)), key=lambda i: -_sortable(evaluations[i]))
    n_before: Counter[str] = Counter()
    turns = {}
    for i in order:
        family = evaluations[i].candidate.family.name
        turns[i] = n_before[family]
        n_before[family] += 1
    chosen = set(sorted(order, key=turns.__getitem__)[:n])
    return [i for i in order if i in chosen]


def select_weights(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    n_bags: int = N_BAGS,
    limits: Limits | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> np.ndarray:
    """Choose weights by greedy selection with replacement.

    Models are added one at a time, each time the one whose addition scores best on the
    out-of-fold predictions [1]_. Only the `shortlist` of `max_candidates` models takes
    part. The weights are averaged over bootstraps of the rows, which guards against
    overfitting: a model that helps on few rows only is chosen in few of the bootstraps.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones.
    folds : Folds
        Data of the search.
    size : int, default=25
        Steps of the selection; 1 chooses the best single model.
    n_bags : int, default=20
        Selections that are averaged: one on all rows, the others on bootstraps.
    limits : Limits, default=None
        What the evaluations cost, and what all that are chosen may cost together; None
        for no limits. A model that would exceed what is left is no candidate.
    deadline : Deadline, default=NO_DEADLINE
        Moment at which the selection ends with what it has.
    random_state : int, default=0
        Seed of the bootstraps.

    Returns
    -------
    ndarray of shape (n_evaluations,)
        Weights, at least zero, that sum to 1.

    References
    ----------
    .. [1] Caruana et al. (2004), Ensemble Selection from Libraries of Models.
    """
    weights = np.zeros(len(evaluations))
    order = shortlist(evaluations, max_candidates(len(folds.y)))
    limits = (limits or Limits.none(len(evaluations))).take(order)
    if size == 1 or len(order) == 1:
        weights[order[np.argmax(limits.affordable())]] = 1.0
        return weights
    rng = np.random.default_rng(random_state)
    rows = selection_rows(evaluations, folds, rng)
    oofs = [evaluations[i].oof for i in order]
    chosen = _bagged(oofs, folds, rows, size, n_bags, limits, deadline, rng)
    weights[order] = _without_small(chosen)
    return weights


def _without_small(weights: np.ndarray) -> np.ndarray:
    kept = np.where(weights < min(LEAST_WEIGHT, weights.max()), 0.0, weights)
    return kept / kept.sum()


def blend_of(
    evaluations: Sequence[Evaluation],
    weights: np.ndarray,
    rows: np.ndarray,
    folds: Folds,
    limits: Limits | None = None,
    deadline: Deadline = NO_DEADLINE,
) -> Blend:
    """Add a temperature and a stack to a weighted mean.

    A single model has neither. There is no stack if there is a single split, since it
    would be fitted to the peculiarities of one model of each trial, while the ensemble
    is made of models that are refitted later.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Those that the weights are for.
    weights : ndarray of shape (n_evaluations,)
        Weights of the mean.
    rows : ndarray
        Rows whose out-of-fold predictions are used; if there are many, every n-th.
    folds : Folds
        Data of the search.
    limits : Limits, default=None
        What the evaluations cost, and what all together may cost.
    deadline : Deadline, default=NO_DEADLINE
        Moment from which on there is no stack.
    """
    target = averaged(folds.target)
    blend = Blend.mean(weights, target.link)
    if np.count_nonzero(weights) < 2:
        return blend
    most = most_rows(folds)
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    parts = np.stack([np.asarray(e.oof[rows], dtype=np.float64) for e in evaluations])
    mixed = np.tensordot(weights, parts, axes=1)
    temperature = temperature_of(mixed, rows, folds)
    mixed = target.link.sharpened(mixed, temperature)
    blend = replace(blend, temperature=temperature)
    if len(folds) == 1 or deadline.is_over:
        return blend
    y, weight = folds.y[rows], _independent_weight(mixed, rows, folds)
    stack = fit_stack(y, mixed, parts, weights, weight, target=target, limits=limits)
    return replace(blend, stack=stack)


def _independent_weight(mixed, rows, folds: Folds) -> np.ndarray | None:
    """Return the weights of some rows in training, smaller if groups err alike.

    Otherwise the rows of a few groups would outweigh the prior of the stack, and it
    would learn what these groups have in common.
    """
    weight, groups = folds.training_weight_of(rows), folds.groups_of(rows)
    if groups is None:
        return weight
    y = folds.y[rows]
    errors = averaged(folds.target).errors(y, mixed)
    weight = np.ones(len(y)) if weight is None else weight
    errors = errors - np.average(errors, weights=weight)
    return weight / design_effect(errors, weight, groups)


def fit_blend(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    n_bags: int = N_BAGS,
    most_cells: int = MOST_CELLS,
    common_weights: np.ndarray | None = None,
    limits: Limits | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> Blend:
    """Choose a blend on all rows: shortlist, calibrate, select, stack.

    All decisions by scores are made here, so that `judged` can repeat them on some of
    the rows.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones whose predictions cover all rows, see `restricted`.
    folds : Folds
        Data of these rows.
    size, n_bags, limits, deadline, random_state
        As in `select_weights`.
    most_cells : int
        Rows x classes to which the temperature of a model is fitted.
    common_weights : ndarray of shape (n_evaluations,), default=None
        Weights that were chosen for all columns of the target together. They sum to
        less than 1, and the weights that are chosen here share the rest.
    """
    order = shortlist(evaluations, max_candidates(len(folds.y)))
    listed = [evaluations[i] for i in order]
    limits = (limits or Limits.none(len(evaluations))).take(order)
    early = deadline.share(CALIBRATION_SHARE)
    temperatures, surer = calibrated(listed, folds, most_cells, early)
    weights = select_weights(
        surer,
        folds,
        size=size,
        n_bags=n_bags,
        limits=limits,
        deadline=deadline.share(WEIGHTS_SHARE),
        random_state=random_state,
    )
    if common_weights is not None:
        rest = 1.0 - common_weights.sum()
        weights = _without_small(rest * weights + common_weights[order])
    if np.count_nonzero(weights) == 1:  # one for a score that it would lower
        (only,) = np.flatnonzero(weights)
        if surer[only].score < listed[only].score:
            temperatures[only] = 1.0
    every = np.arange(len(folds.y))
    blend = blend_of(surer, weights, every, folds, limits, deadline)
    return replace(blend, temperatures=temperatures).among(order, len(evaluations))


def restricted(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    rows: np.ndarray,
    deadline: Deadline = NO_DEADLINE,
) -> tuple[list[Evaluation], Folds]:
    """Return copies of evaluations for some rows, with their scores, and the data.

    Raises
    ------
    ValueError
        If the rows have no such score.
    DeadlineReached
        If the deadline comes first.
    """
    part = folds.judging(rows)
    known = []
    for evaluation in evaluations:
        deadline.check()
        oof, score = evaluation.oof[rows], evaluation.score
        if len(common_rows([evaluation], folds)) > len(rows):
            score = score_or_nan(part.score, oof)
        if not math.isfinite(score):
            raise ValueError(f"the score is {score}")
        known.append(replace(evaluation, oof=oof, score=score))
    return known, part


def calibrated(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    most_cells: int = MOST_CELLS,
    deadline: Deadline = NO_DEADLINE,
) -> tuple[np.ndarray, list[Evaluation]]:
    """Return the best temperature of each model, and the calibrated evaluations.

    The temperature is 1 for values, and for models that the deadline leaves no time
    for.
    """
    temperatures, surer = np.ones(len(evaluations)), list(evaluations)
    target = averaged(folds.target)
    if not target.link.has_temperature:
        return temperatures, surer
    facts = folds.sample_weight, folds.groups, most_cells
    for i, evaluation in enumerate(evaluations):
        if deadline.is_over:
            break
        temperatures[i] = best_temperature(target, folds.y, evaluation.oof, *facts)
        if temperatures[i] != 1.0:
            oof = target.link.sharpened(evaluation.oof, temperatures[i])
            oof = oof.astype(np.float32, copy=False)
            score = score_or_nan(folds.score, oof)
            surer[i] = replace(evaluation, oof=oof, score=score)
    return temperatures, surer


def temperature_of(mixed: np.ndarray, rows: np.ndarray, folds: Folds) -> float:
    """Return the temperature for the mixed predictions of some rows.

    It is 1 if another one would lower the score. Most scores do not change with it, but
    one that ranks rows over several classes may.
    """
    target = averaged(folds.target)
    if not target.link.has_temperature:
        return 1.0
    y, weight = folds.y[rows], folds.weight_of(rows)
    temperature = best_temperature(target, y, mixed, weight, folds.groups_of(rows))
    before, after = (
        score_or_nan(folds.metric.score, y, proba, weight)
        for proba in (mixed, target.link.sharpened(mixed, temperature))
    )
    return temperature if after >= before else 1.0


def common_rows(evaluations: Sequence[Evaluation], folds: Folds) -> np.ndarray:
    """Return the rows that all of them have predicted."""
    validated = np.ones(len(folds.y), dtype=bool)
    for evaluation in evaluations:
        validated &= folds.target.is_predicted(evaluation.oof)
    return np.flatnonzero(validated)


def _sortable(evaluation: Evaluation) -> float:
    return evaluation.score if math.isfinite(evaluation.score) else -math.inf


def _row_scorer(folds: Folds, rows: np.ndarray):
    y = folds.y[rows]
    weight = folds.weight_of(rows)
    return lambda mean: score_or_nan(folds.metric.score_decisive, y, mean, weight)


def _bagged(oofs, folds, rows, size, n_bags, limits, deadline, rng) -> np.ndarray:
    """Return the mean of the weights that all rows, and bootstraps of them, choose.

    What one selection has chosen is paid for, and the next may choose it, too. If no
    mixture has a score, the first model that is affordable has all the weight.
    """
    y, decisive = folds.y, folds.metric.decisive
    parts = np.stack([decisive(y[rows], oof[rows]) for oof in oofs])
    size_of_bag, groups = min(len(rows), BAG_ROWS), folds.groups_of(rows)
    total, left = np.zeros(len(oofs)), limits
    for bag in range(n_bags):
        if bag and deadline.is_over:
            break
        drawn = np.arange(len(rows))
        if bag:
            drawn = bootstrap(rng, len(rows), size_of_bag, groups)
        score = _row_scorer(folds, rows[drawn])
        shares = greedy_shares(parts[:, drawn], score, size, left, deadline)
        left = left.after(shares > 0)
        total += shares
    if not total.any():  # no mixture has such a score
        total[np.argmax(limits.affordable())] = 1.0
    return total / total.sum()


def greedy_shares(predictions, score, size, limits, deadline) -> np.ndarray:
    """Return the shares of the models in the best prefix of one greedy selection.

    The shares are all zero if the rows have no such score. After the deadline only the
    models that were compared before it can be chosen.
    """
    counts = np.zeros(len(predictions), dtype=int)
    scores = np.full(len(predictions), math.nan)
    for n_before, i in enumerate(np.flatnonzero(limits.affordable()).tolist()):
        if n_before and deadline.is_over:
            break
        scores[i] = score(predictions[i])
    if np.isnan(scores).all():
        return counts
    first = int(np.nanargmax(scores))
    counts[first] = 1
    total = predictions[first].astype(np.float64)
    best_score, best_counts = scores[first], counts.copy()
    for step in range(2, size + 1):
        scores = np.full(len(predictions), math.nan)
        for i in np.flatnonzero(limits.affordable(counts > 0)).tolist():
            if deadline.is_over:
                return best_counts / best_counts.sum()
            scores[i] = score((total + predictions[i]) / step)
        # Ties go to a model that is chosen already, since fewer models predict faster.
        order = np.lexsort((counts == 0, -scores))
        winner = order[0]
        counts[winner] += 1
        total += predictions[winner]
        if scores[winner] > best_score:
            best_score, best_counts = scores[winner], counts.copy()
        elif step > 2 * best_counts.sum() + 5:
            break
    return best_counts / best_counts.sum()


def most_rows(folds: Folds) -> int:
    """Return the number of rows that are enough to fit or compare whole predictions."""
    return min(SELECTION_ROWS, STACK_CELLS // folds.target.n_outputs)


def selection_rows(evaluations, folds, rng, most: int = SELECTION_ROWS) -> np.ndarray:
    """Return at most so many rows that all have predicted, and one of each class."""
    rows = common_rows(evaluations, folds)
    if len(rows) > most:
        known, rows = rows, np.sort(rng.choice(rows, most, replace=False))
        labels = folds.target.strata(folds.y)
        if labels is not None:
            missing = np.setdiff1d(labels[known], labels[rows])
            rows = np.union1d(rows, known[np.isin(labels[known], missing)])
    return rows
