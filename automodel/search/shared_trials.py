"""SharedTrials: the trials of a search, those of this process and of others."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Collection, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.search.budget import Budget
from automodel.search.storage.memory import SearchStorage
from automodel.search.study import FamilyStudy, RunningTrial, evaluation_of

ROUND_SIZE = 4
SYNC_SECONDS = 2.0  # between two looks at what other processes have done
MORE_TIME = 2.0  # times the limit that stopped a trial, for it to run again
UNSURE_SECONDS = 150.0  # after which another process has sent a heartbeat or is dead
COUNTED_AT_ONCE = 50  # trials, before the clock is read again
DIED_TWICE = "the process that ran it died, twice"


class SharedTrials:
    """Numbers the trials of a search, and follows those of other processes.

    A trial of another process is added when it was asked for, and its result when it
    has ended. If its process has died, it runs here.

    Parameters
    ----------
    families : dict of str to FamilyStudy
        The study of each family.
    storage : SearchStorage
        Keeps the evaluations, and reads those of other processes.
    budget : Budget
        Seconds and trials of the whole fit.
    seed : int
        Seed of the search, from which each trial has a seed of its own.
    seconds_left : callable
        Returns the seconds that the search has left.
    callbacks : sequence of callable, default=()
        Called with the study and the trial when a trial has ended. They are told of
        those that have ended elsewhere while the search has time. A method
        `on_trial_begin` is called with the same when a trial begins to run here.

    Attributes
    ----------
    n_asked : int
        Trials that all processes have asked for; the next one has this number.
    scores : list of float
        Scores of the ended trials, in the order in which they were counted.
    best : Evaluation or None
        The complete evaluation with the greatest score.
    """

    def __init__(
        self,
        families: dict[str, FamilyStudy],
        storage: SearchStorage,
        budget: Budget,
        seed: int,
        seconds_left: Callable[[], float],
        callbacks: Sequence[Callable] = (),
    ):
        self.families = families
        self.storage = storage
        self.budget = budget
        self.seed = seed
        self.seconds_left = seconds_left
        self.callbacks = callbacks
        self.n_asked = 0
        self.scores: list[float] = []
        self.best: Evaluation | None = None
        self._pending: dict[int, RunningTrial] = {}  # of this process
        self._lost: deque[int] = deque()  # of these, lost by others
        self._asked: dict[int, tuple[FamilyStudy, FrozenTrial]] = {}  # not added yet
        self._elsewhere: dict[int, RunningTrial] = {}
        self._ended: dict[int, FrozenTrial] = {}  # elsewhere, and not counted yet
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

    def ask(self, own: FamilyStudy) -> RunningTrial | None:
        """Ask for a trial of a family, whose number nobody has leased yet."""
        return own.ask(self.n_asked, self._seed_of(self.n_asked))

    def begin(self, trial: RunningTrial) -> bool:
        """Lease the number of a trial, and tell whether the trial is to be run here.

        It is not if another process has taken the number, or if it has failed at once.
        """
        own, number = trial.study, trial.number
        if not self.storage.lease(number, own.family.name, own.frozen(trial)):
            own.give_up(trial)
            self.sync()
            self.n_asked = max(self.n_asked, number + 1)  # also if it is unreadable
            return False
        own.keep(trial)
        self.n_asked += 1
        self._pending[number] = trial
        if trial.error:
            self._fail(trial, trial.error)
        return not trial.error

    def next_lost(self) -> RunningTrial | None:
        """Return a trial that another process has lost, to be run here."""
        return self._pending[self._lost.popleft()] if self._lost else None

    def next_lost_round(self) -> list[RunningTrial]:
        """Return the lost trials of the first round that has any."""
        first = min(self._lost, default=0) // ROUND_SIZE
        numbers = [n for n in self._lost if n // ROUND_SIZE == first]
        self._lost = deque(n for n in self._lost if n not in numbers)
        return [self._pending[number] for number in numbers]

    def again(
        self, families: Collection[FamilyStudy], time_limit: float
    ) -> RunningTrial | None:
        """Return a stopped trial of these families that has much more time now."""
        for number, (trial, had) in self._stopped.items():
            if trial.study in families and time_limit >= MORE_TIME * had:
                del self._stopped[number]
                self._pending[number] = trial.study.again(trial)
                return self._pending[number]
        return None

    def start(self, number: int) -> None:
        """Note that a trial of this process is given to a worker now."""
        trial = self._pending[number]
        trial.study.start(trial)
        hooks = [getattr(c, "on_trial_begin", None) for c in self.callbacks]
        for hook in filter(None, hooks):
            frozen = _copied(trial.study.frozen(trial))
            frozen.user_attrs |= {"number": number, "family": trial.study.family.name}
            hook(trial.study.shown, frozen)

    def tell(
        self, number: int, evaluation: Evaluation, time_limit: float | None = None
    ) -> None:
        """Take the result of a trial of this process."""
        trial = self._pending.pop(number)
        frozen = trial.study.tell(trial, evaluation)
        if evaluation.status == "stopped":
            frozen.set_user_attr("time_limit", time_limit or 0.0)
        self.storage.add(number, evaluation, frozen)
        self._count(evaluation)
        self._call_callbacks(trial, frozen)

    def sync_if_due(self) -> None:
        """Call `sync`, unless that was done a moment ago."""
        if self._next_sync.is_over:
            self.sync()

    def sync(self) -> None:
        """Read what other processes have done, and take over the trials they lost."""
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

    def sync_surely(self) -> None:
        """Call `sync` until it is known whether others have lost the last trials."""
        self.sync()
        sure = Deadline.after(UNSURE_SECONDS, self.budget.clock)
        while self._may_lose_some() and not sure.is_over:
            self.budget.clock.wait(SYNC_SECONDS / 4)
            self.sync()

    def read_news(self) -> None:
        """Read which trials others have asked for, and which have ended."""
        asked, ended = self.storage.news()
        for number, family, trial in asked:
            self.n_asked = max(self.n_asked, number + 1)
            is_own = number in self._pending or number in self.storage.evaluations
            if family in self.families and not is_own:
                self._asked[number] = self.families[family], trial
        for _, trial in ended:
            self._ended.setdefault(trial.user_attrs["number"], trial)

    def take_in(self, last_round: float = math.inf) -> None:
        """Add the trials that others have asked for; count those that have ended.

        Ended trials are counted up to a round. The order is that of a search in one
        process: round by round, and a trial that cannot be run is counted where it was
        asked for. Once time is up, only trials that may be part of the ensemble are
        added, since there may be many thousands of others.
        """
        kept: set[str] | None = None
        events = [(n // ROUND_SIZE, False, n) for n in self._asked]
        events += [(n // ROUND_SIZE, True, n) for n in self._ended]
        for n, (of_round, is_end, number) in enumerate(sorted(events)):
            is_due = kept is None and n % COUNTED_AT_ONCE == COUNTED_AT_ONCE - 1
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
                trial = own.add(number, self._seed_of(number), asked)
                self._elsewhere[number] = trial
                is_due = bool(trial.error)
            if is_due and ended is not None:
                self._restore(number, ended)

    def _restore(self, number: int, ended: FrozenTrial) -> None:
        del self._ended[number]
        if number not in self._elsewhere:  # it is of this process
            return
        trial = self._elsewhere.pop(number)
        evaluation = evaluation_of(ended, trial.candidate)
        if trial.error and evaluation.status != "failed":  # its space has changed
            evaluation.status, evaluation.error = "failed", trial.error
        frozen = trial.study.restore(trial, evaluation, ended)
        self.storage.restore(number, evaluation, ended)
        self._count(evaluation)
        if self.callbacks and self.seconds_left() > 0:  # they may be slow
            self._call_callbacks(trial, frozen)

    def _take_over(self, number: int, is_harmful: bool) -> None:
        """Run a trial that another process has lost, fail it, or put it off.

        A trial that was stopped by its time limit waits for a much larger one.
        """
        trial = self._elsewhere.pop(number)
        stop = self.storage.stop_of(number)
        if is_harmful or trial.error:
            self._pending[number] = trial
            self._fail(trial, trial.error or DIED_TWICE)
        elif stop is None or self.budget.seconds is None:
            self._pending[number] = trial
            self._lost.append(number)
        else:
            evaluation = Evaluation(trial.candidate, "stopped", seconds=stop["seconds"])
            trial.study.tell(trial, evaluation)
            self.storage.evaluations[number] = evaluation
            self._stopped[number] = trial, stop["time_limit"]
            self._count(evaluation)  # callbacks hear of it when it has run again

    def _fail(self, trial: RunningTrial, error: str) -> None:
        self.tell(trial.number, Evaluation(trial.candidate, "failed", error=error))

    def _count(self, evaluation: Evaluation) -> None:
        """Count a trial that has ended, wherever that was."""
        self.scores.append(evaluation.score)
        is_best = self.best is None or evaluation.score > self.best.score
        if evaluation.status == "complete" and is_best:
            self.best = evaluation

    def _call_callbacks(self, trial: RunningTrial, frozen: FrozenTrial) -> None:
        if self.callbacks:  # which may change the trial
            frozen = _copied(frozen)
        for callback in self.callbacks:
            callback(trial.study.shown, frozen)

    def _seed_of(self, number: int) -> int:
        sequence = np.random.SeedSequence([self.seed, number])
        return int(sequence.generate_state(1)[0] >> 1)

    def _running_elsewhere(self) -> set[int]:
        """Return the trials of others that are not known to have ended."""
        return (self._asked.keys() | self._elsewhere.keys()) - self._ended.keys()

    def _may_lose_some(self) -> bool:
        """Tell whether the last trials were asked for, and others may lose some."""
        n_trials = self.budget.n_trials or math.inf
        if self.n_asked < n_trials or self._lost or self.is_over:
            return False
        return self.storage.is_unsure(self._elsewhere.keys() - self._ended)

    def _last_whole_round(self) -> float:
        """Return the last round up to which all trials have ended.

        With a time budget, trials are counted whatever their round.
        """
        if self.budget.seconds is not None:
            return math.inf
        running = self._running_elsewhere() | self._pending.keys()
        return min(running, default=self.n_asked) // ROUND_SIZE - 1


def _copied(trial: FrozenTrial) -> FrozenTrial:
    """Return a copy with dicts of its own, which takes less time than a deep copy."""
    copied = copy.copy(trial)
    for name, value in vars(trial).items():
        if isinstance(value, dict):
            setattr(copied, name, value.copy())
    return copied
