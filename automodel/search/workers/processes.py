"""Worker processes that run one call at a time, each ended when it must be.

The processes are independent: if one ends or is ended, the others go on. They are
started as loky does, with a fresh interpreter on every system, which does not run the
user's main module again.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
from joblib.externals.loky.backend import get_context

from automodel.clock import NO_DEADLINE, Deadline
from automodel.exceptions import describe_error
from automodel.search.workers.pickling import dumps

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
MEMORY_POLL_SECONDS = 0.05
POLL_SECONDS = 1.0  # between two looks at what sends no message, such as a clock
JOIN_SECONDS = 2.0
EXCHANGE_SECONDS = 0.2  # until a thread notices that the worker was ended
PR_SET_PDEATHSIG = 1

_STARTING = threading.Lock()


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


class ProcessPool:
    """Processes that run calls; use as a context manager.

    Parameters
    ----------
    n_workers : int
        Processes; each starts with its first call.
    memory_limit : int, default=None
        Bytes of resident memory above which a process is ended.
    most_kept : int, default=None
        Bytes above which a process is ended after its call, since some libraries never
        free their memory. The next call has a fresh process.
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
        self._workers = [_Worker(n + 1, self._news) for n in range(n_workers)]
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
            worker.run(key, message, deadline)
        except (OSError, RuntimeError) as error:  # no memory, process or thread more
            worker.kill()
            if self.has_processes:  # these are as many as there can be
                self._workers.remove(worker)
            self._unsent.append(Outcome(key, None, "unstarted", describe_error(error)))
            return
        if library:
            worker.libraries.add(library)

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
            polled = [worker.poll(self.memory_limit) for worker in busy]
            outcomes = [outcome for outcome in polled if outcome is not None]
            if self.most_kept is not None:
                self.end_idle(above=self.most_kept)
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
        for worker in self._workers:
            worker.join()

    def _patience(self, busy: list[_Worker]) -> float:
        most = POLL_SECONDS if self.memory_limit is None else MEMORY_POLL_SECONDS
        left = min(worker.deadline.seconds_left for worker in busy)
        return min(max(left, 0.0), most)


class _Worker:
    """One process and the call that it runs."""

    def __init__(self, number: int, news: threading.Event) -> None:
        self.number, self.news = number, news
        self.process: Any = None
        self.connection: Any = None
        self.lifeline: Any = None  # closes when this process is gone
        self.exchange: Any = None
        self.key: Hashable = None
        self.deadline = NO_DEADLINE
        self.is_busy = self.is_dead = False
        self.start = 0.0
        self.libraries: set[str] = set()

    @property
    def resident_bytes(self) -> int:
        return 0 if self.connection is None else resident_bytes(self.process.pid)

    def run(self, key: Hashable, message: bytes, deadline: Deadline) -> None:
        if self.process is not None and not self.process.is_alive():
            self.kill()  # it died while it had nothing to do
        self._start()
        self.exchange = _Exchange(self.connection, message, self.news)
        self.key, self.deadline, self.is_busy = key, deadline, True
        self.is_dead = False
        self.start = deadline.clock.now()

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
        if self.process is not None and self.process.is_alive():
            _kill(self.process)
        if self.exchange is not None:
            self.exchange.join()
            self.exchange = None
        for end in (self.connection, self.lifeline):
            if end is not None:
                end.close()
        self.connection, self.lifeline, self.is_busy = None, None, False
        self.libraries = set()

    def join(self) -> None:
        process, self.process = self.process, None
        if process is not None and process.pid is not None:  # it has started
            process.join(JOIN_SECONDS)

    def _start(self) -> None:
        if self.connection is not None:
            return
        self.join()
        context = get_context("loky")
        self.connection, theirs = context.Pipe()
        lifeline, self.lifeline = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_serve,
            args=(theirs, lifeline, os.getpid()),
            daemon=True,  # joblib starts no workers in it
            env=ONE_THREAD,
        )
        _start_process(self.process)
        theirs.close()
        lifeline.close()

    def _received(self) -> Outcome:
        answer, self.exchange = self.exchange.answer, None
        if answer is None:
            return self._died()
        self.is_busy = False
        try:
            value, error = cloudpickle.loads(answer)
        except Exception as problem:  # noqa: BLE001  unpickling may raise anything
            value = None
            error = f"its result cannot be read: {describe_error(problem)}"
        return self._outcome(value, "raised" if error else "", error)

    def _died(self) -> Outcome:
        self.process.join(JOIN_SECONDS)
        return self._ended("died", _say_death(self.process.exitcode))

    def _ended(self, cause: str, error: str) -> Outcome:
        self.kill()
        self.join()
        return self._outcome(None, cause, error)

    def _outcome(self, value: Any, cause: str, error: str) -> Outcome:
        seconds = self.deadline.clock.now() - self.start
        return Outcome(self.key, value, cause, error, seconds, self.number)


class _Exchange:
    """A message on its way to a worker, and the answer.

    They have a thread of their own, since neither may ever arrive: a worker that is
    suspended reads nothing, and one that ends may have sent a part of its answer.
    """

    def __init__(self, connection: Connection, message: bytes, news: threading.Event):
        self.answer: bytes | None = None
        self.is_over = False
        arguments = (connection, message, news)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(EXCHANGE_SECONDS)

    def _run(self, connection: Connection, message: bytes, news: threading.Event):
        with suppress(Exception):  # the worker has died, or was ended
            connection.send_bytes(message)
            self.answer = connection.recv_bytes()
        self.is_over = True
        news.set()


def _start_process(process: Any) -> None:
    """Start a process, even from a daemonic one, which may have no children.

    The children of a daemonic process could outlive it. These end by themselves.
    """
    parent = multiprocessing.current_process()
    with _STARTING:
        is_daemonic = parent.daemon
        if is_daemonic:
            parent.daemon = False
        try:
            process.start()
        finally:
            if is_daemonic:
                parent.daemon = True


def _serve(connection: Connection, lifeline: Connection, parent: int) -> None:
    """Run the calls of the parent until it closes the connection or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    threading.Thread(target=_leave_with, args=(lifeline,), daemon=True).start()
    _die_with(parent)
    n_modules = 0
    for message in _messages(connection):
        try:
            answer = cloudpickle.dumps((_run(message), ""))
        except BaseException as error:  # noqa: BLE001  SystemExit is reported, too
            answer = cloudpickle.dumps((None, describe_error(error)))
        with suppress(OSError):  # the parent has gone
            connection.send_bytes(answer)
        n_modules = _set_aside(n_modules)


def _set_aside(n_modules: int) -> int:
    """Exclude new modules from garbage collection; return the number of modules.

    Otherwise the collection after each trial takes 60 ms, for objects of libraries.
    """
    if len(sys.modules) != n_modules:
        gc.freeze()
    return len(sys.modules)


def _run(message: bytes) -> Any:
    return cloudpickle.loads(message)()


def _messages(connection: Connection) -> Iterator[bytes]:
    while True:
        try:
            yield connection.recv_bytes()
        except (EOFError, OSError):
            return


def _leave_with(lifeline: Connection) -> None:
    """End this process when its parent is gone, even in the middle of a call."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _die_with(parent: int) -> None:
    """Let the system end this process together with its parent, on Linux.

    That also works while native code keeps all other threads from running.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 if it is gone."""
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0
    import psutil  # installed with this package everywhere else

    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def _kill(process: Any) -> None:
    if sys.platform == "win32":
        process.terminate()  # TerminateProcess, which cannot be ignored
        return
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


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
