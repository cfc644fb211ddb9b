"""The search: ask for a candidate, have it evaluated, tell the result."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.search.allocation import (
    TRIAL_SHARE,
    FamilyState,
    choose_family,
    has_converged,
)
from automodel.search.budget import Budget
from automodel.search.pruning import ForgivingPruner, Snapshot
from automodel.search.shared_trials import ROUND_SIZE, RunningTrial, SharedTrials
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy
from automodel.search.workers.base import Evaluations, Workers, WorkItem

MIN_TRIAL_SECONDS = 0.5
N_REFITS = 5  # members of a usual ensemble
REFIT_FACTOR = 1.3  # a model of all rows against one of a fold
MOST_FOR_REFIT = 0.2  # of the time budget


@dataclass
class SearchSettings:
    """What the user may change about a search."""

    sampler: Any = None
    pruner: optuna.pruners.BasePruner | None = None
    callbacks: Sequence[Callable] = ()
    seed: int = 0


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
    """

    def __init__(
        self,
        families: Sequence[ModelFamily],
        folds: Folds,
        budget: Budget,
        storage: SearchStorage,
        settings: SearchSettings,
    ):
        self.folds = folds
        self.budget = budget
        self.storage = storage
        self.settings = settings
        self.pruner = settings.pruner or ForgivingPruner()
        self._families = {
            f.name: FamilyStudy(f, folds.task, settings.sampler, self.pruner)
            for f in families
        }
        self._shared = SharedTrials(
            self._families, storage, budget, settings.seed, self._seconds_left
        )
        self._has_begun = False
        self._workers = Workers(1, folds)

    def trials(self) -> dict[str, list[FrozenTrial]]:
        """Return the trials of each family, without those that were not run.

        If a trial was stopped and ran again, its last run counts.
        """
        trials = {}
        for name, own in self._families.items():
            ended = own.study.get_trials(deepcopy=False)
            last = {
                t.user_attrs["number"]: t for t in ended if "number" in t.user_attrs
            }
            trials[name] = [last[number] for number in sorted(last)]
        return trials

    def run(self, workers: Workers) -> None:
        """Search until the budget is spent, nothing improves, or a callback stops it.

        With a time budget trials are asked for one by one, as workers are free.
        Without one they are asked for in rounds of a fixed size, so that the result
        depends neither on the clock nor on the number of workers, nor on where an
        earlier process was killed.
        """
        self._workers = workers
        if self.budget.seconds is not None:
            self._tell_all(workers.run(self._stream()))
            self._shared.read_news()
        else:
            while items := self.ask_round():
                self._tell_all(workers.run(self._until_stopped(items)))
                self._shared.take_in(items[0].number // ROUND_SIZE)
        self._shared.take_in()
        self._call_back()

    def ask(self) -> WorkItem | None:
        """Return the next trial, or None when the search is over."""
        self._shared.sync_if_due()
        if self._shared.is_over:
            return None
        lost = self._shared.next_lost()
        return self._ask() if lost is None else self._item(lost, is_rerun=True)

    def ask_round(self) -> list[WorkItem]:
        """Return the trials of the next round, or what is missing of the last."""
        self._shared.sync_surely()
        if self._shared.is_stopped:
            return []
        last = self._shared.n_asked // ROUND_SIZE
        lost = self._shared.next_lost_round()
        items = [self._item(trial, is_rerun=True) for trial in lost]
        is_last = not lost or lost[0].number // ROUND_SIZE == last
        end = (last + 1) * ROUND_SIZE
        while is_last and (item := self._ask(end)) is not None:
            items.append(item)
        has_failed = not items and self._shared.n_asked >= end  # before it ran
        return self.ask_round() if has_failed else items

    def tell(self, item: WorkItem, evaluation: Evaluation) -> None:
        """Take the result of a trial."""
        self._shared.book(item.number, evaluation, item.time_limit)
        self._call_back()

    def _stream(self) -> Iterator[WorkItem]:
        while (item := self.ask()) is not None:
            yield item

    def _until_stopped(self, items: list[WorkItem]) -> Iterator[WorkItem]:
        return itertools.takewhile(lambda _: not self._shared.is_stopped, items)

    def _tell_all(self, evaluations: Evaluations) -> None:
        with closing(evaluations):
            for item, evaluation in evaluations:
                self.tell(item, evaluation)

    def _call_back(self) -> None:
        """Call the callbacks for the trials that have been booked."""
        for own, frozen in self._shared.take_uncalled():
            if self.settings.callbacks:  # which may change the trial
                frozen = copy.deepcopy(frozen)
            for callback in self.settings.callbacks:
                callback(own.shown, frozen)

    def _ask(self, end: float = math.inf) -> WorkItem | None:
        while not self._shared.is_over and self._shared.n_asked < end:
            name = None if self._has_all() else self._choose()
            families = self._families
            chosen = families.values() if name is None else [families[name]]
            trial = self._shared.again(chosen, TRIAL_SHARE * self._seconds_left())
            if trial is not None:
                return self._item(trial, is_rerun=True)
            if name is None:
                return None
            trial = self._ask_family(families[name])
            if trial is not None:
                return self._item(trial)
        return None

    def _ask_family(self, own: FamilyStudy) -> RunningTrial | None:
        setting = own.ask(self._shared.seed_of(self._shared.n_asked))
        if setting is None:
            return None
        if setting.is_of_sampler and not self._has_begun:
            raise RuntimeError(f"The 'sampler' has failed. {setting.error}")
        return self._shared.begin(own, setting)

    def _item(self, trial: RunningTrial, is_rerun: bool = False) -> WorkItem:
        deadline = self._deadline()
        self._has_begun = True
        limit = max(TRIAL_SHARE * deadline.seconds_left, MIN_TRIAL_SECONDS)
        return WorkItem(
            trial.number,
            trial.candidate,
            deadline,
            time_limit=limit if deadline.exists else None,
            should_prune=Snapshot(self.pruner, trial.study.compared()),
            is_rerun=is_rerun,
        )

    def _has_all(self) -> bool:
        """Tell whether no new trial is wanted."""
        if self.budget.n_trials is not None:
            return self._shared.n_asked >= self.budget.n_trials
        return self._shared.best is not None and self._has_converged(self._shared.best)

    def _has_converged(self, best: Evaluation) -> bool:
        scores = np.array(best.fold_scores, dtype=float)
        scores = scores[np.isfinite(scores)]
        noise = scores.std() / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
        n_rows = self.folds.task.n_samples
        return has_converged(self._shared.scores, noise, n_rows, len(self._families))

    def _choose(self) -> str | None:
        states, left = self._states(), self._seconds_left()
        if self.budget.seconds is not None:
            accepts = self._workers.accepts
            able = [s for s in states if accepts(self._families[s.name].family)]
            name = choose_family(able, left) if able else None
            if name is not None:
                return name
        return choose_family(states, left)

    def _states(self) -> list[FamilyState]:
        active = [own for own in self._families.values() if not own.is_exhausted]
        return [own.state(self._predict_seconds(own)) for own in active]

    def _predict_seconds(self, own: FamilyStudy) -> float:
        """Predict the next trial of a family from its own trials or its cost.

        Without a time budget the cost alone is used: no decision reads the clock.
        """
        if self.budget.seconds is None:
            return own.cost_of_next
        if own.seconds:
            return own.seconds_of_next
        seconds_per_cost = [
            np.mean(o.seconds_per_cost)
            for o in self._families.values()
            if o.seconds_per_cost
        ]
        known = [seconds for seconds in seconds_per_cost if math.isfinite(seconds)]
        return own.cost_of_next * float(np.median(known)) if known else math.nan

    def _seconds_left(self) -> float:
        return self._deadline().seconds_left

    def _deadline(self) -> Deadline:
        """Return the end of the search, which leaves time for the ensemble."""
        if self.budget.seconds is None:
            return self.budget.deadline
        chosen = [self.storage.evaluations[n] for n in self.storage.usable()]
        per_fold = [e.seconds / len(self.folds) for e in chosen[:N_REFITS]]
        refit = REFIT_FACTOR * sum(per_fold) / self._workers.n_jobs
        fixed = min(max(0.06 * self.budget.seconds, 0.35), 4.0)
        refit = min(refit, MOST_FOR_REFIT * self.budget.seconds)
        return self.budget.deadline.later(-fixed - refit)
