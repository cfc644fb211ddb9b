"""Choose a weighted ensemble on out-of-fold predictions, and predict with it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.evaluation import Evaluation
from automodel.fitted_model import FittedModel
from automodel.folds import Folds
from automodel.preprocessing.table import Table

SELECTION_ROWS = 10_000  # more rows do not change which models are chosen
N_BAGS = 5
HONEST_PARTS = 4


@dataclass
class Member:
    """One model of the ensemble, by the number of its trial.

    `models` holds one model per fold, whose predictions are averaged, or the one
    that was refitted on all rows. The floor model has the number -1.
    """

    number: int
    family: str
    params: dict[str, Any]
    weight: float
    score: float
    models: list[FittedModel]


@dataclass
class FittedEnsemble:
    """The weighted mean of its members."""

    members: list[Member] = field(default_factory=list)

    def predict(self, table: Table) -> np.ndarray:
        """Return probabilities, or values, of the rows of a table.

        Members that were fitted on the same rows with the same encoder settings
        share the encoded rows.
        """
        encoded: dict[tuple[int, str], Any] = {}
        total: np.ndarray | float = 0.0
        for member in self.members:
            share = member.weight / len(member.models)
            for model in member.models:
                key = (model.fold, repr(model.encoder))
                if key not in encoded:
                    encoded[key] = model.encoder.transform(table)
                total = total + share * model.predict_encoded(encoded[key])
        return np.asarray(total)


def max_candidates(n_samples: int) -> int:
    """Return how many models the data can tell apart.

    4 at 100 rows, 15 at 2,500, 40 from 10,000 on, straight lines between on
    logarithmic axes: choosing among more overfits the out-of-fold predictions.
    """
    rows = np.log([100, 500, 2500, 10_000])
    models = np.log([4, 8, 15, 40])
    return round(float(np.exp(np.interp(math.log(max(n_samples, 1)), rows, models))))


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
    out-of-fold predictions [1]_. Only the best `max_candidates` take part, and the
    choice is averaged over subsets of them, which guards against overfitting.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Complete ones.
    folds : Folds
        Data of the search.
    size : int, default=25
        Steps of the selection; 1 chooses the best single model.
    n_bags : int, default=5
        Subsets of the candidates that the choice is averaged over.
    deadline : float, default=None
        Moment (`time.monotonic`) at which the selection ends with what it has.
    random_state : int, default=0
        Seed of the subsets.

    Returns
    -------
    ndarray of shape (n_evaluations,)
        Weights, at least zero, that sum to 1.

    References
    ----------
    .. [1] Caruana et al. (2004), Ensemble Selection from Libraries of Models.
    """
    scores = np.array([evaluation.score for evaluation in evaluations])
    weights = np.zeros(len(evaluations))
    order = np.argsort(-scores, kind="stable")[: max_candidates(len(folds.y))]
    if size == 1 or len(order) == 1:
        weights[order[0]] = 1.0
        return weights
    rng = np.random.default_rng(random_state)
    rows = _selection_rows(evaluations, folds, rng)
    predictions = np.stack([evaluations[i].oof[rows] for i in order])
    score = _row_scorer(folds, rows)
    weights[order] = _bagged(predictions, score, size, n_bags, deadline, rng)
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
    that the other rows choose. The score of the ensemble on the rows that chose it
    flatters: with 100 models and 100 rows by more than a tenth.

    Returns
    -------
    float
        Greater is better; NaN if the deadline came first.
    """
    rows = _common_rows(evaluations, folds)
    part_of = np.random.default_rng(random_state).integers(HONEST_PARTS, size=len(rows))
    predictions = np.stack([e.oof[rows] for e in evaluations])
    honest = np.full(predictions.shape[1:], np.nan)
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
            n_bags=1,
            deadline=deadline,
            random_state=random_state,
        )
        honest[out] = np.tensordot(weights, predictions[:, out], axes=1)
    weight = None if folds.sample_weight is None else folds.sample_weight[rows]
    try:
        return folds.metric.score(folds.y[rows], honest, weight)
    except ValueError:
        return math.nan


def mixture(evaluations: Sequence[Evaluation], weights: np.ndarray) -> np.ndarray:
    """Return the out-of-fold predictions of the weighted ensemble."""
    chosen = [(w, e.oof) for w, e in zip(weights, evaluations, strict=True) if w > 0]
    return sum(w * np.asarray(oof, dtype=np.float64) for w, oof in chosen)  # type: ignore[return-value]


def _row_scorer(folds: Folds, rows: np.ndarray):
    y = folds.y[rows]
    weight = None if folds.sample_weight is None else folds.sample_weight[rows]
    return lambda mean: folds.metric.score(y, mean, weight)


def _bagged(predictions, score, size, n_bags, deadline, rng) -> np.ndarray:
    n_models = len(predictions)
    total = np.zeros(n_models)
    for bag in range(n_bags):
        if bag and deadline is not None and time.monotonic() > deadline:
            break
        subset = np.arange(n_models)
        if bag and n_models > 4:
            subset = rng.choice(n_models, max(2, round(0.7 * n_models)), replace=False)
            subset = np.union1d([0], subset)
        chosen = _greedy(predictions[subset], score, size, deadline)
        total[subset] += chosen
    return total / total.sum()


def _greedy(predictions, score, size, deadline) -> np.ndarray:
    """Return the weights of the best prefix of one greedy selection."""
    counts = np.zeros(len(predictions), dtype=int)
    counts[0] = 1  # candidates come best first
    total = predictions[0].astype(np.float64)
    best_score, best_counts = score(total), counts.copy()
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
