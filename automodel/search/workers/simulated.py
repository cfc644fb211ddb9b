"""SimulatedWorkers: trials that take no time, on a clock that is moved by them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.search.workers.base import HERE, Evaluations, Refitted, Workers
from automodel.search.workers.call import GRACE_SECONDS
from automodel.search.workers.own import is_first_here, slow_library
from automodel.search.workers.simulated_trial import (
    CostModel,
    Course,
    SimulatedModel,
    SimulatedTrial,
    stops_in_time,
)
from automodel.search.workers.work import Refit, WorkItem


class SimulatedClock:
    """A clock that stands still until someone waits."""

    def __init__(self, now: float = 0.0):
        self._now = now

    def now(self) -> float:
        """Return the current time in seconds."""
        return self._now

    def wait(self, seconds: float) -> None:
        """Move the clock by the given seconds, and return at once."""
        self._now += max(seconds, 0.0)


@dataclass
class _Process:
    """A process that runs trials, and what it has loaded."""

    number: int
    n_bytes: float = 0.0
    peak_bytes: float = 0.0  # of its last trial
    is_started: bool = False
    is_busy: bool = False
    libraries: set[tuple[str, ...]] = field(default_factory=set)
    slow_libraries: set[str] = field(default_factory=set)
    encodings: set[Any] = field(default_factory=set)


class SimulatedWorkers(Workers):
    """Workers whose trials take their time on a simulated clock.

    They obey deadlines, time limits, pruners and the memory limit as other workers do.

    Parameters
    ----------
    n_jobs : int
        Number of trials that run at a time.
    folds : Folds
        Stand-ins for the data.
    clock : SimulatedClock
        The clock of the budget.
    costs : CostModel
        Tells how trials go.
    memory_limit : int, default=None
        Bytes above which a trial fails.
    has_processes : bool, default=False
        Whether trials run in processes of their own.
    may_start_here : bool, default=False
        Whether the first trial may run in the process of the search, nevertheless.

    Attributes
    ----------
    worker_bytes : float
        Memory of the largest process at its peak, without that of the search.
    peak_bytes : float
        Memory that all of them held together at most.
    first_end : float
        When the first trial was complete; infinite if none was.
    ended : list of (float, Evaluation)
        All evaluations, with the moments at which they ended.
    """

    def __init__(
        self,
        n_jobs: int,
        folds: Folds,
        clock: SimulatedClock,
        costs: CostModel,
        memory_limit: int | None = None,
        has_processes: bool = False,
        may_start_here: bool = False,
    ):
        super().__init__(n_jobs, folds)
        self.clock, self.costs = clock, costs
        self.memory_limit = memory_limit
        self.are_isolated = has_processes
        first = 1 if has_processes else HERE
        self._processes = [_Process(first + i) for i in range(n_jobs)]
        if not has_processes:
            self._processes[0].is_started = True
        self._here = _Process(HERE, is_started=True)
        self._may_start_here = has_processes and may_start_here
        self.worker_bytes = self.peak_bytes = 0.0
        self.first_end = math.inf
        self._shared: dict[Any, float] = {}  # when outputs are ready
        self.ended: list[tuple[float, Evaluation]] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info) -> None:
        pass

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations in the order in which they end."""
        items = iter(items)
        running: list[tuple[float, int, _Process, WorkItem, Evaluation]] = []
        while True:
            while process := self._idle():
                item = next(items, None)
                if item is None:
                    break
                process = self._process_for(item, process)
                evaluation, seconds = self._run(item, process)
                process.is_busy = True
                end = self.clock.now() + seconds
                heapq.heappush(running, (end, item.number, process, item, evaluation))
                self._note_memory()
            if not running:
                return
            end, _, process, item, evaluation = heapq.heappop(running)
            self.clock.wait(end - self.clock.now())
            process.is_busy = False
            self.ended.append((end, evaluation))
            if evaluation.status == "complete":
                self.first_end = min(self.first_end, end)
            yield item, evaluation
            self.clock.wait(self.costs.trial_seconds)

    def refit(self, orders: list[Refit]) -> Refitted:
        """Let each refit take its time; those that end too late have no model."""
        left = min((order.deadline.seconds_left for order in orders), default=math.inf)
        self.clock.wait(min(self.costs.ensemble_seconds(len(self.ended)), left))
        ends, refitted = [self.clock.now()] * self.n_jobs, list[Any]()
        for order in orders:
            first = ends.index(min(ends))
            seconds = self.costs.refit_seconds(order.candidate)
            late = ends[first] + seconds > order.deadline.moment
            if stops_in_time(order.candidate):
                seconds = min(seconds, max(order.deadline.moment - ends[first], 0.0))
            if not late or stops_in_time(order.candidate):
                ends[first] += seconds
            n_bytes = self.costs.course(order.candidate).model_bytes
            refitted.append(None if late else SimulatedModel(int(n_bytes)))
        self.clock.wait(max(ends) - self.clock.now())
        return refitted

    def accepts(self, family: ModelFamily) -> bool:
        """See `Workers.accepts`; processes of our own do the same."""
        library = slow_library(family, self.folds.task) if self.are_isolated else ""
        own = [p for p in self._processes if library in p.slow_libraries]
        return not own or any(not process.is_busy for process in own)

    def _idle(self) -> _Process | None:
        return next((p for p in self._processes if not p.is_busy), None)

    def _process_for(self, item: WorkItem, idle: _Process) -> _Process:
        """Return the process in which an item runs, as `ProcessPool` chooses it."""
        family = item.candidate.family
        is_first, self._may_start_here = self._may_start_here, False
        if is_first and is_first_here(item.candidate, self.folds.task):
            return self._here
        library = slow_library(family, self.folds.task)
        chosen = min(
            (p for p in self._processes if not p.is_busy),
            key=lambda p: (library not in p.slow_libraries, len(p.slow_libraries)),
        )
        if library:
            chosen.slow_libraries.add(library)
        return chosen

    def _run(self, item: WorkItem, process: _Process) -> tuple[Evaluation, float]:
        """Return the evaluation of an item, and the seconds until it has ended."""
        candidate, costs = item.candidate, self.costs
        family = candidate.family
        course = costs.course(candidate)
        before = 0.0  # seconds that do not count as those of the trial
        if not process.is_started:
            before += costs.start_seconds
            process.is_started = True
            process.n_bytes = costs.start_bytes
        if family.requires not in process.libraries:
            before += costs.import_seconds(family)
            process.n_bytes += costs.import_bytes(family)
            process.libraries.add(family.requires)
        key = family.name, candidate.params.get(family.encoder_param)
        before = max(before, self._wait_for_shared(course, before))
        encoding = 0.0 if key in process.encodings else course.encode_seconds
        process.encodings.add(key)
        used = process.n_bytes + course.n_bytes
        self.worker_bytes = max(self.worker_bytes, used)
        process.peak_bytes = used
        if self.memory_limit is not None and used > self.memory_limit:
            error = "MemoryError: it used more memory than memory_limit"
            seconds = encoding + course.fold_seconds[0] / 2
            failed = Evaluation(candidate, "failed", error=error, seconds=seconds)
            return failed, before + seconds
        left = item.deadline.seconds_left
        trial = SimulatedTrial(item, course, self.folds, encoding, left - before)
        evaluation = trial.evaluate()
        evaluation.worker = process.number
        seconds = before + evaluation.seconds
        return evaluation, min(seconds, max(left, 0.0) + GRACE_SECONDS)

    def _wait_for_shared(self, course: Course, before: float) -> float:
        """Return in how many seconds the outputs are ready that all trials share.

        Those that take equally long are the same.
        """
        if not course.shared_seconds:
            return 0.0
        key = round(course.shared_seconds, 6)
        ready = self.clock.now() + before + course.shared_seconds
        return self._shared.setdefault(key, ready) - self.clock.now()

    def _note_memory(self) -> None:
        processes = [*self._processes, self._here]
        used = sum(p.peak_bytes if p.is_busy else p.n_bytes for p in processes)
        self.peak_bytes = max(self.peak_bytes, used)
