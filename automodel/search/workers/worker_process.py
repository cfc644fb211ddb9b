"""WorkerProcess: a process and the call that it runs."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from automodel.clock import NO_DEADLINE, Clock, Deadline
from automodel.exceptions import describe_error
from automodel.search.workers.starting import Starter, resident_bytes

JOIN_SECONDS = 2.0
EXCHANGE_SECONDS = 0.2  # until a thread notices that the worker was ended


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    `value` is what the call returned after `seconds`. If it returned nothing, `error`
    says why, and `cause` is "raised", "died", "memory", "time", or "unstarted" if no
    process could run it. `worker` is the number of the process, if that is known.
    """

    key: Hashable
    value: Any = None
    cause: str = ""
    error: str = ""
    seconds: float = 0.0
    worker: int | None = None


class WorkerProcess:
    """A process, which starts with its first call, and the call that it runs.

    Parameters
    ----------
    number : int
        Its number among the workers.
    news : Event
        Set when a call has ended.
    starter : Starter
        Starts the process.
    """

    def __init__(self, number: int, news: threading.Event, starter: Starter) -> None:
        self.number, self.news, self.starter = number, news, starter
        self.process: Any = None  # a Process
        self.connection: Any = None
        self.lifeline: Any = None  # closes when this process is gone
        self.exchange: Any = None
        self.key: Hashable = None
        self.message, self.library = b"", ""
        self.deadline = NO_DEADLINE
        self.is_busy = self.is_dead = False
        self.start = 0.0
        self.libraries: set[str] = set()

    @property
    def resident_bytes(self) -> int:
        """Bytes of resident memory; 0 if the process is not running."""
        if self.connection is None or self.process is None or self.process.pid is None:
            return 0
        return resident_bytes(self.process.pid)

    def run(
        self, key: Hashable, message: bytes, deadline: Deadline, library: str = ""
    ) -> None:
        """Start to run a call; `message` is its pickle.

        An idle process makes way for one that has the library, if that is shared.
        """
        is_dead = self.process is not None and not self.process.is_alive()
        shared = library if self.starter.shares(library) else ""
        if is_dead or not {shared} - {""} <= self.libraries:
            self.kill()
        self._start(shared)
        self.start = deadline.clock.now()
        self.exchange = _Exchange(self.connection, message, self.news, deadline.clock)
        self.key, self.deadline = key, deadline
        self.message, self.library = message, library
        self.is_busy, self.is_dead = True, False
        if library:
            self.libraries.add(library)

    def poll(self, memory_limit: int | None) -> Outcome | None:
        """Return the outcome of the call if it has ended, or has to."""
        if self.exchange.is_over:
            return self._received()
        if self.deadline.is_over:
            return self._ended("time", "it ran past the moment at which it had to end")
        if memory_limit is not None:
            used = self.resident_bytes
            if used > memory_limit:
                message = (
                    f"MemoryError: it used {_gigabytes(used)} of memory, more than "
                    f"memory_limit={_gigabytes(memory_limit)}"
                )
                return self._ended("memory", message)
        if self.is_dead:  # and a child of its own keeps the connection open
            return self._died()
        self.is_dead = not self.process.is_alive()
        return None

    def kill(self) -> None:
        """End the process, without an outcome of its call."""
        if self.process is not None:
            self.process.kill()
        if self.exchange is not None:
            self.exchange.join()
            self.exchange = None
        for end in (self.connection, self.lifeline):
            if end is not None:
                end.close()
        self.connection, self.lifeline, self.is_busy = None, None, False
        self.libraries = set()

    def join(self) -> None:
        """Wait until a killed process has ended."""
        process, self.process = self.process, None
        if process is not None and process.pid is not None:  # it has started
            process.join(JOIN_SECONDS)

    def _start(self, library: str) -> None:
        if self.connection is not None:
            return
        self.join()
        self.connection, theirs = multiprocessing.Pipe()
        lifeline, self.lifeline = multiprocessing.Pipe(duplex=False)
        with theirs, lifeline:
            self.process = self.starter.start(theirs, lifeline, library)
        self.libraries = self.starter.libraries

    def _received(self) -> Outcome | None:
        answer, end, self.exchange = self.exchange.answer, self.exchange.end, None
        if answer is None:
            return self._died()
        self.is_busy = False
        try:
            value, error = cloudpickle.loads(answer)
        except Exception as problem:  # noqa: BLE001  unpickling may raise anything
            value = None
            error = f"its result cannot be read: {describe_error(problem)}"
        return self._outcome(value, "raised" if error else "", error, end)

    def _died(self) -> Outcome | None:
        self.process.join(JOIN_SECONDS)
        if self.process.pid is None:
            return self._run_spawned()
        return self._ended("died", _say_death(self.process.exitcode))

    def _run_spawned(self) -> Outcome | None:
        """Run the call in a fresh process, since no process could be forked."""
        self.starter.forks = False
        self.kill()
        try:
            self.run(self.key, self.message, self.deadline, self.library)
        except (OSError, RuntimeError) as error:  # see `Starter.start`
            return self._ended("unstarted", describe_error(error))
        return None

    def _ended(self, cause: str, error: str) -> Outcome:
        self.kill()
        self.join()
        return self._outcome(None, cause, error, self.deadline.clock.now())

    def _outcome(self, value: Any, cause: str, error: str, end: float) -> Outcome:
        seconds = end - self.start
        return Outcome(self.key, value, cause, error, seconds, self.number)


class _Exchange:
    """A message on its way to a worker, and the answer.

    They have a thread of their own, since neither may ever arrive: a worker that is
    suspended reads nothing, and one that ends may have sent a part of its answer.
    """

    def __init__(
        self,
        connection: Connection,
        message: bytes,
        news: threading.Event,
        clock: Clock,
    ):
        self.answer: bytes | None = None
        self.is_over, self.end = False, 0.0
        arguments = (connection, message, news, clock)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(EXCHANGE_SECONDS)

    def _run(
        self,
        connection: Connection,
        message: bytes,
        news: threading.Event,
        clock: Clock,
    ) -> None:
        with suppress(Exception):  # the worker has died, or was ended
            connection.send_bytes(message)
            self.answer = connection.recv_bytes()
        self.end, self.is_over = clock.now(), True
        news.set()


def _say_death(exit_code: int | None) -> str:
    if exit_code is None:
        return "the worker closed its connection"
    if exit_code >= 0:
        return f"the worker ended itself with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"the worker was killed by {name}"


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB"
