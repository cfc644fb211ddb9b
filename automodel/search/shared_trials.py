"""SharedTrials: the numbers of a search, and what all its processes do with them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np
from optuna.trial import FrozenTrial

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.search.budget import Budget
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy, Setting, evaluation_of

ROUND_SIZE = 4
SYNC_SECONDS = 2.0  # between two looks at what other processes have done
MORE_TIME = 2.0  # times the limit that stopped a trial, for it to run again
UNSURE_SECONDS = 150.0  # after which another process has sent a heartbeat or is dead
BOOKED_AT_ONCE = 50  # trials, before the clock is looked at
DIED_TWICE = "the process that ran it died, twice"


@dataclass(frozen=True)
class RunningTrial:
    """A trial that was asked for, here or in another process, and has not ended."""

    number: int
    study: FamilyStudy
    setting: Setting
    seed: int

    @property
    def candidate(self) -> Candidate:
        """What is evaluated."""
        return Candidate(self.study.family, self.setting.params, self.seed)


class SharedTrials:
    """Numbers the trials, books what they came to, and follows other processes.

    Trials of other processes, even of dead ones, are added when they are asked for and
    booked when they have ended. Those that a process has lost run here.

    Parameters
    ----------
    families : dict of str to FamilyStudy
        The trials of each family, which are told what others have done.
    storage : SearchStorage
        Takes the evaluations, and knows those of other processes.
    budget : Budget
        Seconds and trials of the whole fit.
    seed : int
        Each trial has its own seed, from this one and its number.
    seconds_left : callable
        Returns the seconds that the search has left.

    Attributes
    ----------
    n_asked : int
        Trials that were asked for, by all processes; the next has this number.
    scores : list of float
        Those of the booked trials, as they were booked.
    best : Evaluation or None
        The complete one with the greatest score.
    """

    def __init__(
        self,
        families: dict[str, FamilyStudy],
        storage: SearchStorage,
        budget: Budget,
        seed: int,
        seconds_left: Callable[[], float],
    ):
        self.families = families
        self.storage = storage
        self.budget = budget
        self.seed = seed
        self.seconds_left = seconds_left
        self.n_asked = 0
        self.scores: list[float] = []
        self.best: Evaluation | None = None
        self._uncalled: deque[tuple[FamilyStudy, FrozenTrial]] = deque()
        self._pending: dict[int, RunningTrial] = {}  # of this process
        self._lost: deque[int] = deque()  # of these, what another has left
        self._asked: dict[int, tuple[FamilyStudy, FrozenTrial]] = {}  # not taken in
        self._elsewhere: dict[int, RunningTrial] = {}
        self._ended: dict[int, FrozenTrial] = {}  # elsewhere, and not booked
        self._stopped: dict[int, tuple[RunningTrial, float]] = {}  # with their limits
        self._next_sync = Deadline(-math.inf, budget.clock)

    @property
    def is_stopped(self) -> bool:
        """Whether a callback has stopped the search."""
        return any(own.shown.is_stopped for own in self.families.values())

    @property
    def is_over(self) -> bool:
        """Whether no trial may begin any more."""
        return self.is_stopped or self.seconds_left() <= 0

    def seed_of(self, number: int) -> int:
        """Return the seed of a trial."""
        sequence = np.random.SeedSequence([self.seed, number])
        return int(sequence.generate_state(1)[0] >> 1)

    def begin(self, own: FamilyStudy, setting: Setting) -> RunningTrial | None:
        """Give a setting the next number, to be run here.

        None if another process has taken the number, or if the trial has failed at
        once.
        """
        number = self.n_asked
        if not self.storage.lease(number, own.family.name, own.frozen(setting)):
            own.give_up(setting)
            self.sync()
            self.n_asked = max(self.n_asked, number + 1)  # also if it is unreadable
            return None
        own.keep(setting)
        self.n_asked += 1
        trial = self._pending[number] = self._running(number, own, setting)
        if not setting.error:
            return trial
        self._fail(trial, setting.error)
        return None

    def next_lost(self) -> RunningTrial | None:
        """Return a trial that another process has lost, to be run here."""
        return self._pending[self._lost.popleft()] if self._lost else None

    def next_lost_round(self) -> list[RunningTrial]:
        """Return all that others have lost of the first round that is not whole."""
        first = min(self._lost, default=0) // ROUND_SIZE
        numbers = [n for n in self._lost if n // ROUND_SIZE == first]
        self._lost = deque(n for n in self._lost if n not in numbers)
        return [self._pending[number] for number in numbers]

    def again(
        self, families: Collection[FamilyStudy], time_limit: float
    ) -> RunningTrial | None:
        """Return a trial of these families that was stopped, if it has time now."""
        for number, (trial, had) in self._stopped.items():
            if trial.study in families and time_limit >= MORE_TIME * had:
                del self._stopped[number]
                anew = replace(trial, setting=trial.study.again(trial.setting))
                self._pending[number] = anew
                return anew
        return None

    def book(
        self, number: int, evaluation: Evaluation, time_limit: float | None = None
    ) -> None:
        """Book what a trial of this process came to."""
        trial = self._pending.pop(number)
        frozen = trial.study.tell(number, trial.setting, evaluation)
        if evaluation.status == "stopped":
            frozen.set_user_attr("time_limit", time_limit or 0.0)
        self.storage.add(number, evaluation, frozen)
        self._count(evaluation)
        self._uncalled.append((trial.study, frozen))

    def sync_if_due(self) -> None:
        """Sync, unless that was done a moment ago."""
        if self._next_sync.is_over:
            self.sync()

    def sync(self) -> None:
        """Learn what other processes have done, and take over what they lost."""
        self._next_sync = Deadline.after(SYNC_SECONDS, self.budget.clock)
        self.read_news()
        running = set() if self.is_over else self._running_elsewhere()
        lost = self.storage.take_lost(running)
        if lost:
            self.read_news()  # of what ended just before its process did
        has_ended = {number for number, _ in lost if number in self._ended}
        self.take_in(self._last_whole_round())
        for number, is_harmful in lost:
            if number in has_ended or number not in self._elsewhere:
                self.storage.give_back(number)
            else:
                self._take_over(number, is_harmful)
        self.take_in(self._last_whole_round())

    def take_uncalled(self) -> Iterator[tuple[FamilyStudy, FrozenTrial]]:
        """Yield the trials of this process that have ended since the last call."""
        while self._uncalled:
            yield self._uncalled.popleft()

    def sync_surely(self) -> None:
        """Sync, and wait until it is known whether others have lost the last trials."""
        self.sync()
        sure = Deadline.after(UNSURE_SECONDS, self.budget.clock)
        while self._may_lose_some() and not sure.is_over:
            self.budget.clock.wait(SYNC_SECONDS / 4)
            self.sync()

    def read_news(self) -> None:
        """Read what others have asked for, and what has ended."""
        asked, ended = self.storage.news()
        for number, family, trial in asked:
            self.n_asked = max(self.n_asked, number + 1)
            is_own = number in self._pending or number in self.storage.evaluations
            if family in self.families and not is_own:
                self._asked[number] = self.families[family], trial
        for _, trial in ended:
            self._ended.setdefault(trial.user_attrs["number"], trial)

    def take_in(self, last_round: float = math.inf) -> None:
        """Enter what others have asked for; book what ended, up to a round.

        In the order of a search in one part: round by round, and what could not be made
        is booked where it was asked for. Once time is up, only what may be part of the
        ensemble: many thousands of trials can be more than there is time for.
        """
        kept: set[str] | None = None
        events = [(n // ROUND_SIZE, False, n) for n in self._asked]
        events += [(n // ROUND_SIZE, True, n) for n in self._ended]
        for n, (of_round, is_end, number) in enumerate(sorted(events)):
            is_due = kept is None and n % BOOKED_AT_ONCE == BOOKED_AT_ONCE - 1
            if is_due and self.seconds_left() <= 0:
                kept = self.storage.kept()
            ended = self._ended.get(number)
            if kept is not None and (
                ended is None or ended.user_attrs.get("arrays") not in kept
            ):
                continue
            is_due = is_end and of_round <= last_round
            if not is_end:
                own, asked = self._asked.pop(number)
                setting = own.add(asked)
                self._elsewhere[number] = self._running(number, own, setting)
                is_due = bool(setting.error)
            if is_due and ended is not None:
                self._restore(number, ended)

    def _restore(self, number: int, ended: FrozenTrial) -> None:
        del self._ended[number]
        if number not in self._elsewhere:  # it is of this process
            return
        trial = self._elsewhere.pop(number)
        evaluation = evaluation_of(ended, trial.candidate)
        error = trial.setting.error
        if error and evaluation.status != "failed":  # its space has changed
            evaluation.status, evaluation.error = "failed", error
        trial.study.restore(number, trial.setting, evaluation, ended)
        self.storage.restore(number, evaluation, ended)
        self._count(evaluation)

    def _take_over(self, number: int, is_harmful: bool) -> None:
        """Run a trial that another process has lost, fail it, or put it off.

        What a limit has stopped waits for one that is much larger.
        """
        trial = self._elsewhere.pop(number)
        stop = self.storage.stop_of(number)
        if is_harmful or trial.setting.error:
            self._pending[number] = trial
            self._fail(trial, trial.setting.error or DIED_TWICE)
        elif stop is None or self.budget.seconds is None:
            self._pending[number] = trial
            self._lost.append(number)
        else:
            evaluation = Evaluation(trial.candidate, "stopped", seconds=stop["seconds"])
            trial.study.tell(number, trial.setting, evaluation)
            self.storage.evaluations[number] = evaluation
            self._count(evaluation)
            self._stopped[number] = trial, stop["time_limit"]

    def _fail(self, trial: RunningTrial, error: str) -> None:
        self.book(trial.number, Evaluation(trial.candidate, "failed", error=error))

    def _count(self, evaluation: Evaluation) -> None:
        self.scores.append(evaluation.score)
        if evaluation.status != "complete":
            return
        if self.best is None or evaluation.score > self.best.score:
            self.best = evaluation

    def _running(self, number: int, own: FamilyStudy, setting: Setting) -> RunningTrial:
        return RunningTrial(number, own, setting, self.seed_of(number))

    def _running_elsewhere(self) -> set[int]:
        """Return what others have asked for, and is not known to have ended."""
        return (self._asked.keys() | self._elsewhere.keys()) - self._ended.keys()

    def _may_lose_some(self) -> bool:
        """Tell whether all was asked for, and some of it is perhaps lost elsewhere."""
        n_trials = self.budget.n_trials or math.inf
        if self.n_asked < n_trials or self._lost or self.is_over:
            return False
        return self.storage.is_unsure(self._elsewhere.keys() - self._ended)

    def _last_whole_round(self) -> float:
        """Return the last round before which all has ended; with a clock, all count."""
        if self.budget.seconds is not None:
            return math.inf
        running = self._running_elsewhere() | self._pending.keys()
        return min(running, default=self.n_asked) // ROUND_SIZE - 1
