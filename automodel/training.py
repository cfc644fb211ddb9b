"""From checked data to a fitted ensemble: floor, search, selection, refit."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.dummy import DummyClassifier, DummyRegressor

from automodel.ensemble import (
    FittedEnsemble,
    Member,
    expected_score,
    max_candidates,
    mixture,
    select_weights,
)
from automodel.evaluation import Evaluation, FittedModel, fit_candidate
from automodel.exceptions import FitWarning
from automodel.families.base import ModelFamily
from automodel.folds import Folds
from automodel.leaderboard import TrialRecord
from automodel.search.budget import Budget
from automodel.search.containment import contained
from automodel.search.search import Search, SearchSettings
from automodel.search.storage import SearchStorage, load_models
from automodel.search.workers import open_workers

FLOOR = -1  # the number of the floor model, which is no trial


@dataclass
class Trained:
    """What a fit leaves behind."""

    ensemble: FittedEnsemble
    best_model: FittedModel
    best_score: float
    expected_score: float
    records: list[TrialRecord]
    studies: dict[str, list]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingSettings:
    """What the user may change about a fit, apart from the data and the budget."""

    search: SearchSettings
    n_jobs: int | None = None
    memory_limit: int | None = None
    ensemble_size: int = 25
    refit: bool | str = "auto"


class NoColumns(TransformerMixin, BaseEstimator):
    """Encode a table as rows without content, for the floor model."""

    def fit(self, X, y=None, sample_weight=None):
        """Do nothing."""
        return self

    def transform(self, X):
        """Return one constant column."""
        return np.zeros((len(X), 1))


def train(
    folds: Folds,
    families: Sequence[ModelFamily],
    budget: Budget,
    settings: TrainingSettings,
) -> Trained:
    """Search, select and refit within the budget; there is always a model.

    Warns with `FitWarning` if nothing but the floor could be fitted, or if the
    search was interrupted by Ctrl-C.
    """
    with budget.stage("floor"):
        floor = fit_floor(folds)
    storage = SearchStorage(n_kept=math.ceil(1.5 * max_candidates(len(folds.y))))
    search = None
    interrupted = False
    with (
        contained(),
        open_workers(settings.n_jobs, folds, settings.memory_limit) as workers,
    ):
        try:
            with budget.stage("search"):
                search = Search(
                    families,
                    folds,
                    budget,
                    storage,
                    settings.search,
                    workers.n_jobs,
                )
                search.run(workers)
        except KeyboardInterrupt:
            interrupted = True
        trained = _finish(storage, folds, floor, budget, settings, workers)
    if search is not None:
        trained.studies = {
            name: study.get_trials(deepcopy=True)
            for name, study in search.studies.items()
        }
    _warn(trained, interrupted, budget)
    return trained


def fit_floor(folds: Folds) -> Member:
    """Fit the model that knows the mean or the prior of y only."""
    task = folds.task
    encoder = NoColumns()
    X = encoder.transform(folds.table)
    if task.is_classification:
        classes, y = np.unique(folds.y, return_inverse=True)
        estimator = DummyClassifier(strategy="prior")
    else:
        classes, y = None, folds.y
        estimator = DummyRegressor()
    estimator.fit(X, y, sample_weight=folds.sample_weight)
    model = FittedModel(encoder, estimator, classes, task.n_outputs)
    prediction = model.predict(folds.table)
    score = folds.score(prediction if task.is_classification else prediction.ravel())
    return Member(FLOOR, "floor", {}, 1.0, score, [model])


def _finish(storage, folds, floor, budget, settings, workers) -> Trained:
    numbers = storage.usable()
    if not numbers:
        records = _records(storage, {})
        ensemble = FittedEnsemble([floor])
        model = floor.models[0]
        return Trained(ensemble, model, floor.score, floor.score, records, {})
    usable = [storage.evaluations[n] for n in numbers]
    with budget.stage("ensemble"):
        weights, best_score, expected = _select(usable, folds, budget, settings)
    with budget.stage("refit"):
        members, best_model = _fitted_members(
            dict(zip(numbers, usable, strict=True)),
            dict(zip(numbers, weights, strict=True)),
            folds,
            budget,
            settings,
            workers,
        )
    records = _records(storage, dict(zip(numbers, weights, strict=True)))
    ensemble = FittedEnsemble(members)
    return Trained(ensemble, best_model, best_score, expected, records, {})


def _select(usable, folds, budget, settings):
    """Return the weights, the ensemble's score and its honest score."""
    left = budget.seconds_left
    size, seed = settings.ensemble_size, settings.search.seed
    half = None if math.isinf(left) else time.monotonic() + 0.35 * left
    weights = select_weights(usable, folds, size=size, deadline=half, random_state=seed)
    best_score = folds.score(mixture(usable, weights))
    most = None if math.isinf(left) else time.monotonic() + 0.35 * left
    honest = expected_score(usable, folds, size=size, deadline=most, random_state=seed)
    return weights, best_score, honest


def _fitted_members(usable, weights, folds, budget, settings, workers):
    """Return the members with their models, and the best single model.

    Members are refitted on all rows in the order of their weights, while the time
    left allows for it; the others keep the models of their folds.
    """
    order = sorted(weights, key=lambda number: -weights[number])
    order = [number for number in order if weights[number] > 0]
    best = max(usable, key=lambda number: usable[number].score)
    wanted = order if settings.refit else []
    refitted = _refit([*wanted, best], usable, folds, budget, workers)
    workers.dismiss()
    members = []
    for number in order:
        evaluation = usable[number]
        models = (
            [refitted[number]]
            if number in refitted and number in wanted
            else load_models(evaluation.models)
        )
        members.append(_member(number, evaluation, float(weights[number]), models))
    if best in refitted:
        return members, refitted[best]
    return members, load_models(usable[best].models)[0]


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


def _refit(numbers, usable, folds, budget, workers) -> dict[int, FittedModel]:
    """Refit what the time left allows for, in the order given."""
    chosen, needed = [], 0.0
    left = 0.8 * budget.seconds_left
    for number in dict.fromkeys(numbers):
        needed += 1.3 * usable[number].seconds / len(folds)
        if needed / workers.n_jobs < left:
            chosen.append(number)
        else:
            needed -= 1.3 * usable[number].seconds / len(folds)
    ends_at = None
    if budget.seconds is not None:
        ends_at = time.time() + budget.seconds_left - 0.2 - 0.01 * budget.seconds
    arguments = [
        (usable[n].candidate, _n_iterations(usable[n]), ends_at) for n in chosen
    ]
    ends_at = None if ends_at is None else ends_at + 0.1
    models = workers.map(_refit_one, arguments, ends_at) if chosen else []
    return {n: m for n, m in zip(chosen, models, strict=True) if m is not None}


def _refit_one(folds: Folds, argument) -> FittedModel | None:
    """Return the model of all rows; None, and the models of the folds stay."""
    candidate, n_iterations, ends_at = argument
    deadline = None
    if ends_at is not None:
        deadline = time.monotonic() + ends_at - time.time()
    try:
        return fit_candidate(
            candidate, folds, n_iterations=n_iterations, deadline=deadline
        )
    except Exception:  # noqa: BLE001  the deadline, or what went well on fewer rows
        return None


def _n_iterations(evaluation: Evaluation) -> int | None:
    steps = [n for n in evaluation.n_iterations if n]
    return round(float(np.mean(steps))) if steps else None


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


def _warn(trained: Trained, interrupted: bool, budget: Budget) -> None:
    if interrupted:
        _say(
            "The search was interrupted; the estimator is fitted with the best so far."
        )
    if any(member.number != FLOOR for member in trained.ensemble.members):
        return
    errors = [record.error for record in trained.records if record.error]
    if errors:
        cause = f"The first trial that failed says: {errors[0]}"
    elif interrupted:
        cause = "No trial had ended."
    else:
        cause = f"No trial ended in time (time_budget={budget.seconds})."
    _say(f"Nothing but the floor model could be fitted. {cause}")


def _say(message: str) -> None:
    warnings.warn(message, FitWarning, stacklevel=4)
