"""The search: ask for a candidate, have it evaluated, tell the result."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from automodel.evaluation import Candidate, Evaluation
from automodel.families.base import ModelFamily
from automodel.folds import Folds
from automodel.search.allocation import FamilyState, choose_family, has_converged
from automodel.search.budget import Budget
from automodel.search.pruning import ForgivingPruner, Snapshot
from automodel.search.storage import SearchStorage
from automodel.search.workers import Evaluations, Workers, WorkItem

ROUND_SIZE = 4
TRIAL_SHARE = 0.3  # of the time left, for one trial
MIN_TRIAL_SECONDS = 0.5
MAX_DUPLICATES = 3
N_REFITS = 5  # members of a usual ensemble
REFIT_FACTOR = 1.3  # a model of all rows against one of a fold
MOST_FOR_REFIT = 0.2  # of the time budget
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


@dataclass
class SearchSettings:
    """What the user may change about a search."""

    sampler: Any = None
    pruner: optuna.pruners.BasePruner | None = None
    callbacks: Sequence[Callable] = ()
    seed: int = 0


@dataclass
class _FamilySearch:
    """One family's study, and what its trials came to."""

    family: ModelFamily
    study: optuna.Study
    seen: set[str] = field(default_factory=set)
    n_asked: int = 0
    n_failed: int = 0
    n_duplicates: int = 0
    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def state(self, predicted_seconds: float) -> FamilyState:
        return FamilyState(
            self.family.name,
            self.family.rank,
            self.n_asked,
            len(self.scores),
            self.n_failed,
            max(self.scores, default=-math.inf),
            predicted_seconds,
            self.family.start_seconds,
        )


class Search:
    """Chooses candidates and keeps their results; runs no model itself.

    Parameters
    ----------
    families : sequence of ModelFamily
        Families that are installed and support the task.
    folds : Folds
        Data and splits.
    budget : Budget
        Seconds and trials of the whole fit.
    storage : SearchStorage
        Takes the evaluations.
    settings : SearchSettings
        Sampler, pruner, callbacks, seed.
    n_jobs : int, default=1
        Workers that will share the refits.
    """

    def __init__(
        self,
        families: Sequence[ModelFamily],
        folds: Folds,
        budget: Budget,
        storage: SearchStorage,
        settings: SearchSettings,
        n_jobs: int = 1,
    ):
        self.folds = folds
        self.budget = budget
        self.storage = storage
        self.settings = settings
        self.n_jobs = n_jobs
        self.pruner = settings.pruner or ForgivingPruner()
        self._families = {f.name: self._open(f) for f in families}
        self._pending: dict[int, tuple[_FamilySearch, optuna.Trial]] = {}
        self._lock = threading.Lock()
        self._n_asked = 0
        self._scores: list[float] = []
        self._best: Evaluation | None = None

    @property
    def studies(self) -> dict[str, optuna.Study]:
        """The study of each family."""
        return {name: own.study for name, own in self._families.items()}

    def run(self, workers: Workers) -> None:
        """Search until the budget is spent or nothing improves.

        With a time budget trials are asked for one by one, as workers are free.
        Without one they are asked for in rounds of a fixed size, so that the result
        depends neither on the clock nor on the number of workers.
        """
        if self.budget.seconds is not None:
            self._tell_all(workers.run(self._asked()))
            return
        while items := list(self._asked(ROUND_SIZE)):
            self._tell_all(workers.run(items))

    def _tell_all(self, evaluations: Evaluations) -> None:
        with closing(evaluations):
            for item, evaluation in evaluations:
                self.tell(item.number, evaluation)

    def _asked(self, n_items: int | None = None) -> Iterator[WorkItem]:
        while n_items is None or n_items > 0:
            item = self.ask()
            if item is None:
                return
            n_items = None if n_items is None else n_items - 1
            yield item

    def ask(self) -> WorkItem | None:
        """Return the next trial, or None when the search is over."""
        with self._lock:
            while not self._is_over():
                name = choose_family(self._states(), self._seconds_left())
                if name is None:
                    return None
                item = self._ask_family(self._families[name])
                if item is not None:
                    return item
        return None

    def tell(self, number: int, evaluation: Evaluation) -> None:
        """Take the result of a trial."""
        with self._lock:
            own, trial = self._pending.pop(number)
            self._scores.append(evaluation.score)
            own.seconds.append(evaluation.seconds)
            own.n_failed += evaluation.status == "failed"
            if evaluation.status == "complete":
                own.scores.append(evaluation.score)
                if self._best is None or evaluation.score > self._best.score:
                    self._best = evaluation
            self.storage.add(number, evaluation)
            frozen = _tell_study(own, trial, number, evaluation)
        for callback in self.settings.callbacks:
            callback(own.study, frozen)

    def _is_over(self) -> bool:
        if self.budget.n_trials is not None:
            if self._n_asked >= self.budget.n_trials:
                return True
        elif self._best is not None and self._has_converged(self._best):
            return True
        return self._seconds_left() <= 0 or all(
            own.n_duplicates >= MAX_DUPLICATES for own in self._families.values()
        )

    def _has_converged(self, best: Evaluation) -> bool:
        scores = np.array(best.fold_scores, dtype=float)
        scores = scores[np.isfinite(scores)]
        noise = scores.std() / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
        n_rows = self.folds.task.n_samples
        return has_converged(self._scores, noise, n_rows, len(self._families))

    def _ask_family(self, own: _FamilySearch) -> WorkItem | None:
        seed = _seed_of(self.settings.seed, self._n_asked)
        own.study.sampler = self._sampler(own, seed)
        trial = own.study.ask()
        params, error = _suggest(own.family, trial, self.folds.task)
        key = repr(sorted(params.items()))
        if error is None and key in own.seen:
            own.study.tell(trial, state=TrialState.FAIL)
            own.n_duplicates += 1
            return None
        number = self._n_asked
        own.seen.add(key)
        own.n_duplicates = 0
        own.n_asked += 1
        self._n_asked += 1
        self._pending[number] = (own, trial)
        candidate = Candidate(own.family, params, seed)
        if error is not None:
            self._tell_failed(number, candidate, error)
            return None
        return self._item(number, candidate, own)

    def _tell_failed(self, number: int, candidate: Candidate, error: str) -> None:
        own, trial = self._pending.pop(number)
        evaluation = Evaluation(candidate, "failed", error=error)
        own.n_failed += 1
        self._scores.append(math.nan)
        self.storage.add(number, evaluation)
        _tell_study(own, trial, number, evaluation)

    def _item(self, number: int, candidate: Candidate, own) -> WorkItem:
        ended = own.study.get_trials(
            states=(TrialState.COMPLETE, TrialState.PRUNED), deepcopy=True
        )
        left = self._seconds_left()
        if math.isinf(left):
            return WorkItem(
                number, candidate, should_prune=Snapshot(self.pruner, ended)
            )
        limit = max(TRIAL_SHARE * left, MIN_TRIAL_SECONDS)
        return WorkItem(
            number,
            candidate,
            ends_at=time.time() + left,
            time_limit=limit,
            should_prune=Snapshot(self.pruner, ended),
        )

    def _states(self) -> list[FamilyState]:
        active = [
            own for own in self._families.values() if own.n_duplicates < MAX_DUPLICATES
        ]
        return [own.state(self._predict_seconds(own)) for own in active]

    def _predict_seconds(self, own: _FamilySearch) -> float:
        """Predict the next trial of a family from its own trials or its cost.

        Without a time budget the cost alone is used: no decision reads the clock.
        """
        if self.budget.seconds is not None and own.seconds:
            if own.scores:
                return float(np.mean(own.seconds))
            return 2 * max(own.seconds)  # none ended yet: more time than those had
        work = own.family.cost({}, self.folds.task)
        if self.budget.seconds is None:
            return work
        ratios = [
            np.mean(other.seconds) / other.family.cost({}, self.folds.task)
            for other in self._families.values()
            if other.seconds
        ]
        known = [ratio for ratio in ratios if math.isfinite(ratio)]
        return work * float(np.median(known)) if known else math.nan

    def _seconds_left(self) -> float:
        return self.budget.seconds_left - self._reserve()

    def _reserve(self) -> float:
        """Return the seconds that the ensemble and its refits will need."""
        if self.budget.seconds is None:
            return 0.0
        chosen = [self.storage.evaluations[n] for n in self.storage.usable()]
        per_fold = [e.seconds / len(self.folds) for e in chosen[:N_REFITS]]
        refit = REFIT_FACTOR * sum(per_fold) / self.n_jobs
        fixed = min(max(0.06 * self.budget.seconds, 0.3), 4.0)
        return fixed + min(refit, MOST_FOR_REFIT * self.budget.seconds)

    def _open(self, family: ModelFamily) -> _FamilySearch:
        study = optuna.create_study(
            study_name=family.name, direction="maximize", pruner=self.pruner
        )
        for params in family.portfolio(self.folds.task):
            study.enqueue_trial(params)
        return _FamilySearch(family, study)

    def _sampler(self, own: _FamilySearch, seed: int) -> optuna.samplers.BaseSampler:
        """Return a fresh sampler, so that a resumed search repeats no draw."""
        given = self.settings.sampler
        if given is None:
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=5, multivariate=True, constant_liar=True
            )
        if isinstance(given, optuna.samplers.BaseSampler):
            return own.study.sampler if own.n_asked else copy.deepcopy(given)
        return given(seed)


def _tell_study(own, trial, number, evaluation) -> optuna.trial.FrozenTrial:
    for step, value in evaluation.reports.items():
        trial.report(value, step)
    trial.set_user_attr("number", number)
    trial.set_user_attr("family", own.family.name)
    trial.set_user_attr("status", evaluation.status)
    trial.set_user_attr("seconds", evaluation.seconds)
    trial.set_user_attr("error", evaluation.error)
    trial.set_user_attr("fold_scores", evaluation.fold_scores)
    trial.set_user_attr("n_iterations", evaluation.n_iterations)
    if evaluation.status == "complete":
        return own.study.tell(trial, evaluation.score)
    state = STATES.get(evaluation.status, TrialState.FAIL)
    return own.study.tell(trial, state=state)


def _suggest(family, trial, task) -> tuple[dict[str, Any], str | None]:
    try:
        return family.search_space(trial, task), None
    except Exception as error:  # noqa: BLE001  part of the trial, kept on it
        return {}, f"{type(error).__name__}: {error}"


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
