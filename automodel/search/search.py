"""The search: ask for a candidate, have it evaluated, tell the result."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from automodel.evaluation import Candidate, Evaluation
from automodel.families.base import ModelFamily
from automodel.folds import Folds
from automodel.search.allocation import (
    TRIAL_SHARE,
    FamilyState,
    choose_family,
    has_converged,
)
from automodel.search.budget import Budget
from automodel.search.pruning import ForgivingPruner, Snapshot
from automodel.search.storage import SearchStorage
from automodel.search.study import FamilyStudy, Setting, evaluation_of
from automodel.search.workers import Evaluations, Workers, WorkItem

ROUND_SIZE = 4
MIN_TRIAL_SECONDS = 0.5
SYNC_SECONDS = 2.0  # between two looks at what other processes have done
DIED_TWICE = "the process that ran it died, twice"
N_REFITS = 5  # members of a usual ensemble
REFIT_FACTOR = 1.3  # a model of all rows against one of a fold
MOST_FOR_REFIT = 0.2  # of the time budget

Running = tuple[FamilyStudy, Setting]


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
        self._pending: dict[int, Running] = {}
        # Of other processes, also dead ones; what ended there and is not booked yet;
        # and what they have lost, to be run here.
        self._running_elsewhere: dict[int, Running] = {}
        self._unread: dict[int, FrozenTrial] = {}
        self._to_rerun: deque[int] = deque()
        self._lock = threading.Lock()  # joblib asks from a thread of its own
        self._workers = Workers(1, folds)
        self._n_asked = 0
        self._scores: list[float] = []
        self._best: Evaluation | None = None
        self._next_sync = 0.0

    def trials(self) -> dict[str, list[FrozenTrial]]:
        """Return the trials of each family, without those that were not run."""
        return {
            name: [t for t in own.study.get_trials() if "number" in t.user_attrs]
            for name, own in self._families.items()
        }

    def run(self, workers: Workers) -> None:
        """Search until the budget is spent or nothing improves.

        With a time budget trials are asked for one by one, as workers are free.
        Without one they are asked for in rounds of a fixed size, so that the result
        depends neither on the clock nor on the number of workers, nor on where an
        earlier process was killed.
        """
        self._workers = workers
        if self.budget.seconds is not None:
            self._tell_all(workers.run(self._stream()))
            self._sync()
            return
        while items := self._round():
            self._tell_all(workers.run(items))
            self._take_ended(items[0].number // ROUND_SIZE)
        self._take_ended()

    def _tell_all(self, evaluations: Evaluations) -> None:
        with closing(evaluations):
            for item, evaluation in evaluations:
                self.tell(item.number, evaluation)

    def _stream(self) -> Iterator[WorkItem]:
        while (item := self.ask()) is not None:
            yield item

    def _round(self) -> list[WorkItem]:
        """Return the trials of the next round, or what is missing of the last."""
        self._sync()
        while self._may_lose_some() and not self._to_rerun:
            time.sleep(SYNC_SECONDS / 4)
            self._sync()
        last = self._n_asked // ROUND_SIZE
        current = min(self._to_rerun, default=self._n_asked) // ROUND_SIZE
        numbers = [n for n in self._to_rerun if n // ROUND_SIZE == current]
        self._to_rerun = deque(n for n in self._to_rerun if n not in numbers)
        items = [self._item(number, is_rerun=True) for number in numbers]
        while current == last and self._n_asked // ROUND_SIZE == last:
            item = self._ask()
            if item is None:
                break
            items.append(item)
        return items

    def ask(self) -> WorkItem | None:
        """Return the next trial, or None when the search is over."""
        with self._lock:
            if time.monotonic() >= self._next_sync:
                self._sync()
            if self._to_rerun and self._seconds_left() > 0:
                return self._item(self._to_rerun.popleft(), is_rerun=True)
            return self._ask()

    def tell(self, number: int, evaluation: Evaluation) -> None:
        """Take the result of a trial."""
        with self._lock:
            own, setting = self._pending.pop(number)
            frozen = own.tell(number, setting, evaluation)
            self.storage.add(number, evaluation, frozen)
            self._count(evaluation)
        for callback in self.settings.callbacks:
            callback(own.study, frozen)

    def _count(self, evaluation: Evaluation) -> None:
        self._scores.append(evaluation.score)
        if evaluation.status != "complete":
            return
        if self._best is None or evaluation.score > self._best.score:
            self._best = evaluation

    def _sync(self) -> None:
        """Learn what other processes have done, and take over what they lost."""
        self._next_sync = time.monotonic() + SYNC_SECONDS
        self._read_news()
        lost = self.storage.take_lost(self._running_elsewhere.keys() - self._unread)
        if lost:
            self._read_news()  # of what ended just before its process did
        for number, is_harmful in lost:
            if number in self._unread:
                self.storage.give_back(number)
                continue
            self._pending[number] = self._running_elsewhere.pop(number)
            setting = self._pending[number][1]
            if is_harmful or setting.error:
                self._fail(number, setting.error or DIED_TWICE)
            else:
                self._to_rerun.append(number)
        self._take_ended(self._last_whole_round())

    def _read_news(self) -> None:
        asked, ended = self.storage.news()
        for number, family, trial in asked:
            self._n_asked = number + 1
            if family in self._families:
                own = self._families[family]
                self._running_elsewhere[number] = own, own.add(trial)
        for _, trial in ended:
            self._unread.setdefault(trial.user_attrs["number"], trial)

    def _may_lose_some(self) -> bool:
        """Tell whether all was asked for, and some of it is perhaps lost elsewhere."""
        n_trials = self.budget.n_trials
        if n_trials is None or self._n_asked < n_trials:
            return False
        return self.storage.is_unsure(self._running_elsewhere.keys() - self._unread)

    def _last_whole_round(self) -> float:
        """Return the last round before which all has ended; with a clock, all count."""
        if self.budget.seconds is not None:
            return math.inf
        running = self._running_elsewhere.keys() - self._unread.keys()
        first = min(running | self._pending.keys(), default=self._n_asked)
        return first // ROUND_SIZE - 1

    def _take_ended(self, last_round: float = math.inf) -> None:
        """Book what ended elsewhere, up to a round."""
        for number in sorted(self._unread):
            if number // ROUND_SIZE > last_round:
                continue
            trial = self._unread.pop(number)
            if number not in self._running_elsewhere:
                continue  # of this process, or of a family that it does not search
            own, setting = self._running_elsewhere.pop(number)
            evaluation = evaluation_of(trial, self._candidate(number, own, setting))
            if setting.error:  # its space has changed: it cannot be made again
                evaluation.status, evaluation.error = "failed", setting.error
            own.tell(number, setting, evaluation)
            self.storage.restore(number, evaluation, trial)
            self._count(evaluation)

    def _is_over(self) -> bool:
        if self.budget.n_trials is not None:
            if self._n_asked >= self.budget.n_trials:
                return True
        elif self._best is not None and self._has_converged(self._best):
            return True
        return self._seconds_left() <= 0 or all(
            own.is_exhausted for own in self._families.values()
        )

    def _has_converged(self, best: Evaluation) -> bool:
        scores = np.array(best.fold_scores, dtype=float)
        scores = scores[np.isfinite(scores)]
        noise = scores.std() / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
        n_rows = self.folds.task.n_samples
        return has_converged(self._scores, noise, n_rows, len(self._families))

    def _ask(self) -> WorkItem | None:
        while not self._is_over():
            name = self._choose()
            if name is None:
                return None
            item = self._ask_family(self._families[name])
            if item is not None:
                return item
        return None

    def _choose(self) -> str | None:
        states, left = self._states(), self._seconds_left()
        if self.budget.seconds is not None:
            accepts = self._workers.accepts
            able = [s for s in states if accepts(self._families[s.name].family)]
            name = choose_family(able, left) if able else None
            if name is not None:
                return name
        return choose_family(states, left)

    def _ask_family(self, own: FamilyStudy) -> WorkItem | None:
        number = self._n_asked
        setting = own.ask(_seed_of(self.settings.seed, number))
        if setting is None:
            return None
        if not self.storage.claim(number, own.family.name, own.frozen(setting)):
            own.give_up(setting)
            self._sync()
            return None
        own.keep(setting)
        self._n_asked += 1
        self._pending[number] = own, setting
        if setting.error:
            self._fail(number, setting.error)
            return None
        return self._item(number)

    def _fail(self, number: int, error: str) -> None:
        own, setting = self._pending.pop(number)
        candidate = self._candidate(number, own, setting)
        evaluation = Evaluation(candidate, "failed", error=error)
        self.storage.add(number, evaluation, own.tell(number, setting, evaluation))
        self._count(evaluation)

    def _candidate(self, number: int, own: FamilyStudy, setting: Setting) -> Candidate:
        return Candidate(
            own.family, setting.params, _seed_of(self.settings.seed, number)
        )

    def _item(self, number: int, is_rerun: bool = False) -> WorkItem:
        own, setting = self._pending[number]
        candidate = self._candidate(number, own, setting)
        should_prune = Snapshot(self.pruner, own.compared())
        left = self._seconds_left()
        if math.isinf(left):
            return WorkItem(
                number, candidate, should_prune=should_prune, is_rerun=is_rerun
            )
        return WorkItem(
            number,
            candidate,
            ends_at=time.monotonic() + left,
            time_limit=max(TRIAL_SHARE * left, MIN_TRIAL_SECONDS),
            should_prune=should_prune,
            is_rerun=is_rerun,
        )

    def _states(self) -> list[FamilyState]:
        active = [own for own in self._families.values() if not own.is_exhausted]
        return [own.state(self._predict_seconds(own)) for own in active]

    def _predict_seconds(self, own: FamilyStudy) -> float:
        """Predict the next trial of a family from its own trials or its cost.

        Without a time budget the cost alone is used: no decision reads the clock.
        """
        if self.budget.seconds is not None and own.seconds:
            return own.seconds_of_next
        work = own.work_of_next
        if self.budget.seconds is None:
            return work
        paces = [np.mean(o.paces) for o in self._families.values() if o.paces]
        known = [pace for pace in paces if math.isfinite(pace)]
        return work * float(np.median(known)) if known else math.nan

    def _seconds_left(self) -> float:
        return self.budget.seconds_left - self._reserve()

    def _reserve(self) -> float:
        """Return the seconds that the ensemble and its refits will need."""
        if self.budget.seconds is None:
            return 0.0
        chosen = [self.storage.evaluations[n] for n in self.storage.usable()]
        per_fold = [e.seconds / len(self.folds) for e in chosen[:N_REFITS]]
        refit = REFIT_FACTOR * sum(per_fold) / self._workers.n_jobs
        fixed = min(max(0.06 * self.budget.seconds, 0.35), 4.0)
        return fixed + min(refit, MOST_FOR_REFIT * self.budget.seconds)


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
