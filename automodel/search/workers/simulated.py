"""SimulatedWorkers: trials that take no time, on a clock that is moved by them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from optuna.trial import FrozenTrial

from automodel.evaluation.evaluate import Candidate, Evaluation, is_joined
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.monitor import MIN_FOLD_SECONDS, SLOTS_PER_FOLD
from automodel.search.pruning import Snapshot
from automodel.search.workers.base import HERE, Evaluations, Refitted, Workers
from automodel.search.workers.call import GRACE_SECONDS
from automodel.search.workers.own import HANG_FACTOR, HANG_SECONDS, slow_library
from automodel.search.workers.work import Refit, WorkItem

FIRST_SLOT = 6  # reports of earlier steps prune no trial


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


@dataclass(frozen=True)
class Course:
    """How a trial goes if nothing ends it early.

    Parameters
    ----------
    fold_seconds : sequence of float
        Seconds to train and to predict each fold.
    predict_seconds : float
        The part of them that is prediction.
    oof : ndarray of shape (n_samples, n_outputs)
        Out-of-fold predictions.
    n_iterations : int
        Steps of the model of a fold; 0 if it does not train in steps.
    n_bytes : float
        Memory that the trial takes at its peak.
    model_bytes : float
        Size of the model of a fold.
    encode_seconds : float
        Seconds to encode the rows of all folds, once for each process.
    shared_seconds : float, default=0.0
        Seconds of what is encoded once for all processes.
    """

    fold_seconds: Sequence[float]
    predict_seconds: float
    oof: np.ndarray
    n_iterations: int
    n_bytes: float
    model_bytes: float
    encode_seconds: float
    shared_seconds: float = 0.0


class CostModel(Protocol):
    """What `SimulatedWorkers` ask for each trial."""

    start_seconds: float  # of a new process
    start_bytes: float  # that a process holds before its first trial
    trial_seconds: float  # between two trials of a worker

    def course(self, candidate: Candidate) -> Course:
        """Return how a trial goes."""
        ...

    def refit_seconds(self, candidate: Candidate) -> float:
        """Return the seconds of a fit on all rows."""
        ...

    def import_seconds(self, family: ModelFamily) -> float:
        """Return the seconds until the libraries of a family are loaded."""
        ...

    def import_bytes(self, family: ModelFamily) -> float:
        """Return the memory that the libraries of a family take."""
        ...

    def ensemble_seconds(self, n_evaluations: int) -> float:
        """Return the seconds in which members are chosen and judged."""
        ...


@dataclass
class SimulatedModel:
    """Takes the place of a fitted model, and has its size when it is pickled."""

    n_bytes: int

    def __getstate__(self):
        return {"n_bytes": self.n_bytes, "values": bytes(self.n_bytes)}


@dataclass
class _Process:
    """A process that runs trials, and what it has loaded."""

    number: int
    n_bytes: float = 0.0
    peak_bytes: float = 0.0  # of its last trial
    is_started: bool = False
    is_busy: bool = False
    libraries: set[str] = field(default_factory=set)
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
        self._may_start_here = has_processes and memory_limit is None
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
            if _stops_in_time(order.candidate):
                seconds = min(seconds, max(order.deadline.moment - ends[first], 0.0))
            if not late or _stops_in_time(order.candidate):
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
        if is_first and family.starts_search:
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
        if family.name not in process.libraries:
            before += costs.import_seconds(family)
            process.n_bytes += costs.import_bytes(family)
            process.libraries.add(family.name)
        key = family.name, candidate.params.get(family.encoder_param)
        before = max(before, self._wait_for_shared(family, course, before))
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
        evaluation = _evaluated(item, course, self.folds, encoding, left - before)
        evaluation.worker = process.number
        seconds = before + evaluation.seconds
        return evaluation, min(seconds, max(left, 0.0) + GRACE_SECONDS)

    def _wait_for_shared(
        self, family: ModelFamily, course: Course, before: float
    ) -> float:
        """Return in how many seconds the outputs are ready that all trials share.

        Those that take equally long are the same.
        """
        if not course.shared_seconds:
            return 0.0
        key = family.name, round(course.shared_seconds, 6)
        ready = self.clock.now() + before + course.shared_seconds
        return self._shared.setdefault(key, ready) - self.clock.now()

    def _note_memory(self) -> None:
        processes = [*self._processes, self._here]
        used = sum(p.peak_bytes if p.is_busy else p.n_bytes for p in processes)
        self.peak_bytes = max(self.peak_bytes, used)


def _evaluated(
    item: WorkItem, course: Course, folds: Folds, encoding: float, latest: float
) -> Evaluation:
    """Return the evaluation of a trial that has `latest` seconds at most."""
    result = Evaluation(item.candidate, "complete", seconds=encoding, models=[])
    judge = _Judge(item.should_prune)
    stops = _stops_in_time(item.candidate)
    left = math.inf if item.time_limit is None else item.time_limit
    hangs_after = HANG_FACTOR * left + HANG_SECONDS
    joined = is_joined(item.candidate, folds)
    for fold, natural in enumerate(course.fold_seconds):
        most = max(left / (len(folds) - fold), MIN_FOLD_SECONDS)
        seconds = natural
        if stops:
            seconds = min(natural, most, latest - result.seconds)
        score = folds.metric.score(
            folds.y[folds.splits[fold][1]], course.oof[folds.splits[fold][1]], None
        )
        share = judge.stop_within(result.reports, fold, course.n_iterations, score)
        seconds *= share
        if seconds <= 0 or result.seconds + seconds > latest:
            result.status, result.seconds = "stopped", max(latest, 0.0)
            break
        if not stops and result.seconds + seconds > hangs_after:
            result.status, result.seconds = "failed", hangs_after
            result.error = "TimeoutError: it did not stop at its limit"
            break
        result.seconds += seconds
        left -= seconds
        if share < 1.0:
            result.status = "pruned"
            break
        result.fold_scores.append(score)
        mean = float(np.mean(result.fold_scores))
        is_last = fold + 1 == len(folds)
        if not (joined or is_last) and judge.stops_after(result.reports, fold, mean):
            result.status = "pruned"
            break
    result.predict_seconds = course.predict_seconds
    if result.status != "complete":
        result.models = None
        return result
    result.n_iterations = [course.n_iterations] * len(folds)
    result.models = [SimulatedModel(int(course.model_bytes)) for _ in range(len(folds))]
    result.oof = course.oof
    result.score = folds.score(result.oof)
    return result


class _Judge:
    """Asks the pruner of a search, without a study of its own for each trial."""

    def __init__(self, snapshot: Snapshot | None):
        self._snapshot = snapshot

    def stop_within(
        self, reports: dict[int, float], fold: int, n_steps: int, score: float
    ) -> float:
        """Return the share of the steps of a fold after which a trial is pruned."""
        last = min(n_steps.bit_length() - 1, SLOTS_PER_FOLD - 2)
        for slot in range(FIRST_SLOT, last + 1):
            if self._is_told_to_stop(reports, fold * SLOTS_PER_FOLD + slot, score):
                return 2**slot / n_steps
        return 1.0

    def stops_after(self, reports: dict[int, float], fold: int, mean: float) -> bool:
        """Tell whether a trial is pruned at the end of a fold."""
        step = (fold + 1) * SLOTS_PER_FOLD - 1
        return self._is_told_to_stop(reports, step, mean)

    def _is_told_to_stop(self, reports, step: int, value: float) -> bool:
        if self._snapshot is None:
            return False
        reports[step] = value
        trials: Sequence[FrozenTrial] = self._snapshot.trials
        study: Any = SimpleNamespace(
            get_trials=lambda deepcopy=True, states=None: [
                t for t in trials if states is None or t.state in states
            ]
        )
        trial: Any = SimpleNamespace(last_step=step, intermediate_values=reports)
        return self._snapshot.pruner.prune(study, trial)


def _stops_in_time(candidate: Candidate) -> bool:
    """Tell whether a family looks at the clock when it trains."""
    return type(candidate.family).fit is not ModelFamily.fit
