"""Choose on out-of-fold predictions which models are blended, and how."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from automodel.calibration import best_temperature, log_proba, sharpened
from automodel.decision import labels_of, tuned_weights
from automodel.ensemble import Blend
from automodel.evaluation import Evaluation
from automodel.folds import Folds
from automodel.stacking import fit_stack

SELECTION_ROWS = 10_000  # more rows do not change which models are chosen
STACK_CELLS = 200_000  # rows x classes that its correction is fitted to
N_BAGS = 20
BAG_ROWS = 2500
LEAST_WEIGHT = 0.03  # below it a member costs more than it gives
HONEST_PARTS = 4
HONEST_BAGS = 3


def max_candidates(n_samples: int) -> int:
    """Return how many models the data can tell apart.

    12 at 100 rows, 24 at 500, 40 from 2,500 on, straight lines between on logarithmic
    axes: choosing among more overfits the out-of-fold predictions.
    """
    rows, models = np.log([100, 500, 2500]), np.log([12, 24, 40])
    return round(float(np.exp(np.interp(math.log(max(n_samples, 1)), rows, models))))


def shortlist(evaluations: Sequence[Evaluation], n: int) -> list[int]:
    """Return the positions of the most promising evaluations, best first.

    The best of each family come before the second best of any: an ensemble lives of
    different models, and many settings of one family differ by luck alone.
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
    deadline: float | None = None,
    random_state: int = 0,
) -> np.ndarray:
    """Choose weights by greedy selection with replacement.

    Models are added one at a time, each the one whose addition scores best on the
    out-of-fold predictions [1]_. Only `max_candidates` take part, of all families
    alike (`shortlist`), and the choice is averaged over bootstraps of the rows, which
    guards against overfitting: a model that owes its place to few rows is in few of
    the choices.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones.
    folds : Folds
        Data of the search.
    size : int, default=25
        Steps of the selection; 1 chooses the best single model.
    n_bags : int, default=20
        Choices that are averaged: one on all rows, the others on bootstraps.
    deadline : float, default=None
        Moment (`time.monotonic`) at which the selection ends with what it has.
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
    if size == 1 or len(order) == 1:
        weights[order[0]] = 1.0
        return weights
    rng = np.random.default_rng(random_state)
    rows = _selection_rows(evaluations, folds, rng)
    chosen = _bagged(
        [evaluations[i].oof for i in order], folds, rows, size, n_bags, deadline, rng
    )
    chosen[chosen < min(LEAST_WEIGHT, chosen.max())] = 0.0
    weights[order] = chosen / chosen.sum()
    return weights


def blend_of(
    evaluations: Sequence[Evaluation],
    weights: np.ndarray,
    rows: np.ndarray,
    folds: Folds,
) -> Blend:
    """Complete a weighted mean by its temperature and its correction.

    One model alone stays as it is. And there is no correction where a single split
    shows one model of each trial: it would be fitted to what is particular to these,
    and the models that are refitted later are others.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Those that the weights are for.
    weights : ndarray of shape (n_evaluations,)
        Of the mean.
    rows : ndarray
        Those whose out-of-fold predictions take part; of many every n-th.
    folds : Folds
        Data of the search.
    """
    blend = Blend.mean(weights)
    if np.count_nonzero(weights) < 2:
        return blend
    most = min(SELECTION_ROWS, STACK_CELLS // max(folds.task.n_classes, 1))
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    parts = np.stack([np.asarray(e.oof[rows], dtype=np.float64) for e in evaluations])
    mixed = np.tensordot(weights, parts, axes=1)
    temperature = temperature_of(mixed, rows, folds)
    mixed = sharpened(mixed, temperature)
    blend = replace(blend, temperature=temperature)
    if len(folds) == 1:
        return blend
    stack = fit_stack(folds.y[rows], mixed, parts, weights, folds.weight_of(rows))
    return replace(blend, stack=stack)


def judged(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    deadline: float | None = None,
    random_state: int = 0,
) -> tuple[bool, float]:
    """Score the ensemble on rows that did not choose it, with its correction or not.

    The out-of-fold rows are cut into parts; each part is predicted with the blend
    that the other rows choose, and turned into labels as they choose. The score of the
    ensemble on the rows that chose it flatters: with 100 models and 100 rows by more
    than a tenth.

    Returns
    -------
    bool
        Whether the correction is worthwhile.
    float
        The score; greater is better. NaN if the deadline came first.
    """
    rows = common_rows(evaluations, folds)
    part_of = np.random.default_rng(random_state).integers(HONEST_PARTS, size=len(rows))
    if len(np.unique(part_of)) < 2:
        return False, math.nan
    predictions = np.stack([e.oof[rows] for e in evaluations])
    plain = np.full(predictions.shape[1:], np.nan)
    corrected, blends = plain.copy(), {}
    for part in np.unique(part_of):
        out = part_of == part
        others = _without_rows(evaluations, folds, rows[out], deadline)
        if others is None:
            return False, math.nan
        weights = select_weights(
            others,
            folds,
            size=size,
            n_bags=HONEST_BAGS,
            deadline=deadline,
            random_state=random_state,
        )
        blend = blend_of(others, weights, rows[~out], folds)
        blends[part] = blend
        corrected[out] = blend.predict(predictions[:, out])
        plain[out] = replace(blend, stack=None).predict(predictions[:, out])
    can_correct = any(blend.stack is not None for blend in blends.values())
    is_corrected = can_correct and _is_worthwhile(plain, corrected, rows, folds)
    if not is_corrected:
        blends = {part: replace(blend, stack=None) for part, blend in blends.items()}
    honest = corrected if is_corrected else plain
    try:
        return is_corrected, _honest_score(
            honest, blends, part_of, predictions, rows, folds, deadline
        )
    except ValueError:  # these rows have no such score
        return is_corrected, math.nan


def temperatures_of(evaluations: Sequence[Evaluation], folds: Folds) -> np.ndarray:
    """Return the best temperature of each model alone; 1 for values."""
    if not folds.task.is_classification:
        return np.ones(len(evaluations))
    y, weight = folds.y, folds.sample_weight
    return np.array([best_temperature(y, e.oof, weight) for e in evaluations])


def calibrated(
    evaluations: Sequence[Evaluation], temperatures: np.ndarray
) -> list[Evaluation]:
    """Return copies whose out-of-fold probabilities have their best temperature."""
    return [
        replace(
            evaluation, oof=sharpened(evaluation.oof, t).astype(np.float32, copy=False)
        )
        for evaluation, t in zip(evaluations, temperatures, strict=True)
    ]


def temperature_of(mixed: np.ndarray, rows: np.ndarray, folds: Folds) -> float:
    """Return the temperature for the mixed predictions of some rows.

    It is 1 where it brings nothing: most scores do not change with it, but a score of
    ranks over several classes may.
    """
    if not folds.task.is_classification:
        return 1.0
    y, weight = folds.y[rows], folds.weight_of(rows)
    temperature = best_temperature(y, mixed, weight)
    try:
        before = folds.metric.score(y, mixed, weight)
        after = folds.metric.score(y, sharpened(mixed, temperature), weight)
    except ValueError:  # these rows have no such score
        return 1.0
    return temperature if after >= before else 1.0


def common_rows(evaluations: Sequence[Evaluation], folds: Folds) -> np.ndarray:
    """Return the rows that all of them have predicted."""
    validated = np.ones(len(folds.y), dtype=bool)
    for evaluation in evaluations:
        oof = evaluation.oof
        validated &= np.isfinite(oof if oof.ndim == 1 else oof[:, 0])
    return np.flatnonzero(validated)


def _honest_score(honest, blends, part_of, predictions, rows, folds, deadline) -> float:
    """Score predictions; the other rows say how they become labels, if these count."""
    y, weight = folds.y[rows], folds.weight_of(rows)
    if not folds.metric.tuned:
        return folds.metric.score(y, honest, weight)
    labels = np.zeros(len(rows), dtype=int)
    for part, blend in blends.items():
        out = part_of == part
        decision = tuned_weights(
            folds.metric,
            y[~out],
            blend.predict(predictions[:, ~out]),
            folds.weight_of(rows[~out]),
            deadline=deadline,
        )
        labels[out] = labels_of(honest[out], decision)
    return folds.metric.score_labels(y, labels, weight)


def _is_worthwhile(plain, corrected, rows, folds) -> bool:
    """Tell whether the correction did better in rows that it was not fitted to.

    It was fitted to fewer rows there than it will be. Values say more than labels do,
    and the correction of squared errors is kept unless they are two standard errors
    worse. All else has to be one better, and better by the score that the user wants.
    """
    y, weight = folds.y[rows], folds.weight_of(rows)
    gains = _losses(y, plain) - _losses(y, corrected)
    weight = np.ones(len(y)) if weight is None else weight
    mean = np.average(gains, weights=weight)
    variance = np.average((gains - mean) ** 2, weights=weight) / weight.sum()
    if folds.metric.is_of_squares:
        return bool(mean > -2.0 * math.sqrt(variance))
    try:
        before, after = (folds.metric.score(y, p, weight) for p in (plain, corrected))
    except ValueError:
        return False
    return bool(mean > math.sqrt(variance) and after > before)


def _losses(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    if prediction.ndim == 1:
        return (y - prediction) ** 2
    return -log_proba(prediction[np.arange(len(y)), y])


def _sortable(evaluation: Evaluation) -> float:
    return evaluation.score if math.isfinite(evaluation.score) else -math.inf


def _row_scorer(folds: Folds, rows: np.ndarray):
    y = folds.y[rows]
    weight = folds.weight_of(rows)
    return lambda mean: folds.metric.score_decisive(y, mean, weight)


def _bagged(oofs, folds, rows, size, n_bags, deadline, rng) -> np.ndarray:
    """Return the mean of the weights that all rows and bootstraps of them choose."""
    y, decisive = folds.y, folds.metric.decisive
    parts = np.stack([decisive(y[rows], oof[rows]) for oof in oofs])
    total = np.zeros(len(oofs))
    for bag in range(n_bags):
        if bag and deadline is not None and time.monotonic() > deadline:
            break
        drawn = np.arange(len(rows))
        if bag:
            drawn = rng.integers(len(rows), size=min(len(rows), BAG_ROWS))
        score = _row_scorer(folds, rows[drawn])
        try:
            total += _greedy(parts[:, drawn], score, size, deadline)
        except ValueError:  # these rows have no such score
            if not bag:
                raise
    return total / total.sum()


def _greedy(predictions, score, size, deadline) -> np.ndarray:
    """Return the weights of the best prefix of one greedy selection."""
    counts = np.zeros(len(predictions), dtype=int)
    scores = [score(prediction) for prediction in predictions]
    first = int(np.nanargmax(scores))
    counts[first] = 1
    total = predictions[first].astype(np.float64)
    best_score, best_counts = scores[first], counts.copy()
    for step in range(2, size + 1):
        if deadline is not None and time.monotonic() > deadline:
            break
        scores = [score((total + p) / step) for p in predictions]
        # ties go to a model that is in already: fewer models, faster predictions
        order = np.lexsort((counts == 0, -np.array(scores)))
        winner = order[0]
        counts[winner] += 1
        total += predictions[winner]
        if scores[winner] > best_score:
            best_score, best_counts = scores[winner], counts.copy()
        elif step > 2 * best_counts.sum() + 5:
            break
    return best_counts / best_counts.sum()


def _selection_rows(evaluations, folds, rng) -> np.ndarray:
    rows = common_rows(evaluations, folds)
    if len(rows) > SELECTION_ROWS:
        known, rows = rows, np.sort(rng.choice(rows, SELECTION_ROWS, replace=False))
        if folds.task.is_classification:
            missing = np.setdiff1d(folds.y[known], folds.y[rows])
            rows = np.union1d(rows, known[np.isin(folds.y[known], missing)])
    return rows


def _without_rows(evaluations, folds, rows, deadline):
    """Return copies that are blind to some rows, scored on the others, or None."""
    blind = []
    for evaluation in evaluations:
        if deadline is not None and time.monotonic() > deadline:
            return None
        oof = evaluation.oof.copy()
        oof[rows] = np.nan
        try:
            score = folds.score(oof)
        except ValueError:
            return None
        if not math.isfinite(score):
            return None
        blind.append(Evaluation(evaluation.candidate, "complete", score, oof=oof))
    return blind
