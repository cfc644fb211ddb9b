"""From the evaluations of a search to its ensemble: select, refit, put together."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automodel.ensemble import (
    FittedEnsemble,
    Member,
    expected_score,
    mixture,
    select_weights,
)
from automodel.evaluation import Evaluation, is_joined
from automodel.fitted_model import FittedModel
from automodel.folds import Folds
from automodel.leaderboard import TrialRecord
from automodel.search.budget import Budget
from automodel.search.models import load_models
from automodel.search.search import REFIT_FACTOR
from automodel.search.storage import SearchStorage
from automodel.search.work import Refit
from automodel.search.workers import Workers

SELECT_SHARE = 0.35  # of the time left, for the weights, and again for the honest score


@dataclass
class Trained:
    """What a fit leaves behind."""

    ensemble: FittedEnsemble
    best_model: FittedModel
    best_score: float
    expected_score: float
    records: list[TrialRecord]
    studies: dict[str, list] = field(default_factory=dict)


@dataclass(frozen=True)
class Assembly:
    """Makes the ensemble of a search.

    Parameters
    ----------
    folds : Folds
        Data and splits.
    floor : Member
        The model that is there in any case.
    budget : Budget
        What is left of it is shared by selection and refits.
    size : int
        Steps of the greedy selection.
    refit : bool or "auto"
        Whether members are fitted again on all rows.
    seed : int
        Seed of the selection.
    """

    folds: Folds
    floor: Member
    budget: Budget
    size: int
    refit: bool | str
    seed: int

    def run(self, storage: SearchStorage, workers: Workers | None) -> Trained:
        """Return the ensemble; without workers, of the models of the folds."""
        usable = storage.loaded()
        while usable:
            with self.budget.stage("ensemble"):
                weights, best_score, expected = self._select(usable)
            with self.budget.stage("refit"):
                members, best_model = self._members(usable, weights, workers)
            gone = {n for n, w in weights.items() if w > 0} - {
                m.number for m in members
            }
            if not gone:
                ensemble, records = FittedEnsemble(members), _records(storage, weights)
                return Trained(ensemble, best_model, best_score, expected, records)
            usable = {n: e for n, e in usable.items() if n not in gone}
        floor, ensemble = self.floor, FittedEnsemble([self.floor])
        records = _records(storage, {})
        return Trained(ensemble, floor.models[0], floor.score, floor.score, records)

    def _select(self, usable: dict[int, Evaluation]):
        """Return the weights, the ensemble's score and its honest score."""
        evaluations = list(usable.values())
        folds, size, seed = self.folds, self.size, self.seed
        weights = select_weights(
            evaluations, folds, size=size, deadline=self._share(), random_state=seed
        )
        best_score = folds.score(mixture(evaluations, weights))
        honest = expected_score(
            evaluations, folds, size=size, deadline=self._share(), random_state=seed
        )
        chosen = {n: float(w) for n, w in zip(usable, weights, strict=True)}
        return chosen, best_score, honest

    def _share(self) -> float | None:
        left = self.budget.seconds_left
        return None if math.isinf(left) else time.monotonic() + SELECT_SHARE * left

    def _members(self, usable, weights, workers):
        """Return the members with their models, and the best single model.

        Members are refitted on all rows in the order of their weights, while the time
        left allows for it; the others keep the models of their folds.
        """
        order = sorted(weights, key=lambda number: -weights[number])
        order = [number for number in order if weights[number] > 0]
        best = max(usable, key=lambda number: usable[number].score)
        wanted = order if self.refit else []
        refitted = {}
        if workers is not None:
            numbers = [
                number
                for number in [*wanted, best]
                if not is_joined(usable[number].candidate, self.folds)
            ]
            refitted = self._refitted(numbers, usable, workers)
            workers.dismiss()  # before the models are loaded, to save memory
            refitted = {n: load_models([model])[0] for n, model in refitted.items()}
        stored = partial(_stored, defer=workers is None)
        members = []
        for number in order:
            is_refitted = number in refitted and number in wanted
            models = [refitted[number]] if is_refitted else stored(usable[number])
            if models:
                members.append(_member(number, usable[number], weights[number], models))
        if best in refitted:
            return members, refitted[best]
        best_models = stored(usable[best]) or [m for x in members for m in x.models]
        return members, best_models[0] if best_models else None

    def _refitted(self, numbers, usable, workers) -> dict[int, FittedModel | Path]:
        """Refit what the time left allows for, in the order given."""
        chosen, needed = [], 0.0
        left = 0.8 * self.budget.seconds_left
        for number in dict.fromkeys(numbers):
            seconds = REFIT_FACTOR * usable[number].seconds / len(self.folds)
            if (needed + seconds) / workers.n_jobs < left:
                chosen.append(number)
                needed += seconds
        ends_at = None
        if self.budget.seconds is not None:
            margin = 0.2 + 0.01 * self.budget.seconds
            ends_at = time.time() + self.budget.seconds_left - margin
        orders = [
            Refit(n, usable[n].candidate, mean_iterations(usable[n]), ends_at)
            for n in chosen
        ]
        models = workers.refit(orders) if orders else []
        return {n: m for n, m in zip(chosen, models, strict=True) if m is not None}


def mean_iterations(evaluation: Evaluation) -> int | None:
    """Return the steps of a refit: the mean of the folds; None where none count."""
    steps = [n for n in evaluation.n_iterations if n]
    return round(float(np.mean(steps))) if steps else None


def _stored(evaluation: Evaluation, *, defer: bool) -> list[Any]:
    """Return the fold models; none if their files are gone."""
    try:
        return load_models(evaluation.models, defer=defer)
    except Exception:  # noqa: BLE001  dropped by another process, or half written
        return []


def _member(number, evaluation: Evaluation, weight: float, models) -> Member:
    candidate = evaluation.candidate
    return Member(
        number,
        candidate.family.name,
        candidate.params,
        weight,
        evaluation.score,
        models,
    )


def _records(storage: SearchStorage, weights: dict[int, float]) -> list[TrialRecord]:
    return [
        TrialRecord(
            number,
            evaluation.candidate.family.name,
            evaluation.candidate.params,
            evaluation.candidate.seed,
            evaluation.status,
            float(evaluation.score),
            [float(score) for score in evaluation.fold_scores],
            evaluation.seconds,
            list(evaluation.n_iterations),
            evaluation.error,
            float(weights.get(number, 0.0)),
        )
        for number, evaluation in sorted(storage.evaluations.items())
    ]
