"""Engines that run calls for a backend of joblib: threads, Dask, Ray, any other.

An engine has no more calls than jobs, and returns each outcome when its call has ended.
Of the backends of Dask and Ray, only the client and the options are used, since joblib
would wait forever for a call whose worker has died.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

import cloudpickle
import joblib

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.folds import Folds
from automodel.exceptions import describe_error
from automodel.search.models import ModelFolder
from automodel.search.timeout import within
from automodel.search.workers.pickling import dumps
from automodel.search.workers.work import Refit, WorkItem, run_here
from automodel.search.workers.worker_process import Outcome

Function = Callable[..., Any]  # `work` or `refit`
SCATTER_SECONDS = 600.0  # at most, for sending the data to the workers of Dask
FIRST_SCATTER_SECONDS = 20.0  # then the data are sent again, with twice the time
FETCH_SECONDS = 600.0  # at most, for fetching a result
ASK_SECONDS = 5.0  # between two questions whether a cluster has workers
GONE_SECONDS = 60.0  # a cluster that has no workers for so long is given up
TASK_OPTIONS = (  # of Ray, among the options of the backend, which are for actors
    "num_cpus",
    "num_gpus",
    "resources",
    "memory",
    "accelerator_type",
    "label_selector",
    "runtime_env",
    "scheduling_strategy",
)


class EngineError(Exception):
    """No call can be run any more."""


class UnsendableError(Exception):
    """A call cannot be pickled."""


class Engine:
    """Run calls in this process, each when its outcome is waited for.

    Parameters
    ----------
    backend : joblib.parallel.ParallelBackendBase or None
        The active backend.
    n_jobs : int
        Calls at a time.
    folds : Folds
        The data, passed to each call.
    """

    def __init__(self, backend: Any, n_jobs: int, folds: Folds):
        self.backend = backend
        self.n_jobs = n_jobs
        self.folds = folds
        self._ended: queue.SimpleQueue = queue.SimpleQueue()
        self._waiting: list[tuple[Hashable, Callable[..., Any]]] = []

    def submit(
        self,
        key: Hashable,
        call: Function,
        order: WorkItem | Refit,
        keep_model: ModelFolder | None = None,
    ) -> None:
        """Run `call(order, data, keep_model)`; `key` names it in its outcome."""
        own = partial(run_here, call, order, self.folds, keep_model)
        self._waiting.append((key, own))

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes of calls that have ended; wait for `seconds` at most.

        Raises
        ------
        EngineError
            If none of the submitted calls will ever end.
        """
        return [_outcome(*self._waiting.pop(0))] if self._waiting else []

    def forget(self, key: Hashable) -> bool:
        """End a call; return whether that was possible."""
        self._waiting = [own for own in self._waiting if own[0] != key]
        return True

    def close(self) -> None:
        """Free the resources of the engine; calls that still run are left alone."""

    def _next(self, seconds: float) -> list[Any]:
        """Return what is in the queue; wait for `seconds` at most."""
        found = []
        with suppress(queue.Empty):
            found.append(self._ended.get(timeout=max(seconds, 0.0)))
            while True:
                found.append(self._ended.get_nowait())
        return found


class Threads(Engine):
    """Run calls in threads of this process, which does not wait for them to exit."""

    def submit(self, key, call, order, keep_model=None) -> None:
        """See `Engine.submit`."""
        own = partial(call, order, self.folds, keep_model)
        run = copy_context().run  # within the same context as this fit
        thread = threading.Thread(target=run, args=(self._run, key, own), daemon=True)
        thread.start()

    def wait(self, seconds: float) -> list[Outcome]:
        """See `Engine.wait`."""
        return self._next(seconds)

    def forget(self, key: Hashable) -> bool:
        """See `Engine.forget`; a thread cannot be ended."""
        return False

    def _run(self, key: Hashable, call: Callable[[], Any]) -> None:
        with joblib.parallel_config("sequential"):  # each with one thread
            self._ended.put(_outcome(key, call))


class Dask(Engine):
    """Run calls on the workers of Dask.

    If a worker dies, Dask runs its call again, by default up to three times.
    """

    def __init__(self, backend: Any, n_jobs: int, folds: Folds):
        super().__init__(backend, n_jobs, folds)
        self._client = backend.client
        self._data: Any = None
        self._futures: dict[Hashable, Any] = {}
        self._gone_at = Deadline.after(GONE_SECONDS)
        self._is_closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, key, call, order, keep_model=None) -> None:
        """See `Engine.submit`."""
        message = _message(call, order, keep_model)
        options = {"pure": False, **getattr(self.backend, "submit_kwargs", {})}
        data = self._on_workers(order.deadline)
        future = self._client.submit(answer, message, data, **options)
        self._futures[key] = future
        future.add_done_callback(partial(self._begin_to_take, key))

    def wait(self, seconds: float) -> list[Outcome]:
        """See `Engine.wait`."""
        ended = self._next(seconds)
        if not ended and (self._gone_at.is_over or self._client.status == "closed"):
            raise EngineError("the cluster has no workers")
        for outcome in ended:
            self._futures.pop(outcome.key, None)
        return ended

    def forget(self, key: Hashable) -> bool:
        """See `Engine.forget`; a call that has begun cannot be ended."""
        return False

    def close(self) -> None:
        """See `Engine.close`."""
        self._is_closed.set()
        held = [*self._futures.values(), self._data]
        for future in filter(None, held):
            future.release()

    def _on_workers(self, deadline: Deadline) -> Any:
        """Return a reference to the data; send them again if all that had them died."""
        if self._data is None or self._data.status not in ("pending", "finished"):
            self._data = self._scatter(deadline.within(SCATTER_SECONDS))
        return self._data

    def _scatter(self, end: Deadline) -> Any:
        """Send the data; a worker that dies meanwhile may leave Dask waiting for it."""
        options = {"broadcast": True, "hash": False, "timeout": GONE_SECONDS}
        send = partial(self._client.scatter, self.folds, **options)
        seconds = FIRST_SCATTER_SECONDS
        while True:
            try:
                return within(send, min(max(end.seconds_left, 0.0), seconds))
            except TimeoutError:
                if end.is_over or self._gone_at.is_over:
                    raise
            seconds *= 2

    def _begin_to_take(self, key: Hashable, future: Any) -> None:
        """Take a result in another thread than the one in which Dask announces it."""
        threading.Thread(target=self._take, args=(key, future), daemon=True).start()

    def _take(self, key: Hashable, future: Any) -> None:
        """Fetch a result, which may never come if its worker has died."""
        try:
            result = future.result(FETCH_SECONDS)
        except Exception as error:  # noqa: BLE001  of a worker, or of a network
            # It is cancelled if the workers that had the data or the result have died.
            cause = "raised" if future.status == "error" else "died"
            self._ended.put(Outcome(key, None, cause, describe_error(error)))
        else:
            self._ended.put(_outcome(key, partial(cloudpickle.loads, result)))

    def _watch(self) -> None:
        """Ask whether there are workers, until the engine is closed."""
        while not self._is_closed.is_set():
            with suppress(Exception):  # no answer means that there are no workers
                if within(self._client.scheduler_info, ASK_SECONDS)["workers"]:
                    self._gone_at = Deadline.after(GONE_SECONDS)
            self._is_closed.wait(ASK_SECONDS)


class Ray(Engine):
    """Run calls as tasks of Ray, which runs a call again if its worker dies."""

    def __init__(self, backend: Any, n_jobs: int, folds: Folds):
        super().__init__(backend, n_jobs, folds)
        import ray

        self._data: Any = ray.put(folds)  # once, for all workers of a machine
        given = getattr(backend, "ray_remote_args", None) or {}
        options = {name: given[name] for name in TASK_OPTIONS if name in given}
        task: Any = ray.remote(answer)
        self._task = task.options(**{"num_cpus": 1, "max_retries": 1, **options})
        self._keys: dict[Any, Hashable] = {}

    def submit(self, key, call, order, keep_model=None) -> None:
        """See `Engine.submit`."""
        # In a tuple Ray does not replace the reference by the data; workers keep those.
        task = self._task.remote(_message(call, order, keep_model), (self._data,))
        self._keys[task] = key

    def wait(self, seconds: float) -> list[Outcome]:
        """See `Engine.wait`."""
        import ray

        if not ray.is_initialized():
            raise EngineError("it was shut down")
        first, _ = ray.wait(list(self._keys), timeout=max(seconds, 0.0))
        ended = (
            first
            and ray.wait(list(self._keys), num_returns=len(self._keys), timeout=0.0)[0]
        )
        return [
            _outcome(self._keys.pop(task), partial(_result_of_ray, task))
            for task in ended
        ]

    def forget(self, key: Hashable) -> bool:
        """See `Engine.forget`."""
        import ray

        for task in [task for task, own in self._keys.items() if own == key]:
            del self._keys[task]
            with suppress(Exception):  # the task has ended anyway
                ray.cancel(task, force=True)
        return True

    def close(self) -> None:
        """See `Engine.close`."""
        for key in list(self._keys.values()):
            self.forget(key)
        self._data = None


class Batches(Engine):
    """Run calls in any backend, in batches of as many as there are jobs.

    If a batch fails, its calls run again one by one.
    """

    def __init__(self, backend: Any, n_jobs: int, folds: Folds):
        super().__init__(backend, n_jobs, folds)
        self._is_running = False
        self._uses_threads = getattr(backend, "uses_threads", False)
        streams = getattr(backend, "supports_return_generator", False)
        kind = "generator_unordered" if streams else "list"
        self._parallel = joblib.Parallel(
            n_jobs=n_jobs, backend=backend, return_as=kind, batch_size=1
        )

    def submit(self, key, call, order, keep_model=None) -> None:
        """See `Engine.submit`."""
        context = copy_context()  # as in `Threads`
        make = partial(self._ready, context, call, order, keep_model)
        self._waiting.append((key, make))

    def wait(self, seconds: float) -> list[Outcome]:
        """See `Engine.wait`."""
        if self._waiting and not self._is_running:
            batch, self._waiting, self._is_running = self._waiting, [], True
            threading.Thread(target=self._run, args=(batch,), daemon=True).start()
        found = self._next(seconds)
        if None in found:  # the batch has ended
            self._is_running = False
        return [outcome for outcome in found if outcome is not None]

    def forget(self, key: Hashable) -> bool:
        """See `Engine.forget`; a call that has begun cannot be ended."""
        n_before = len(self._waiting)
        super().forget(key)
        return len(self._waiting) < n_before

    def _ready(self, context, call, order, keep_model) -> Callable[[], Any]:
        """Return the call for the backend, by value if it runs in another process."""
        if self._uses_threads:
            # A copy, since a call that was given up may still run when it runs again.
            return partial(context.copy().run, call, order, self.folds, keep_model)
        return partial(answer, _message(call, order, keep_model), self.folds)

    def _run(self, batch: list) -> None:
        missing = dict(batch)
        try:
            self._collect(missing)
        except BaseException:  # noqa: BLE001  one of the calls has ended a worker
            for key, make in list(missing.items()):
                self._run_alone(key, make)
        self._ended.put(None)

    def _run_alone(self, key: Hashable, make: Callable[[], Any]) -> None:
        try:
            self._collect({key: make})
        except BaseException as error:  # noqa: BLE001  see above
            self._ended.put(Outcome(key, None, "raised", describe_error(error)))

    def _collect(self, missing: dict[Hashable, Callable[[], Any]]) -> None:
        """Run calls, and remove from `missing` those that have ended."""
        ready = [(key, make()) for key, make in missing.items()]
        for outcome in self._parallel(joblib.delayed(_outcome)(*one) for one in ready):
            del missing[outcome.key]
            if not (self._uses_threads or outcome.cause):
                outcome = replace(outcome, value=cloudpickle.loads(outcome.value))
            self._ended.put(outcome)


def open_engine(backend: Any, n_jobs: int, folds: Folds) -> Engine:
    """Return the engine of a backend."""
    name = type(backend).__name__
    kinds = {
        "ThreadingBackend": Threads,
        "DaskDistributedBackend": Dask,
        "RayBackend": Ray,
    }
    return kinds.get(name, Batches)(backend, n_jobs, folds)


def answer(message: bytes, data: Any) -> bytes:
    """Run a call on another machine, which has a clock of its own."""
    call, order, seconds_left, keep_model = cloudpickle.loads(message)
    order = replace(order, deadline=Deadline.after(seconds_left))
    data = data[0] if isinstance(data, tuple) else data
    return cloudpickle.dumps(call(order, data, keep_model))


def _message(call: Function, order: WorkItem | Refit, keep_model) -> bytes:
    left = order.deadline.seconds_left
    try:
        return dumps((call, replace(order, deadline=NO_DEADLINE), left, keep_model))
    except Exception as error:  # noqa: BLE001  pickling may raise anything
        reason = f"cannot be sent to a worker: {describe_error(error)}"
        raise UnsendableError(reason) from error


def _outcome(key: Hashable, call: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(key, call())
    except BaseException as error:  # noqa: BLE001  of a trial, or of its worker
        is_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and is_main:
            raise
        return Outcome(key, None, "raised", describe_error(error))


def _result_of_ray(task: Any) -> Any:
    import ray

    return cloudpickle.loads(ray.get(task))
