"""Run trials: in this process, or in workers of the active joblib backend."""

from __future__ import annotations

import faulthandler
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import get_active_backend

from automodel.evaluation import Candidate, Evaluation, evaluate
from automodel.folds import Folds
from automodel.search.containment import contained, give_memory_back
from automodel.search.pruning import Snapshot
from automodel.search.storage import ModelFolder

FIRST_SHARE = 0.1  # of the time, for the trial that runs here while workers start
FIRST_SECONDS = 2.0  # at least
CROWDED_SECONDS = 20.0  # left, below which the workers start after that trial
GRACE_SECONDS = 0.2  # between the deadline and the end of a worker that missed it


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


class Workers:
    """The place where trials run; use as a context manager.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib; one job runs in this process.
    folds : Folds
        The data, passed once.
    """

    def __init__(self, n_jobs: int | None, folds: Folds):
        backend, _ = get_active_backend()
        self.n_jobs = joblib.effective_n_jobs(n_jobs)
        self.folds = folds
        self.in_processes = self.n_jobs > 1 and type(backend).__name__ == "LokyBackend"
        self._can_stream = getattr(backend, "supports_return_generator", False)
        self._folder: Path | None = None

    def __enter__(self) -> Workers:
        if self.in_processes:
            self._folder = Path(tempfile.mkdtemp(prefix="automodel-"))
            joblib.dump(self.folds, self._folder / "folds.joblib")
        return self

    def __exit__(self, *exc_info) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, items: Iterator[WorkItem]) -> Iterator[tuple[WorkItem, Evaluation]]:
        """Yield items with their evaluations as they end.

        The next item is asked for when a worker is free. The first one runs in
        this process while the workers start.
        """
        if self.n_jobs == 1:
            for item in items:
                yield item, run_item(item, self.folds)
            return
        yield from self._run_parallel(items)

    def run_batch(self, items: list[WorkItem]) -> Iterable[tuple[WorkItem, Evaluation]]:
        """Evaluate all items and return them in order.

        In this process each is handed over as it ends, so that Ctrl-C loses only the
        one that runs.
        """
        if self.n_jobs == 1 or len(items) == 1:
            return ((item, run_item(item, self.folds)) for item in items)
        parallel = joblib.Parallel(n_jobs=self.n_jobs)
        return list(zip(items, parallel(self._task(i) for i in items), strict=True))

    def map(self, function: Callable, arguments: list) -> list:
        """Call `function(folds, argument)` for each argument, in the workers."""
        if self.n_jobs == 1 or len(arguments) == 1:
            return [function(self.folds, argument) for argument in arguments]
        task = joblib.delayed(_call)
        parallel = joblib.Parallel(n_jobs=self.n_jobs)
        return parallel(task(function, self._data(), a) for a in arguments)

    def _run_parallel(self, items):
        in_flight: dict[int, WorkItem] = {}
        first = next(items, None)
        if first is None:
            return
        is_short = (
            first.ends_at is not None and first.ends_at - time.time() < CROWDED_SECONDS
        )
        stream = None if is_short else self._stream(items, in_flight)
        try:
            yield first, run_item(_short(first), self.folds)
            self.folds.forget_encoded()
            give_memory_back()
            if stream is None:
                stream = self._stream(items, in_flight)
            for number, evaluation in stream:
                yield in_flight.pop(number), evaluation
        except TerminatedWorkerError:
            lost = list(in_flight.values())
            yield from self._run_lost(lost)
            yield from self._run_parallel(items)
        finally:
            if stream is not None:
                stream.close()

    def _stream(self, items, in_flight):
        """Return a generator of (number, evaluation); the workers start at once."""

        def tasks(source):
            for item in source:
                in_flight[item.number] = item
                yield self._task(item, with_number=True)

        if self._can_stream:
            parallel = joblib.Parallel(
                n_jobs=self.n_jobs,
                return_as="generator_unordered",
                pre_dispatch=self.n_jobs,
                batch_size=1,
            )
            return parallel(tasks(items))
        return self._stream_in_batches(tasks, items)

    def _stream_in_batches(self, tasks, items):
        while batch := list(itertools.islice(items, self.n_jobs)):
            yield from joblib.Parallel(n_jobs=self.n_jobs)(tasks(batch))

    def _run_lost(self, lost):
        """Run what a dead worker had, once more and alone."""
        for item in lost:
            if item.ends_at is not None and time.time() >= item.ends_at:
                yield item, Evaluation(item.candidate, "stopped")
                continue
            try:
                parallel = joblib.Parallel(n_jobs=2, pre_dispatch=1)
                [evaluation] = parallel([self._task(item)])
            except TerminatedWorkerError as error:
                message = f"{type(error).__name__}: the worker died twice"
                evaluation = Evaluation(item.candidate, "failed", error=message)
            yield item, evaluation

    def _task(self, item: WorkItem, with_number: bool = False):
        function = _work_numbered if with_number else _work
        return joblib.delayed(function)(item, self._data(), self._folder)

    def _data(self):
        return self.folds if self._folder is None else self._folder / "folds.joblib"


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


def _work_numbered(item: WorkItem, data, folder) -> tuple[int, Evaluation]:
    return item.number, _work(item, data, folder)


def _work(item: WorkItem, data: Folds | Path, folder: Path | None) -> Evaluation:
    """Evaluate an item in a worker; end the process if it misses the deadline."""
    keep_model = None if folder is None else ModelFolder(folder, item.number)
    with contained(), _ending_at(None if folder is None else item.ends_at):
        evaluation = run_item(item, _load(data), keep_model)
    give_memory_back()
    return evaluation


@contextmanager
def _ending_at(moment: float | None) -> Iterator[None]:
    """End this process, also within native code, if the block outlasts a moment."""
    if moment is None:
        yield
        return
    seconds = max(moment - time.time(), 0.0) + GRACE_SECONDS
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
