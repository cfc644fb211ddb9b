"""The search: ask for a candidate, have it evaluated, tell the result."""

from __future__ import annotations

import copy
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
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
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy, Setting, evaluation_of
from automodel.search.workers.base import Evaluations, Workers, WorkItem

ROUND_SIZE = 4
MIN_TRIAL_SECONDS = 0.5
SYNC_SECONDS = 2.0  # between two looks at what other processes have done
MORE_TIME = 2.0  # times the limit that stopped a trial, for it to run again
UNSURE_SECONDS = 150.0  # after which another process has sent a heartbeat or is dead
BOOKED_AT_ONCE = 50  # trials, before the clock is looked at
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
        # Of other processes, also dead ones: what is not in the studies yet, and what
        # is; what ended there and is not booked yet; what they have lost, to be run
        # here; and what was stopped, with the limit that it had.
        self._asked: dict[int, tuple[FamilyStudy, FrozenTrial]] = {}
        self._running_elsewhere: dict[int, Running] = {}
        self._unread: dict[int, FrozenTrial] = {}
        self._to_rerun: deque[int] = deque()
        self._stopped: dict[int, tuple[FamilyStudy, Setting, float]] = {}
        self._uncalled: deque[tuple[FamilyStudy, FrozenTrial]] = deque()
        self._has_begun = False
        self._workers = Workers(1, folds)
        self._n_asked = 0
        self._scores: list[float] = []
        self._best: Evaluation | None = None
        self._next_sync = Deadline(-math.inf, budget.clock)

    def trials(self) -> dict[str, list[FrozenTrial]]:
        """Return the trials of each family, without those that were not run.

        Of one that was stopped and ran again, the last.
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
            self._read_news()
        else:
            while items := self._round():
                wanted = itertools.takewhile(lambda _: not self._is_stopped, items)
                self._tell_all(workers.run(wanted))
                self._take_in(items[0].number // ROUND_SIZE)
        self._take_in(math.inf)
        self._call_back()

    @property
    def _is_stopped(self) -> bool:
        return any(own.shown.is_stopped for own in self._families.values())

    @property
    def _is_over(self) -> bool:
        return self._is_stopped or self._seconds_left() <= 0

    def _tell_all(self, evaluations: Evaluations) -> None:
        with closing(evaluations):
            for item, evaluation in evaluations:
                self.tell(item, evaluation)

    def _stream(self) -> Iterator[WorkItem]:
        while (item := self.ask()) is not None:
            yield item

    def _round(self) -> list[WorkItem]:
        """Return the trials of the next round, or what is missing of the last."""
        self._sync()
        sure = Deadline.after(UNSURE_SECONDS, self.budget.clock)
        while self._may_lose_some() and not sure.is_over:
            self.budget.clock.wait(SYNC_SECONDS / 4)
            self._sync()
        if self._is_stopped:
            return []
        last = self._n_asked // ROUND_SIZE
        current = min(self._to_rerun, default=self._n_asked) // ROUND_SIZE
        numbers = [n for n in self._to_rerun if n // ROUND_SIZE == current]
        self._to_rerun = deque(n for n in self._to_rerun if n not in numbers)
        items = [self._item(number, is_rerun=True) for number in numbers]
        end = (last + 1) * ROUND_SIZE
        while current == last and (item := self._ask(end)) is not None:
            items.append(item)
        has_failed = not items and self._n_asked >= end  # before it ran, all of it
        return self._round() if has_failed else items

    def ask(self) -> WorkItem | None:
        """Return the next trial, or None when the search is over."""
        if self._next_sync.is_over:
            self._sync()
        if self._is_over:
            return None
        if self._to_rerun:
            return self._item(self._to_rerun.popleft(), is_rerun=True)
        return self._ask()

    def tell(self, item: WorkItem, evaluation: Evaluation) -> None:
        """Take the result of a trial."""
        self._book(item.number, evaluation, item.time_limit)
        self._call_back()

    def _book(
        self, number: int, evaluation: Evaluation, time_limit: float | None = None
    ) -> None:
        own, setting = self._pending.pop(number)
        frozen = own.tell(number, setting, evaluation)
        if evaluation.status == "stopped":
            frozen.set_user_attr("time_limit", time_limit or 0.0)
        self.storage.add(number, evaluation, frozen)
        self._count(evaluation)
        if self.settings.callbacks:  # which may change the trial
            self._uncalled.append((own, copy.deepcopy(frozen)))

    def _call_back(self) -> None:
        """Call the callbacks, once all is booked."""
        while self._uncalled:
            own, frozen = self._uncalled.popleft()
            for callback in self.settings.callbacks:
                callback(own.shown, frozen)

    def _count(self, evaluation: Evaluation) -> None:
        self._scores.append(evaluation.score)
        if evaluation.status != "complete":
            return
        if self._best is None or evaluation.score > self._best.score:
            self._best = evaluation

    def _sync(self) -> None:
        """Learn what other processes have done, and take over what they lost."""
        self._next_sync = Deadline.after(SYNC_SECONDS, self.budget.clock)
        self._read_news()
        elsewhere = self._asked.keys() | self._running_elsewhere.keys()
        running = set() if self._is_over else elsewhere - self._unread.keys()
        lost = self.storage.take_lost(running)
        if lost:
            self._read_news()  # of what ended just before its process did
        has_ended = {number for number, _ in lost if number in self._unread}
        self._take_in(self._last_whole_round())
        for number, is_harmful in lost:
            if number in has_ended or number not in self._running_elsewhere:
                self.storage.give_back(number)
            else:
                self._take_over(number, is_harmful)
        self._take_in(self._last_whole_round())

    def _read_news(self) -> None:
        asked, ended = self.storage.news()
        for number, family, trial in asked:
            self._n_asked = max(self._n_asked, number + 1)
            is_own = number in self._pending or number in self.storage.evaluations
            if family in self._families and not is_own:
                self._asked[number] = self._families[family], trial
        for _, trial in ended:
            self._unread.setdefault(trial.user_attrs["number"], trial)

    def _take_over(self, number: int, is_harmful: bool) -> None:
        """Run a trial that another process has lost, fail it, or put it off.

        What a limit has stopped waits for one that is much larger.
        """
        own, setting = self._pending[number] = self._running_elsewhere.pop(number)
        stop = self.storage.stop_of(number)
        if is_harmful or setting.error:
            self._fail(number, setting.error or DIED_TWICE)
        elif stop is None or self.budget.seconds is None:
            self._to_rerun.append(number)
        else:
            del self._pending[number]
            candidate = self._candidate(number, own, setting)
            evaluation = Evaluation(candidate, "stopped", seconds=stop["seconds"])
            own.tell(number, setting, evaluation)
            self.storage.evaluations[number] = evaluation
            self._count(evaluation)
            self._stopped[number] = own, setting, stop["time_limit"]

    def _may_lose_some(self) -> bool:
        """Tell whether all was asked for, and some of it is perhaps lost elsewhere."""
        n_trials = self.budget.n_trials or math.inf
        if self._n_asked < n_trials or self._to_rerun or self._is_over:
            return False
        return self.storage.is_unsure(self._running_elsewhere.keys() - self._unread)

    def _last_whole_round(self) -> float:
        """Return the last round before which all has ended; with a clock, all count."""
        if self.budget.seconds is not None:
            return math.inf
        elsewhere = self._asked.keys() | self._running_elsewhere.keys()
        running = elsewhere - self._unread.keys()
        first = min(running | self._pending.keys(), default=self._n_asked)
        return first // ROUND_SIZE - 1

    def _take_in(self, last_round: float) -> None:
        """Enter what others have asked for; book what ended, up to a round.

        In the order of a search in one part: round by round, and what could not be made
        is booked where it was asked for. Once time is up, only what may be part of the
        ensemble: many thousands of trials can be more than there is time for.
        """
        kept: set[str] | None = None
        events = [(n // ROUND_SIZE, False, n) for n in self._asked]
        events += [(n // ROUND_SIZE, True, n) for n in self._unread]
        for n, (of_round, is_end, number) in enumerate(sorted(events)):
            is_due = kept is None and n % BOOKED_AT_ONCE == BOOKED_AT_ONCE - 1
            if is_due and self._seconds_left() <= 0:
                kept = self.storage.kept()
            trial = self._unread.get(number)
            if kept is not None and (
                trial is None or trial.user_attrs.get("arrays") not in kept
            ):
                continue
            is_due = is_end and of_round <= last_round
            if not is_end:
                own, asked = self._asked.pop(number)
                setting = own.add(asked)
                self._running_elsewhere[number] = own, setting
                is_due = bool(setting.error)
            if is_due and trial is not None:
                self._restore(number, trial)

    def _restore(self, number: int, trial: FrozenTrial) -> None:
        del self._unread[number]
        if number not in self._running_elsewhere:  # it is of this process
            return
        own, setting = self._running_elsewhere.pop(number)
        evaluation = evaluation_of(trial, self._candidate(number, own, setting))
        if setting.error and evaluation.status != "failed":  # its space has changed
            evaluation.status, evaluation.error = "failed", setting.error
        own.restore(number, setting, evaluation, trial)
        self.storage.restore(number, evaluation, trial)
        self._count(evaluation)

    def _has_all(self) -> bool:
        """Tell whether no new trial is wanted."""
        if self.budget.n_trials is not None:
            return self._n_asked >= self.budget.n_trials
        return self._best is not None and self._has_converged(self._best)

    def _has_converged(self, best: Evaluation) -> bool:
        scores = np.array(best.fold_scores, dtype=float)
        scores = scores[np.isfinite(scores)]
        noise = scores.std() / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
        n_rows = self.folds.task.n_samples
        return has_converged(self._scores, noise, n_rows, len(self._families))

    def _ask(self, end: float = math.inf) -> WorkItem | None:
        while not self._is_over and self._n_asked < end:
            name = None if self._has_all() else self._choose()
            families = self._families
            chosen = families.values() if name is None else [families[name]]
            item = self._again(chosen)
            if item is None and name is not None:
                item = self._ask_family(families[name])
            if item is not None or name is None:
                return item
        return None

    def _again(self, families: Collection[FamilyStudy]) -> WorkItem | None:
        """Return a trial of these families that was stopped, if it has time now."""
        limit = TRIAL_SHARE * self._seconds_left()
        for number, (own, setting, had) in self._stopped.items():
            if own in families and limit >= MORE_TIME * had:
                del self._stopped[number]
                self._pending[number] = own, own.again(setting)
                return self._item(number, is_rerun=True)
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
        if setting.is_of_sampler and not self._has_begun:
            raise RuntimeError(f"The 'sampler' has failed. {setting.error}")
        if not self.storage.lease(number, own.family.name, own.frozen(setting)):
            own.give_up(setting)
            self._sync()
            self._n_asked = max(self._n_asked, number + 1)  # also if it is unreadable
            return None
        own.keep(setting)
        self._n_asked += 1
        self._pending[number] = own, setting
        if setting.error:
            self._fail(number, setting.error)
            return None
        return self._item(number)

    def _fail(self, number: int, error: str) -> None:
        candidate = self._candidate(number, *self._pending[number])
        self._book(number, Evaluation(candidate, "failed", error=error))

    def _candidate(self, number: int, own: FamilyStudy, setting: Setting) -> Candidate:
        return Candidate(
            own.family, setting.params, _seed_of(self.settings.seed, number)
        )

    def _item(self, number: int, is_rerun: bool = False) -> WorkItem:
        own, setting = self._pending[number]
        deadline = self._deadline()
        self._has_begun = True
        limit = max(TRIAL_SHARE * deadline.seconds_left, MIN_TRIAL_SECONDS)
        return WorkItem(
            number,
            self._candidate(number, own, setting),
            deadline,
            time_limit=limit if deadline.exists else None,
            should_prune=Snapshot(self.pruner, own.compared()),
            is_rerun=is_rerun,
        )

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


def _seed_of(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
