"""The search: ask for a candidate, have it evaluated, tell the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    choose_family,
    has_converged,
    noise_of,
)
from automodel.search.budget import Budget
from automodel.search.pruning import ForgivingPruner, Snapshot
from automodel.search.shared_trials import ROUND_SIZE, SharedTrials
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy, RunningTrial
from automodel.search.workers.base import Evaluations, Workers, WorkItem

MIN_TRIAL_SECONDS = 0.5
N_REFITS = 5  # members of a usual ensemble
REFIT_FACTOR = 1.3  # a model of all rows against one of a fold
MOST_FOR_REFIT = 0.2  # of the time budget
# The same where each trial may take most of the time. Such models learn from one split,
# and gain more from the other rows than from another trial.
MOST_FOR_LONG_REFIT = 0.55
LONG_SHARE = 0.5


@dataclass
class SearchSettings:
    """The settings of a search that the user may change."""

    sampler: Any = None
    pruner: optuna.pruners.BasePruner | None = None
    callbacks: Sequence[Callable] = ()
    seed: int = 0


class Search:
    """Chooses candidates and keeps their results; workers evaluate them.

    Parameters
    ----------
    families : sequence of ModelFamily
        Families that are installed and support the task.
    folds : Folds
        Data and splits.
    budget : Budget
        Seconds and trials of the whole fit.
    storage : SearchStorage
        Keeps the evaluations.
    workers : Workers
        Where trials run.
    settings : SearchSettings
        Sampler, pruner, callbacks, seed.
    """

    def __init__(
        self,
        families: Sequence[ModelFamily],
        folds: Folds,
        budget: Budget,
        storage: SearchStorage,
        workers: Workers,
        settings: SearchSettings,
    ):
        self.folds = folds
        self.budget = budget
        self.storage = storage
        self.workers = workers
        self.pruner = settings.pruner or ForgivingPruner()
        self._families = {
            f.name: FamilyStudy(f, folds.task, settings.sampler, self.pruner)
            for f in families
        }
        self._trials = SharedTrials(
            self._families,
            storage,
            budget,
            settings.seed,
            lambda: self._deadline().seconds_left,
            settings.callbacks,
        )
        self._has_begun = False

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

    def run(self) -> None:
        """Search until the budget is spent, nothing improves, or a callback stops it.

        With a time budget, trials are asked for one by one, whenever a worker is free.
        Without one, they are asked for in rounds of a fixed size. Then the result
        depends neither on the clock, nor on the number of workers, nor on where an
        earlier process was killed.
        """
        if self.budget.seconds is not None:
            self._tell_all(self.workers.run(self._started(iter(self.ask, None))))
            self._trials.read_news()
        else:
            while items := self.ask_round():
                goes_on = (item for item in items if not self._trials.is_stopped)
                self._tell_all(self.workers.run(self._started(goes_on)))
                self._trials.take_in(items[0].number // ROUND_SIZE)
        self._trials.take_in()

    def ask(self) -> WorkItem | None:
        """Return the next trial, or None when the search is over."""
        self._trials.sync_if_due()
        if self._trials.is_over:
            return None
        lost = self._trials.next_lost()
        return self._ask() if lost is None else self._item(lost, is_rerun=True)

    def ask_round(self) -> list[WorkItem]:
        """Return the trials of the next round, or those that the last one lacks."""
        self._trials.sync_surely()
        if self._trials.is_stopped:
            return []
        last = self._trials.n_asked // ROUND_SIZE
        lost = self._trials.next_lost_round()
        items = [self._item(trial, is_rerun=True) for trial in lost]
        is_last = not lost or lost[0].number // ROUND_SIZE == last
        end = (last + 1) * ROUND_SIZE
        while is_last and (item := self._ask(end)) is not None:
            items.append(item)
        has_failed = not items and self._trials.n_asked >= end  # before it ran
        return self.ask_round() if has_failed else items

    def tell(self, item: WorkItem, evaluation: Evaluation) -> None:
        """Take the result of a trial."""
        self._trials.tell(item.number, evaluation, item.time_limit)

    def _started(self, items: Iterable[WorkItem]) -> Iterator[WorkItem]:
        """Yield items when a worker is free for them, and note the moment."""
        for item in items:
            self._trials.start(item.number)
            yield item

    def _tell_all(self, evaluations: Evaluations) -> None:
        with closing(evaluations):
            for item, evaluation in evaluations:
                self.tell(item, evaluation)

    def _ask(self, end: float = math.inf) -> WorkItem | None:
        while not self._trials.is_over and self._trials.n_asked < end:
            name = None if self._has_all() else self._choose()
            families = self._families
            chosen = families.values() if name is None else [families[name]]
            limit = TRIAL_SHARE * self._deadline().seconds_left
            again = self._trials.again(chosen, limit)
            if again is not None:
                return self._item(again, is_rerun=True)
            if name is None:
                return None
            trial = self._trials.ask(families[name])
            if trial is None:
                continue
            if trial.is_of_sampler and not self._has_begun:
                raise RuntimeError(f"The 'sampler' has failed. {trial.error}")
            if self._trials.begin(trial):
                return self._item(trial)
        return None

    def _item(self, trial: RunningTrial, is_rerun: bool = False) -> WorkItem:
        deadline = self._deadline()
        self._has_begun = True
        share = trial.study.family.most_share
        limit = max(share * deadline.seconds_left, MIN_TRIAL_SECONDS)
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
            return self._trials.n_asked >= self.budget.n_trials
        best = self._trials.best
        if best is None:
            return False
        noise, n_rows = noise_of(best.fold_scores), self.folds.task.n_samples
        return has_converged(self._trials.scores, noise, n_rows, len(self._families))

    def _choose(self) -> str | None:
        """Return the family of the next trial, None if no family has time for one.

        With a time budget, families for which a worker is ready come first.
        """
        active = [own for own in self._families.values() if not own.is_exhausted]
        states = [own.state(self._predict_seconds(own)) for own in active]
        left = self._deadline().seconds_left
        if self.budget.seconds is not None:
            accepts = self.workers.accepts
            able = [s for s in states if accepts(self._families[s.name].family)]
            name = choose_family(able, left) if able else None
            if name is not None:
                return name
        return choose_family(states, left)

    def _predict_seconds(self, own: FamilyStudy) -> float:
        """Predict the time of the next trial of a family from its trials or its cost.

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

    def _deadline(self) -> Deadline:
        """Return the end of the search, which leaves time for the ensemble."""
        if self.budget.seconds is None:
            return self.budget.deadline
        fixed = min(max(0.06 * self.budget.seconds, 0.35), 4.0)
        return self.budget.deadline.later(-fixed - self._seconds_of_refits())

    def _seconds_of_refits(self) -> float:
        """Return the seconds of the budget that are kept for refits."""
        budget = self.budget.seconds or 0.0
        families = [own.family for own in self._families.values()]
        is_long = min((f.most_share for f in families), default=0.0) > LONG_SHARE
        most = (MOST_FOR_LONG_REFIT if is_long else MOST_FOR_REFIT) * budget
        chosen = [self.storage.evaluations[n] for n in self.storage.usable()]
        if is_long and not chosen:  # else the first trials would leave no time
            costs = (own.cost_of_next for own in self._families.values())
            return most if min(costs) <= budget - most else 0.0
        per_fold = [e.seconds / len(self.folds) for e in chosen[:N_REFITS]]
        short = [seconds for seconds in per_fold if seconds <= most]  # others never fit
        return min(REFIT_FACTOR * sum(short) / self.workers.n_jobs, most)
