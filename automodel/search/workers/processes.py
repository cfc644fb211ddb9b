"""Worker processes that run one call at a time, each ended when it must be.

The processes are independent: if one ends or is ended, the others go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from automodel.clock import NO_DEADLINE, Deadline
from automodel.exceptions import describe_error
from automodel.search.workers.pickling import dumps
from automodel.search.workers.starting import Starter
from automodel.search.workers.worker_process import Outcome, WorkerProcess

MEMORY_POLL_SECONDS = 0.05
POLL_SECONDS = 1.0  # between two looks at what sends no message, such as a clock


class ProcessPool:
    """Processes that run calls; use as a context manager.

    Parameters
    ----------
    n_workers : int
        Processes; each starts with its first call.
    memory_limit : int, default=None
        Bytes of resident memory above which a process is ended.
    most_kept : int, default=None
        Bytes, beside the libraries, above which a process is ended after its call,
        since some libraries never free their memory. The next call has a fresh process.
    """

    def __init__(
        self,
        n_workers: int,
        memory_limit: int | None = None,
        most_kept: int | None = None,
    ):
        self.memory_limit = memory_limit
        self.most_kept = most_kept
        self._news = threading.Event()
        # What all processes have loaded would count in the memory of each.
        self._starter = Starter(shares_libraries=memory_limit is None)
        self._workers = [
            WorkerProcess(n + 1, self._news, self._starter) for n in range(n_workers)
        ]
        self._unsent: list[Outcome] = []

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def has_idle(self, library: str) -> bool:
        """Tell whether a process that has loaded the library is idle, or none has."""
        own = [worker for worker in self._workers if library in worker.libraries]
        return not own or any(not worker.is_busy for worker in own)

    @property
    def server_bytes(self) -> int:
        """Bytes of the process that all others are forked from; 0 if there is none."""
        return self._starter.server_bytes

    @property
    def has_processes(self) -> bool:
        """Whether there is a process, idle or not."""
        return any(worker.connection is not None for worker in self._workers)

    @property
    def has_unsent(self) -> bool:
        """Whether the outcome of a call that could not be sent is waiting."""
        return bool(self._unsent)

    @property
    def n_idle(self) -> int:
        """Calls that could be submitted now."""
        return sum(not worker.is_busy for worker in self._workers)

    def submit(
        self,
        key: Hashable,
        call: Callable[[], Any],
        deadline: Deadline = NO_DEADLINE,
        library: str = "",
    ) -> None:
        """Run `call()` in an idle process.

        Parameters
        ----------
        key : hashable
            Identifies the call in its outcome.
        call : callable
            The call, pickled by value if its module cannot be imported elsewhere. If
            it cannot be pickled, its outcome is that of a call that raised an error.
        deadline : Deadline, default=NO_DEADLINE
            Moment at which the process is ended if the call still runs.
        library : str, default=""
            The library that the call needs. It goes to an idle process that has loaded
            the library, if there is one; calls that need none go to the others.
        """
        try:
            message = dumps(call)
        except Exception as error:  # noqa: BLE001  pickling may raise anything
            reason = f"cannot be sent to a worker: {describe_error(error)}"
            self._unsent.append(Outcome(key, None, "raised", reason))
            return
        idle = [worker for worker in self._workers if not worker.is_busy]
        worker = min(idle, key=lambda w: (library not in w.libraries, len(w.libraries)))
        try:
            worker.run(key, message, deadline, library)
        except (OSError, RuntimeError) as error:  # no memory, process or thread more
            worker.kill()
            self._do_without(worker)
            self._unsent.append(Outcome(key, None, "unstarted", describe_error(error)))

    def put_off(self, key: Hashable, deadline: Deadline) -> None:
        """Give a running call another deadline."""
        for worker in (w for w in self._workers if w.is_busy and w.key == key):
            worker.deadline = deadline

    def wait(self, look: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Wait until a call has ended; return the outcomes of all that have.

        `look` is called before a process is ended, and may put that off.

        Returns
        -------
        list of Outcome
            Empty if no call is running.
        """
        outcomes, self._unsent = self._unsent, []
        while not outcomes:
            busy = [worker for worker in self._workers if worker.is_busy]
            if not busy:
                break
            self._news.wait(self._patience(busy))
            self._news.clear()
            look()
            for worker in busy:
                outcome = worker.poll(self.memory_limit)
                if outcome is not None:
                    outcomes.append(outcome)
                    if outcome.cause == "unstarted":
                        self._do_without(worker)
            if self.most_kept is not None:
                self.end_idle(above=self.most_kept + self._starter.library_bytes)
        return outcomes

    def abandon(self) -> None:
        """End all running calls, without outcomes."""
        self._unsent = []
        for worker in self._workers:
            if worker.is_busy:
                worker.kill()

    def end_idle(self, above: int = 0) -> None:
        """End the idle processes that hold more bytes than `above`."""
        for worker in self._workers:
            if not worker.is_busy and worker.resident_bytes > above:
                worker.kill()

    def close(self) -> None:
        """End all processes at once."""
        for worker in self._workers:
            worker.kill()
        self._starter.close()
        for worker in self._workers:
            worker.join()

    def _do_without(self, worker: WorkerProcess) -> None:
        if self.has_processes:  # these are as many as there can be
            self._workers.remove(worker)

    def _patience(self, busy: list[WorkerProcess]) -> float:
        most = POLL_SECONDS if self.memory_limit is None else MEMORY_POLL_SECONDS
        left = min(worker.deadline.seconds_left for worker in busy)
        return min(max(left, 0.0), most)
