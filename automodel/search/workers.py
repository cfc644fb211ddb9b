"""Run trials: in this process, in processes of our own, or in a backend of joblib."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
from joblib.parallel import get_active_backend

from automodel.evaluation import Candidate, Evaluation, evaluate
from automodel.folds import Folds
from automodel.search.containment import contained, give_memory_back
from automodel.search.processes import Outcome, ProcessPool
from automodel.search.pruning import Snapshot
from automodel.search.storage import ModelFolder

FIRST_SHARE = 0.1  # of the time, for the trial that runs here while workers start
FIRST_SECONDS = 2.0  # at least
CROWDED_SECONDS = 20.0  # left, below which the workers start after that trial
GRACE_SECONDS = 0.2  # between the deadline and the end of a worker that missed it
HANG_FACTOR, HANG_SECONDS = 1.5, 5.0  # a trial that ignores its time limit is ended


@dataclass(frozen=True)
class WorkItem:
    """One trial on its way to a worker.

    `ends_at` is wall-clock time, which processes of one machine share.
    """

    number: int
    candidate: Candidate
    ends_at: float | None = None
    time_limit: float | None = None
    should_prune: Snapshot | None = None


def run_item(
    item: WorkItem, folds: Folds, keep_model: ModelFolder | None = None
) -> Evaluation:
    """Evaluate an item in this process."""
    deadline = None
    if item.ends_at is not None:
        deadline = time.monotonic() + item.ends_at - time.time()
    return evaluate(
        item.candidate,
        folds,
        deadline=deadline,
        time_limit=item.time_limit,
        should_prune=item.should_prune,
        keep_model=keep_model,
    )


def open_workers(
    n_jobs: int | None,
    folds: Folds,
    memory_limit: int | None = None,
    models: Path | None = None,
) -> Workers:
    """Return the place where trials run, a context manager.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib; one job runs in this process.
    folds : Folds
        The data, passed once.
    memory_limit : int, default=None
        Bytes of resident memory of a worker. One job then has a worker too, since
        only a process can be ended.
    models : Path, default=None
        Folder that takes the models of the folds and stays; None for one that is
        gone after the block, or none where there is one process only.
    """
    backend, _ = get_active_backend()
    n_jobs = joblib.effective_n_jobs(n_jobs)
    is_loky = type(backend).__name__ == "LokyBackend"
    if is_loky and (n_jobs > 1 or memory_limit is not None):
        return OwnProcesses(n_jobs, folds, memory_limit, models)
    if n_jobs == 1:
        return Workers(1, folds, models)
    return BackendWorkers(n_jobs, folds, backend, models)


Evaluations = Generator[tuple[WorkItem, Evaluation]]


class Workers:
    """Run trials one after the other in this process."""

    def __init__(self, n_jobs: int, folds: Folds, models: Path | None = None):
        self.n_jobs = n_jobs
        self.folds = folds
        self.models = models

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info) -> None:
        self.dismiss()

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end.

        The next item is asked for when it can run at once.
        """
        for item in items:
            yield item, run_item(item, self.folds, self._keep_model(item))

    def map(
        self, function: Callable, arguments: list, ends_at: float | None = None
    ) -> list:
        """Return `function(folds, argument)` for each argument; None where it failed.

        Parameters
        ----------
        function : callable
            Of a module; takes the folds and one argument.
        arguments : list
            One for each call.
        ends_at : float, default=None
            Moment (`time.time`) at which calls are ended, where they can be.
        """
        return [function(self.folds, argument) for argument in arguments]

    def dismiss(self) -> None:
        """Free what the workers hold, when no more trials will run."""

    def _keep_model(self, item: WorkItem) -> ModelFolder | None:
        return None if self.models is None else ModelFolder(self.models, item.number)


class OwnProcesses(Workers):
    """Run trials in processes that may die, hang or grow without harm to the search.

    What was in a process that died runs once more, when nothing else does: it may
    not have been at fault. A second death fails it.
    """

    def __init__(
        self,
        n_jobs: int,
        folds: Folds,
        memory_limit: int | None = None,
        models: Path | None = None,
    ):
        super().__init__(n_jobs, folds, models)
        self._pool = ProcessPool(n_jobs, memory_limit)
        self._may_start_here = memory_limit is None
        self._in_flight: dict[Any, _Call] = {}
        self._lost: list[_Call] = []
        self._alone: Any = None

    def __enter__(self) -> Workers:
        self._folder = Path(tempfile.mkdtemp(prefix="automodel-"))
        self._data = self._folder / "folds.joblib"
        try:
            joblib.dump(self.folds, self._data)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.models = self.models or self._folder
        return self

    def __exit__(self, *exc_info) -> None:
        self.dismiss()
        shutil.rmtree(self._folder, ignore_errors=True)

    def dismiss(self) -> None:
        """End the processes; fold models stay until the end of the block."""
        self._pool.close()

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end.

        The first one runs in this process while the workers start, if it is known
        to be cheap and safe.
        """
        items = iter(items)
        calls = (self._call(item) for item in items)
        try:
            if self._may_start_here:
                self._may_start_here = False
                yield from self._start_here(items, calls)
            for call, outcome in self._outcomes(calls):
                yield call.argument, _evaluation(call.argument, outcome)
        finally:
            self._abandon()

    def map(
        self, function: Callable, arguments: list, ends_at: float | None = None
    ) -> list:
        """See `Workers.map`; a call whose process died twice has no result."""
        calls = (
            _Call(i, argument, partial(_call, function, self._data, argument), ends_at)
            for i, argument in enumerate(arguments)
        )
        results = [None] * len(arguments)
        try:
            for call, outcome in self._outcomes(calls):
                results[call.key] = outcome.value
        finally:
            self._abandon()
        return results

    def _start_here(self, items, calls):
        first = next(items, None)
        if first is None:
            return
        if not first.candidate.family.starts_search:
            self._submit(self._call(first))
            return
        if first.ends_at is None or first.ends_at - time.time() >= CROWDED_SECONDS:
            self._fill(calls)
        yield first, run_item(_short(first), self.folds, self._keep_model(first))
        self.folds.forget_encoded()
        give_memory_back()

    def _outcomes(self, calls: Iterator[_Call]) -> Iterator[tuple[_Call, Outcome]]:
        self._fill(calls)
        while outcomes := self._pool.wait():
            for outcome in outcomes:
                call = self._in_flight.pop(outcome.key)
                if outcome.cause == "died" and not call.is_second:
                    self._lost.append(replace(call, is_second=True))
                else:
                    yield call, outcome
            self._fill(calls)

    def _fill(self, calls: Iterator[_Call]) -> None:
        """Give idle workers something to do."""
        if self._lost:
            if not self._in_flight:
                self._submit(self._lost.pop(0))
            return
        if any(call.is_second for call in self._in_flight.values()):
            return
        while self._pool.n_idle:
            call = next(calls, None)
            if call is None:
                return
            self._submit(call)

    def _submit(self, call: _Call) -> None:
        self._in_flight[call.key] = call
        self._pool.submit(call.key, call.function, call.ends_at)

    def _abandon(self) -> None:
        self._pool.abandon()
        self._in_flight.clear()
        self._lost.clear()

    def _call(self, item: WorkItem) -> _Call:
        work = partial(_work, item, self._data, self._keep_model(item))
        return _Call(item.number, item, work, _last_moment(item))


class BackendWorkers(Workers):
    """Run trials in the joblib backend that the user has made active.

    Its workers cannot be ended: the deadline is kept by the models alone.
    """

    def __init__(
        self, n_jobs: int, folds: Folds, backend: Any, models: Path | None = None
    ):
        super().__init__(n_jobs, folds, models)
        self._streams = getattr(backend, "supports_return_generator", False)

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end."""
        in_flight: dict[int, WorkItem] = {}

        def tasks(source):
            for item in source:
                in_flight[item.number] = item
                yield joblib.delayed(_work_numbered)(
                    item, self.folds, self._keep_model(item)
                )

        if not self._streams:
            yield from self._run_in_batches(iter(items))
            return
        parallel = joblib.Parallel(
            n_jobs=self.n_jobs,
            return_as="generator_unordered",
            pre_dispatch=self.n_jobs,
            batch_size=1,
        )
        stream = parallel(tasks(items))
        try:
            for number, evaluation in stream:
                yield in_flight.pop(number), evaluation
        finally:
            stream.close()

    def map(
        self, function: Callable, arguments: list, ends_at: float | None = None
    ) -> list:
        """See `Workers.map`."""
        task = joblib.delayed(_call)
        parallel = joblib.Parallel(n_jobs=self.n_jobs)
        return parallel(task(function, self.folds, a) for a in arguments)

    def _run_in_batches(self, items):
        while batch := list(itertools.islice(items, self.n_jobs)):
            parallel = joblib.Parallel(n_jobs=self.n_jobs)
            work = joblib.delayed(_work)
            evaluations = parallel(
                work(item, self.folds, self._keep_model(item)) for item in batch
            )
            yield from zip(batch, evaluations, strict=True)


@dataclass(frozen=True)
class _Call:
    """A function on its way to a process, with what it is about."""

    key: int
    argument: Any
    function: Callable[[], Any]
    ends_at: float | None
    is_second: bool = False


def _last_moment(item: WorkItem) -> float | None:
    """Return when a process is ended that has not obeyed its deadline or its limit."""
    if item.ends_at is None:
        return None
    moment = item.ends_at + GRACE_SECONDS
    if item.time_limit is None:
        return moment
    return min(moment, time.time() + HANG_FACTOR * item.time_limit + HANG_SECONDS)


def _evaluation(item: WorkItem, outcome: Outcome) -> Evaluation:
    """Return what the worker sent, or the reason why it sent nothing."""
    if not outcome.cause:
        return outcome.value
    if outcome.cause == "time":
        if item.ends_at is not None and time.time() >= item.ends_at:
            return Evaluation(item.candidate, "stopped", seconds=outcome.seconds)
        error = (
            f"TimeoutError: it took no notice of its limit of {item.time_limit:.3g} s"
        )
    elif outcome.cause == "died":
        error = f"{outcome.error}, twice"
    else:
        error = outcome.error
    return Evaluation(item.candidate, "failed", error=error, seconds=outcome.seconds)


def _short(item: WorkItem) -> WorkItem:
    if item.ends_at is None or item.time_limit is None:
        return item
    limit = max(FIRST_SHARE * (item.ends_at - time.time()), FIRST_SECONDS)
    return replace(item, time_limit=min(item.time_limit, limit))


_LOADED: dict[Path, Folds] = {}  # of a worker: the data of the search it serves
_LOADING = threading.Lock()


def _load(data: Folds | Path) -> Folds:
    if not isinstance(data, Path):
        return data
    with _LOADING:
        if data not in _LOADED:
            _LOADED.clear()
            _LOADED[data] = joblib.load(data, mmap_mode="r")
        return _LOADED[data]


def _call(function, data, argument):
    with contained():
        return function(_load(data), argument)


def _work_numbered(item: WorkItem, *arguments) -> tuple[int, Evaluation]:
    return item.number, _work(item, *arguments)


def _work(
    item: WorkItem, data: Folds | Path, keep_model: ModelFolder | None = None
) -> Evaluation:
    """Evaluate an item in a worker."""
    with contained():
        evaluation = run_item(item, _load(data), keep_model)
    give_memory_back()
    return evaluation
