"""Run trials in processes of our own, which may die, hang or grow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from automodel import mapped
from automodel.clock import Deadline
from automodel.containment import give_memory_back
from automodel.evaluation.evaluate import Candidate
from automodel.evaluation.folds import Folds
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.preprocessing.stateless import bytes_written
from automodel.search.models import ModelFolder
from automodel.search.workers.base import (
    HERE,
    Evaluations,
    ModelFolders,
    Refitted,
    Workers,
)
from automodel.search.workers.call import (
    REFIT_GRACE_SECONDS,
    Call,
    evaluations,
    values_of,
)
from automodel.search.workers.pickling import all_by_value
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.work import (
    Refit,
    WorkItem,
    refit,
    run_here,
    run_item,
)
from automodel.search.workers.worker_process import Outcome
from automodel.task import Task

FIRST_SHARE = 0.1  # of the time, for the trial that runs here while workers start
FIRST_SECONDS = 2.0  # the least for that trial
MOST_HERE = 64 * 2**20  # bytes of data, above which that trial would take much memory
CROWDED_SECONDS = 20.0  # with less time, the workers start after that trial
SLOW_START = 1.0  # a library that takes longer to load is loaded by one worker alone
HANG_FACTOR, HANG_SECONDS = 1.5, 5.0  # a trial that ignores its time limit is ended
RAN_HERE = "Trials ran in this process, since"
# That an idle worker may hold, beside the libraries and twice the data.
KEPT_BYTES = 192 * 2**20


class OwnProcesses(Workers):
    """Run trials in processes that may die, hang or grow without harm to the search.

    A trial whose process has died runs once more, alone, since it may not have been
    the cause. If its process dies again, the trial has failed.
    """

    are_isolated = True
    refit_grace = REFIT_GRACE_SECONDS

    def __init__(
        self,
        n_jobs: int,
        folds: Folds,
        memory_limit: int | None = None,
        model_folder: ModelFolders | None = None,
    ):
        super().__init__(n_jobs, folds, model_folder)
        self.memory_limit = memory_limit
        most_kept = KEPT_BYTES + 2 * sys.getsizeof(folds)
        self._pool = ProcessPool(n_jobs, memory_limit, most_kept)
        self._may_start_here = may_start_here(folds, memory_limit)
        self._in_flight: dict[Any, Call] = {}
        self._to_rerun: list[Call] = []
        self._unstarted: list[Call] = []
        self._n_written = 0  # bytes of the outputs that trials share

    def __enter__(self) -> Workers:
        super().__enter__()
        self._data: Path | None = self._folder / "folds"
        try:
            with all_by_value():
                mapped.dump(self.folds, self._data)
            self._share(self._data)
        except Exception as error:  # noqa: BLE001  a full disk, or no pickle
            with suppress(OSError):  # a part that is on a full disk
                self._data.unlink(missing_ok=True)
            self._data, self.n_jobs, self.are_isolated = None, 1, False
            self._tell_here("the data could not be sent to workers", error)
        except BaseException:
            self._remove_folder()
            raise
        return self

    def dismiss(self) -> None:
        """End the processes; models in files stay until the end of the block."""
        self._pool.close()

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end.

        The first item runs in this process while the workers start, if it is known to
        be cheap and safe.
        """
        if self._data is None:
            yield from super().run(items)
            return
        items = iter(items)
        calls = (self._call(item) for item in items)
        try:
            if self._may_start_here:
                self._may_start_here = False
                yield from self._start_here(items, calls)
            yield from evaluations(self._outcomes(calls))
        finally:
            self._abandon()

    def refit(self, orders: list[Refit]) -> Refitted:
        """See `Workers.refit`; a call whose process died twice has no result."""
        if self._data is None:
            return super().refit(orders)
        calls = [
            Call(("refit", i), order, ModelFolder(self._folder, f"refit-{i}"))
            for i, order in enumerate(orders)
        ]
        try:
            return values_of(calls, self._outcomes(iter(calls)))
        finally:
            self._abandon()

    def accepts(self, family: ModelFamily) -> bool:
        """See `Workers.accepts`."""
        return self._pool.has_idle(slow_library(family, self.folds.task))

    def _share(self, path: Path) -> None:
        """Let this process map the file, too, instead of a copy of the rows."""
        if sys.platform == "win32":  # which removes no file that is mapped
            return
        same = mapped.load(path)
        if type(same.rows) is type(self.folds.rows):  # and no copy of a local class
            self.folds.use_rows_of(same)

    def _start_here(self, items, calls):
        first = next(items, None)
        if first is None:
            return
        if first.is_rerun or not is_first_here(first.candidate, self.folds.task):
            self._submit(self._call(first))
            return
        if first.deadline.seconds_left >= CROWDED_SECONDS:
            self._fill(calls)
        first = _short(first)
        yield from super().run([first])
        self.folds.forget_encoded()
        give_memory_back()

    def _outcomes(self, calls: Iterator[Call]) -> Iterator[tuple[Call, Outcome]]:
        self._fill(calls)
        while outcomes := self._pool.wait(self._excuse):
            for outcome in outcomes:
                call = self._in_flight.pop(outcome.key)
                if outcome.cause == "unstarted" and self._pool.has_processes:
                    waiting = self._to_rerun if call.is_second else self._unstarted
                    waiting.append(call)  # one of them will take it
                    self.n_jobs -= 1
                    reason = f"Workers that could be started: {self.n_jobs}"
                    self._problem = f"{reason}. {outcome.error}."
                elif outcome.cause == "unstarted":
                    self._tell_here("no worker could be started", outcome.error)
                    yield call, self._here(call)
                elif outcome.cause == "died" and not call.is_second:
                    self._to_rerun.append(replace(call, is_second=True))
                else:
                    yield call, outcome
            self._fill(calls)

    def _here(self, call: Call) -> Outcome:
        """Run a call in this process."""
        run = run_item if call.is_trial else partial(run_here, refit)
        value = run(call.order, self.folds, call.keep_model)
        return Outcome(call.key, value, worker=HERE)

    def _tell_here(self, reason: str, error: Exception | str) -> None:
        text = error if isinstance(error, str) else describe_error(error)
        self._problem = f"{RAN_HERE} {reason}. {text}."
        if self.memory_limit is not None:
            self._problem += " memory_limit was not kept there."

    def _fill(self, calls: Iterator[Call]) -> None:
        """Give idle workers something to do."""
        if self._to_rerun:
            if not self._in_flight:
                self._submit(self._to_rerun.pop(0))
            return
        if any(call.is_second for call in self._in_flight.values()):
            return
        while self._pool.n_idle and not self._pool.has_unsent:
            if self._unstarted:
                self._submit(self._unstarted.pop(0))
                continue
            call = next(calls, None)
            if call is None:
                return
            self._submit(call)

    def _submit(self, call: Call) -> None:
        self._in_flight[call.key] = call
        order = call.order
        function = partial(call.function, order, self._data, call.keep_model)
        library = slow_library(order.candidate.family, self.folds.task)
        self._pool.submit(call.key, function, _last_moment(call), library)

    def _excuse(self) -> None:
        """Give trials more time while an output that they wait for is being written."""
        n_written = bytes_written(self._outputs)
        if n_written != self._n_written:
            self._n_written = n_written
            for call in self._in_flight.values():
                self._pool.put_off(call.key, _last_moment(call))

    def _abandon(self) -> None:
        self._pool.abandon()
        self._in_flight.clear()
        self._to_rerun.clear()
        self._unstarted.clear()

    def _call(self, item: WorkItem) -> Call:
        return Call(item.number, item, self._keep_model(item))


def may_start_here(folds: Folds, memory_limit: int | None) -> bool:
    """Tell whether a first trial may run in the process of the search.

    Its memory is not limited there, and that of large data would stay.
    """
    return memory_limit is None and sys.getsizeof(folds) <= MOST_HERE


def is_first_here(candidate: Candidate, task: Task) -> bool:
    """Tell whether a first trial is so cheap and safe that it runs there."""
    family = candidate.family
    return family.starts_search and family.cost(candidate.params, task) < FIRST_SECONDS


def slow_library(family: ModelFamily, task: Task) -> str:
    """Return the library of a family if it is slow to load, and else ""."""
    needs = family.resources(task)
    return needs.library if needs.start_seconds >= SLOW_START else ""


def _last_moment(call: Call) -> Deadline:
    """Return when a process is ended that has not kept its deadline or its limit."""
    limit = call.order.time_limit if isinstance(call.order, WorkItem) else None
    if limit is None or not call.deadline.exists:
        return call.deadline
    return call.deadline.within(HANG_FACTOR * limit + HANG_SECONDS)


def _short(item: WorkItem) -> WorkItem:
    if not item.deadline.exists or item.time_limit is None:
        return item
    limit = max(FIRST_SHARE * item.deadline.seconds_left, FIRST_SECONDS)
    return replace(item, time_limit=min(item.time_limit, limit))
