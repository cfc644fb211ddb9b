"""Train an ensemble: fit the baseline, search, and assemble the best models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from automodel.containment import contained
from automodel.ensemble.blend import Member
from automodel.ensemble.selection import max_candidates
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.exceptions import FitWarning
from automodel.families.base import ModelFamily
from automodel.metrics.scorers import score_or_nan
from automodel.search.budget import Budget
from automodel.search.search import Search, SearchSettings
from automodel.search.storage.archive import Archive
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from automodel.search.workers.open import open_workers
from automodel.training.allowance import ModelLimits
from automodel.training.assembly import Assembly, Trained

BASELINE = -1  # the number of the baseline model, which is no trial
INTERRUPTED = (
    "The search was interrupted; the estimator is fitted with the best so far."
)
NO_LIMIT = "memory_limit is not enforced under this joblib backend."
INTERRUPT_SECONDS = 0.6  # for the ensemble, after Ctrl-C


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a fit that the user may change, without data and budget.

    `open_workers` returns the workers that run trials, as the function of that name.
    """

    search: SearchSettings
    n_jobs: int | None = None
    memory_limit: int | None = None
    ensemble_size: int = 25
    refit: bool | str = "auto"
    archive: Archive | None = None
    limits: ModelLimits = ModelLimits()
    open_workers: Callable[..., Workers] = open_workers


class NoColumns(TransformerMixin, BaseEstimator):
    """Encode each row as the same constant, for the baseline."""

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

    Warns with `FitWarning` if only the baseline could be fitted, if the storage failed,
    or after Ctrl-C. In this case the ensemble is made at once, without refits.
    """
    storage = SearchStorage(
        max_candidates(len(folds.y)), settings.archive, budget.clock
    )
    notes: list[str] = []
    made: list[Trained] = []  # not lost if an interrupt comes while tidying up
    names = [family.name for family in families]
    with contained():
        workers = settings.open_workers(
            settings.n_jobs, folds, settings.memory_limit, storage.model_folder
        )
        search = Search(families, folds, budget, storage, workers, settings.search)
        try:
            with storage.opened(names, budget, folds.metric.name):
                _search_and_assemble(search, settings, notes, made)
        except KeyboardInterrupt:
            if not made:
                raise
            notes.append(INTERRUPTED)
    trained = made[-1]
    trained.studies = search.trials()
    trained.params = {n: e.candidate.params for n, e in storage.evaluations.items()}
    said = filter(None, (*notes, *trained.notes, storage.problem))
    for note in dict.fromkeys(said):  # Ctrl-C may have come twice
        _say(note)
    if all(member.number == BASELINE for member in trained.ensemble.members):
        _say(_why_baseline(trained, INTERRUPTED in notes, budget))
    return trained


def _search_and_assemble(
    search: Search, settings: TrainingSettings, notes: list[str], made: list[Trained]
) -> None:
    """Put the result in `made` before workers are ended and files are removed."""
    budget, storage, workers = search.budget, search.storage, search.workers
    with budget.stage("baseline"):
        baseline = fit_baseline(search.folds)
    size, refit = settings.ensemble_size, settings.refit
    seed, limits = settings.search.seed, settings.limits
    assembly = Assembly(search.folds, baseline, budget, size, refit, seed, limits)
    with ExitStack() as stack:  # files of models have to outlive an interrupt
        try:
            stack.enter_context(workers)
            storage.set_isolated(workers.are_isolated)
            if settings.memory_limit != workers.memory_limit:
                notes.append(NO_LIMIT)
            with budget.stage("search"):
                search.run()
            made.append(assembly.run(storage, workers))
        except KeyboardInterrupt:
            notes.append(INTERRUPTED)
            budget.end_within(INTERRUPT_SECONDS)
            made.append(assembly.run(storage, None))
        made[-1].baseline_score = baseline.score
        notes.append(workers.problem)


def fit_baseline(folds: Folds) -> Member:
    """Fit the model that always predicts the same value, or the shares of classes."""
    encoder, target = NoColumns(), folds.target
    columns, y = target.local(folds.y)
    weight = folds.training_weight_of(slice(None))
    X = encoder.transform(folds.rows)
    estimator = target.baseline().fit(X, y, sample_weight=weight)
    model = FittedModel(encoder, estimator, target, columns)
    score = score_or_nan(folds.score, target.predict(estimator, X, columns))
    return Member(BASELINE, "baseline", {}, 1.0, score, [model])


def _why_baseline(trained: Trained, is_interrupted: bool, budget: Budget) -> str:
    trials = sum(trained.studies.values(), [])
    said = [(t.user_attrs["number"], t.user_attrs["error"]) for t in trials]
    errors = [error for _, error in sorted(said) if error]
    if errors:
        cause = f"The first failed trial says: {errors[0]}"
    elif trained.notes:
        cause = "No models could be loaded."
    elif is_interrupted:
        cause = "No trial had ended."
    else:
        cause = f"No trial ended in time (time_budget={budget.seconds})."
    return f"Only the baseline model could be fitted. {cause}"


def _say(message: str) -> None:
    warnings.warn(message, FitWarning, stacklevel=6)
