"""Run trials in the backend of joblib that is active: threads, Dask, Ray and others."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import joblib

from automodel.evaluation import Evaluation
from automodel.folds import Folds
from automodel.search.work import Refit, WorkItem, refit, work
from automodel.search.workers import (
    Evaluations,
    ModelFolders,
    Refitted,
    Step,
    Workers,
)


class BackendWorkers(Workers):
    """Run trials in the joblib backend that the user has made active.

    Its workers cannot be ended: the deadline is kept by the models alone.

    Parameters
    ----------
    n_jobs : int
        Trials at a time.
    folds : Folds
        The data. Dask and Ray send it to each worker once.
    backend : joblib.parallel.ParallelBackendBase
        The active backend.
    model_folder : callable, default=None
        Returns what keeps the models of a trial, in a folder that all machines see;
        None, and they come back with the evaluations.
    """

    def __init__(
        self,
        n_jobs: int,
        folds: Folds,
        backend: Any,
        model_folder: ModelFolders | None = None,
    ):
        super().__init__(n_jobs, folds, model_folder)
        self.are_isolated = type(backend).__name__ != "ThreadingBackend"
        self._streams = getattr(backend, "supports_return_generator", False)
        self._data = _in_store(folds) if _is_ray(backend) else folds
        self._parallel = joblib.Parallel(n_jobs=n_jobs)

    def __enter__(self) -> Workers:
        if not self._streams:
            self._parallel.__enter__()  # its workers serve all batches
        return self

    def __exit__(self, *exc_info) -> None:
        if not self._streams:
            self._parallel.__exit__(*exc_info)

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end."""
        return self._stream(items) if self._streams else self._batches(iter(items))

    def refit(
        self,
        orders: list[Refit],
        then: Step = lambda: None,
        ends_at: float | None = None,
        then_seconds: float = 0.0,
    ) -> Refitted:
        """See `Workers.refit`."""
        call = joblib.delayed(refit)
        found = self._parallel(call(order, self._data) for order in orders)
        if ends_at is None or time.time() + then_seconds < ends_at:
            then()
        return found

    def _stream(self, items: Iterable[WorkItem]) -> Evaluations:
        in_flight: dict[int, WorkItem] = {}

        def calls() -> Iterator:
            for item in items:
                in_flight[item.number] = item
                yield self._call(item)

        parallel = joblib.Parallel(
            n_jobs=self.n_jobs,
            return_as="generator_unordered",
            pre_dispatch=self.n_jobs,
            batch_size=1,
        )
        stream = parallel(calls())
        try:
            for number, evaluation in stream:
                yield in_flight.pop(number), evaluation
        finally:
            stream.close()

    def _batches(self, items: Iterator[WorkItem]) -> Evaluations:
        while batch := list(itertools.islice(items, self.n_jobs)):
            evaluations = dict(self._parallel(self._call(item) for item in batch))
            yield from ((item, evaluations[item.number]) for item in batch)

    def _call(self, item: WorkItem):
        return joblib.delayed(_numbered)(item, self._data, self._keep_model(item))


def _numbered(item: WorkItem, *arguments) -> tuple[int, Evaluation]:
    return item.number, work(item, *arguments)


def _is_ray(backend: Any) -> bool:
    return type(backend).__module__.startswith("ray.")


def _in_store(folds: Folds) -> Any:
    """Put the data where all workers of Ray can read it without a copy."""
    import ray

    return ray.put(folds)
