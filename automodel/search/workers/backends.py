"""Run trials in the active backend of joblib: threads, Dask, Ray and others."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from automodel.evaluation.folds import Folds
from automodel.exceptions import describe_error
from automodel.search.workers.base import (
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
from automodel.search.workers.engines import Engine, UnsendableError, open_engine
from automodel.search.workers.processes import POLL_SECONDS
from automodel.search.workers.work import Refit, WorkItem
from automodel.search.workers.worker_process import Outcome


class BackendWorkers(Workers):
    """Run trials in the joblib backend that the user has made active.

    Models keep the deadline by themselves. Calls that have not ended then are no longer
    waited for. A call whose worker has died runs once more, and then has failed. If the
    backend itself is gone, the search goes on in this process.

    Parameters
    ----------
    n_jobs : int
        Trials at a time.
    folds : Folds
        The data. Dask and Ray send them to each worker once.
    backend : joblib.parallel.ParallelBackendBase
        The active backend.
    model_folder : callable, default=None
        Returns the `ModelFolder` of a trial, which all machines must see. If it is
        None, models are returned with the evaluations.
    """

    refit_grace = REFIT_GRACE_SECONDS

    def __init__(
        self,
        n_jobs: int,
        folds: Folds,
        backend: Any,
        model_folder: ModelFolders | None = None,
    ):
        super().__init__(n_jobs, folds, model_folder)
        self.are_isolated = type(backend).__name__ != "ThreadingBackend"
        self._backend = backend
        self._engine = Engine(None, 1, folds)
        self._in_flight: dict[Hashable, Call] = {}
        self._to_rerun: list[Call] = []
        self._late: set[Hashable] = set()  # not ended when they had to be
        self._lost: list[str] = []
        self._unsent: list[Outcome] = []
        self._gone = ""

    def __enter__(self) -> Workers:
        self._make_folder()
        self._stack = ExitStack()
        # A worker of Dask that waits for others gives its place to one of them.
        self._stack.enter_context(self._backend.retrieval_context())
        try:
            self._engine = open_engine(self._backend, self.n_jobs, self.folds)
        except Exception as error:  # noqa: BLE001  clusters may raise anything
            self._give_up(error)
        return self

    def __exit__(self, *exc_info) -> None:
        with suppress(Exception):  # of a cluster
            self._engine.close()
        self._stack.close()
        self._remove_folder()

    @property
    def problem(self) -> str:
        """See `Workers.problem`."""
        parts = [self._gone]
        if self._lost:
            parts.append(f"Trials lost: {len(self._lost)}. The first: {self._lost[0]}")
        if self._late:
            parts.append(
                f"Trials that did not end in time, and may still run: {len(self._late)}"
            )
        said = " ".join(filter(None, parts))
        return said and f"{type(self._backend).__name__}: {said}"

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end."""
        calls = (Call(item.number, item, self._keep_model(item)) for item in items)
        try:
            yield from evaluations(self._outcomes(calls))
        finally:
            self._forget()

    def refit(self, orders: list[Refit]) -> Refitted:
        """See `Workers.refit`."""
        calls = [Call(("refit", i), order) for i, order in enumerate(orders)]
        try:
            return values_of(calls, self._outcomes(iter(calls)))
        finally:
            self._forget()

    def _outcomes(self, calls: Iterator[Call]) -> Iterator[tuple[Call, Outcome]]:
        while self._fill(calls):
            for outcome in self._wait():
                call = self._in_flight.pop(outcome.key, None)
                if call is None:
                    self._late.discard(outcome.key)
                elif outcome.cause == "died" and not call.is_second:
                    self._to_rerun.append(replace(call, is_second=True))
                else:
                    if outcome.cause and call.is_trial:
                        self._lost.append(outcome.error)
                    yield call, _timed(call, outcome)
            yield from self._past_their_end()

    def _fill(self, calls: Iterator[Call]) -> bool:
        """Submit calls while workers are free; return whether any call is running.

        A call whose worker has died runs again alone, since it may have been the cause.
        """
        if self._to_rerun:
            if not self._in_flight:
                self._submit(self._to_rerun.pop(0))
            return True
        is_alone = any(call.is_second for call in self._in_flight.values())
        while not is_alone and len(self._in_flight) < self._engine.n_jobs:
            call = next(calls, None)
            if call is None:
                break
            self._submit(call)
        return bool(self._in_flight)

    def _submit(self, call: Call) -> None:
        call = replace(call, start=call.deadline.clock.now())
        self._in_flight[call.key] = call
        try:
            self._engine.submit(call.key, call.function, call.order, call.keep_model)
        except UnsendableError as error:
            self._unsent.append(Outcome(call.key, None, "raised", str(error)))
        except Exception as error:  # noqa: BLE001  of a cluster
            self._give_up(error)

    def _wait(self) -> list[Outcome]:
        """Return outcomes; none if a deadline has come."""
        outcomes, self._unsent = self._unsent, []
        if outcomes:
            return outcomes
        left = min(c.deadline.seconds_left for c in self._in_flight.values())
        try:
            return self._engine.wait(min(max(left, 0.0), POLL_SECONDS))
        except Exception as error:  # noqa: BLE001  of a cluster
            self._give_up(error)
            return []

    def _past_their_end(self) -> Iterator[tuple[Call, Outcome]]:
        late = [call for call in self._in_flight.values() if call.deadline.is_over]
        for call in late:
            del self._in_flight[call.key]
            if not self._engine.forget(call.key) and call.is_trial:
                self._late.add(call.key)
        waiting, self._to_rerun = self._to_rerun, []
        for call in waiting:  # there is no time to run it again
            (late if call.order.deadline.is_over else self._to_rerun).append(call)
        for call in late:
            outcome = Outcome(call.key, None, "time", "it ran past its end")
            yield call, _timed(call, outcome)

    def _give_up(self, error: Exception) -> None:
        """Go on in this process, also with the calls that the backend had."""
        self._gone = (
            "The backend could not be used, and the search went on in this process. "
            f"{describe_error(error)}."
        )
        with suppress(Exception):  # it is gone
            self._engine.close()
        self._engine, self.n_jobs = Engine(None, 1, self.folds), 1
        unsent = {outcome.key for outcome in self._unsent}
        for call in list(self._in_flight.values()):
            if call.key not in unsent:
                self._submit(call)

    def _forget(self) -> None:
        for key in self._in_flight:
            self._engine.forget(key)
        self._in_flight.clear()
        self._to_rerun, self._unsent = [], []
        if self._late:
            with suppress(Exception):  # of a cluster
                self._late -= {outcome.key for outcome in self._engine.wait(0.0)}


def _timed(call: Call, outcome: Outcome) -> Outcome:
    """Return an outcome with its time, if the engine has not measured it."""
    if outcome.seconds or not outcome.cause:
        return outcome
    return replace(outcome, seconds=call.deadline.clock.now() - call.start)
