"""Choose a weighted ensemble on out-of-fold predictions, and predict with it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.calibration import best_temperature, sharpened
from automodel.decision import labels_of, tuned_weights
from automodel.evaluation import Evaluation
from automodel.fitted_model import FittedModel, share_encoders
from automodel.folds import Folds
from automodel.preprocessing.table import Table

SELECTION_ROWS = 10_000  # more rows do not change which models are chosen
N_BAGS = 20
BAG_ROWS = 2500
LEAST_WEIGHT = 0.03  # below it a member costs more than it gives
HONEST_PARTS = 4
HONEST_BAGS = 3


@dataclass
class Member:
    """One model of the ensemble, by the number of its trial.

    `models` holds one model per fold, or some that were refitted on all rows with
    different seeds, or both. The floor model has the number -1.
    """

    number: int
    family: str
    params: dict[str, Any]
    weight: float
    score: float
    models: list[FittedModel]

    def shares(self) -> list[float]:
        """Return the weight of each model: refits as much together as folds."""
        n_refits = sum(model.fold < 0 for model in self.models)
        n_folds = len(self.models) - n_refits
        half = 0.5 if n_refits and n_folds else 1.0
        of_refit, of_fold = half / max(n_refits, 1), half / max(n_folds, 1)
        return [
            self.weight * (of_refit if model.fold < 0 else of_fold)
            for model in self.models
        ]


@dataclass
class FittedEnsemble:
    """The weighted mean of its members, which share encoders that are alike.

    Probabilities are then as sure as `temperature` makes them.
    """

    members: list[Member] = field(default_factory=list)
    temperature: float = 1.0

    def __post_init__(self):
        share_encoders(model for member in self.members for model in member.models)

    def predict(self, table: Table) -> np.ndarray:
        """Return probabilities, or values, of the rows of a table."""
        encoded: dict[int, Any] = {}  # by the encoders that models share
        total: np.ndarray | float = 0.0
        for member in self.members:
            for model, share in zip(member.models, member.shares(), strict=True):
                encoder = model.encoder
                if id(encoder) not in encoded:
                    encoded[id(encoder)] = encoder.transform(table)
                total = total + share * model.predict_encoded(encoded[id(encoder)])
        return sharpened(np.asarray(total), self.temperature)


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


def expected_score(
    evaluations: Sequence[Evaluation],
    folds: Folds,
    *,
    size: int = 25,
    deadline: float | None = None,
    random_state: int = 0,
) -> float:
    """Score the ensemble on rows that did not choose it.

    The out-of-fold rows are cut into parts; each part is predicted with the weights
    that the other rows choose, and turned into labels as they choose. The score of the
    ensemble on the rows that chose it flatters: with 100 models and 100 rows by more
    than a tenth.

    Returns
    -------
    float
        Greater is better; NaN if the deadline came first.
    """
    rows = _common_rows(evaluations, folds)
    part_of = np.random.default_rng(random_state).integers(HONEST_PARTS, size=len(rows))
    weight = None if folds.sample_weight is None else folds.sample_weight[rows]
    y, tuned = folds.y[rows], folds.metric.tuned
    predictions = np.stack([e.oof[rows] for e in evaluations])
    honest = np.full(predictions.shape[1:], np.nan)
    labels = np.zeros(len(rows), dtype=int)
    for part in range(HONEST_PARTS):
        out = part_of == part
        if not out.any():
            continue
        chosen = _without_rows(evaluations, folds, rows[out])
        if chosen is None or (deadline is not None and time.monotonic() > deadline):
            return math.nan
        weights = select_weights(
            chosen,
            folds,
            size=size,
            n_bags=HONEST_BAGS,
            deadline=deadline,
            random_state=random_state,
        )
        mixed = np.tensordot(weights, predictions, axes=1)
        mixed = sharpened(
            mixed, temperature_of(weights, mixed[~out], rows[~out], folds)
        )
        honest[out] = mixed[out]
        if tuned:
            others = mixed[~out], None if weight is None else weight[~out]
            decision = tuned_weights(folds.metric, y[~out], *others, deadline=deadline)
            labels[out] = labels_of(mixed[out], decision)
    try:
        if tuned:
            return folds.metric.score_labels(y, labels, weight)
        return folds.metric.score(y, honest, weight)
    except ValueError:
        return math.nan


def mixture(evaluations: Sequence[Evaluation], weights: np.ndarray) -> np.ndarray:
    """Return the out-of-fold predictions of the weighted ensemble."""
    chosen = [(w, e.oof) for w, e in zip(weights, evaluations, strict=True) if w > 0]
    return sum(w * np.asarray(oof, dtype=np.float64) for w, oof in chosen)  # type: ignore[return-value]


def _sortable(evaluation: Evaluation) -> float:
    return evaluation.score if math.isfinite(evaluation.score) else -math.inf


def temperature_of(
    weights: np.ndarray, mixed: np.ndarray, rows: np.ndarray, folds: Folds
) -> float:
    """Return the temperature for the mixed predictions of some rows.

    It is 1 for one model alone, which stays as it is, and where it brings nothing: most
    scores do not change with it, but a score of ranks over several classes may.
    """
    if not folds.task.is_classification or np.count_nonzero(weights) < 2:
        return 1.0
    y, weight = folds.y[rows], folds.weight_of(rows)
    temperature = best_temperature(y, mixed, weight)
    try:
        before = folds.metric.score(y, mixed, weight)
        after = folds.metric.score(y, sharpened(mixed, temperature), weight)
    except ValueError:  # these rows have no such score
        return 1.0
    return temperature if after >= before else 1.0


def _row_scorer(folds: Folds, rows: np.ndarray):
    y = folds.y[rows]
    weight = None if folds.sample_weight is None else folds.sample_weight[rows]
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


def _common_rows(evaluations, folds) -> np.ndarray:
    validated = np.ones(len(folds.y), dtype=bool)
    for evaluation in evaluations:
        oof = evaluation.oof
        validated &= np.isfinite(oof if oof.ndim == 1 else oof[:, 0])
    return np.flatnonzero(validated)


def _selection_rows(evaluations, folds, rng) -> np.ndarray:
    rows = _common_rows(evaluations, folds)
    if len(rows) > SELECTION_ROWS:
        rows = np.sort(rng.choice(rows, SELECTION_ROWS, replace=False))
        missing = np.setdiff1d(np.unique(folds.y), folds.y[rows])
        if folds.task.is_classification and len(missing):
            rows = np.union1d(rows, np.flatnonzero(np.isin(folds.y, missing)))
    return rows


def _without_rows(evaluations, folds, rows):
    """Return copies that are blind to some rows, scored on the others."""
    blind = []
    for evaluation in evaluations:
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
