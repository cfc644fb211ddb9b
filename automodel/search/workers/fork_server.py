"""ForkServer: a process that has loaded the libraries once, and forks workers.

The pages of the libraries are then in memory once for all workers, which start in
milliseconds. The server computes nothing and has a single thread, so that it may fork.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np

from automodel.clock import Deadline
from automodel.search.workers.serving import die_with, serve

LOADED = (  # by the server before its first worker
    "automodel.search.workers.work",
    "automodel.preprocessing.reader",
    "automodel.preprocessing.tabular",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.neighbors",
)
ON_REQUEST = ("torch",)  # slow to load, and known to start no thread by that
NO_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # of pyarrow
MESSAGE_BYTES = 2**16
START = """
import pickle, socket, sys
control = socket.socket(fileno={control})
message = control.recv({n_bytes}) or sys.exit()
sys.path[:], sys.argv[:] = pickle.loads(message)
from automodel.search.workers.fork_server import run
run(control, {parent})
"""


class ForkServer:
    """Fork processes from one that has loaded the libraries, on Linux.

    No call waits for the server, which may be busy loading a library.

    Parameters
    ----------
    environment : dict
        Variables of the environment of the processes, in addition to those of this one.

    Attributes
    ----------
    is_alive : bool
        Whether the server was alive when it was last heard of.
    libraries : set of str
        Libraries that processes have, which start from now on.
    """

    def __init__(self, environment: dict[str, str]):
        self.is_alive = True
        self.libraries: set[str] = set()
        self._started: list[Forked] = []
        kind = socket.SOCK_SEQPACKET  # keeps messages apart
        self._control, theirs = socket.socketpair(socket.AF_UNIX, kind)
        code = START.format(
            control=theirs.fileno(), n_bytes=MESSAGE_BYTES, parent=os.getpid()
        )
        with theirs, _without_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                env={**NO_THREADS, **os.environ, **environment},
                pass_fds=[theirs.fileno()],
            )
        path = [place or str(Path.cwd()) for place in sys.path]
        self._send((path, sys.argv[:1]))

    def start(
        self, connection: Connection, lifeline: Connection, library: str = ""
    ) -> Forked:
        """Start a process that serves a connection; see `serve`.

        Parameters
        ----------
        connection, lifeline : Connection
            Its ends of these connections, which can be closed here.
        library : str, default=""
            One of `ON_REQUEST`, loaded before.
        """
        process = Forked(self)
        self._started.append(process)
        ends = [connection.fileno(), lifeline.fileno()]
        self._send((len(self._started) - 1, library), ends)
        process.is_over = not self.is_alive
        self.libraries |= {library} - {""}
        return process

    @property
    def pid(self) -> int:
        """The id of the server."""
        return self._process.pid

    def hear(self, seconds: float = 0.0) -> None:
        """Learn from the server what became of its processes; wait for a message."""
        while self.is_alive and wait([self._control], seconds):
            message = b""
            with suppress(OSError):  # the server has died
                message = self._control.recv(MESSAGE_BYTES)
            if not message:
                self._lose()
                return
            number, *facts = pickle.loads(message)
            self._started[number].learn(*facts)
            seconds = 0.0

    def close(self) -> None:
        """End the server, and all processes with it."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._lose()

    def _send(self, message: tuple, ends: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [pickle.dumps(message)], ends)
        except OSError:  # the server has died
            self._lose()

    def _lose(self) -> None:
        self.is_alive = False
        for process in self._started:
            process.is_over = True


class Forked:
    """A process of a `ForkServer`; see `Process` for its methods.

    Attributes
    ----------
    exitcode : int or None
        As that of `multiprocessing.Process`; also None if the server has died.
    is_over : bool
        Whether the process has ended. If it has no id, it has never run.
    """

    def __init__(self, server: ForkServer):
        self.exitcode: int | None = None
        self.is_over = self._is_killed = False
        self._pid: int | None = None
        self._server = server

    @property
    def pid(self) -> int | None:
        """The id, if it is known."""
        self._server.hear()
        return self._pid

    def learn(self, pid: int | None, exitcode: int | None, is_over: bool) -> None:
        """Keep what the server has said about the process."""
        self._pid, self.exitcode, self.is_over = pid, exitcode, is_over

    def is_alive(self) -> bool:
        """Tell whether the process runs, or will."""
        self._server.hear()
        return not self.is_over

    def kill(self) -> None:
        """Kill the process. One that has not begun ends with its connections."""
        self._is_killed = True
        if self.is_alive() and self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def join(self, seconds: float) -> None:
        """Wait until the process has ended, but not for one that was killed.

        The server tells when it has ended, and may be busy loading a library.
        """
        end = Deadline.after(seconds)
        while self.is_alive() and not (self._is_killed or end.is_over):
            self._server.hear(max(end.seconds_left, 0.0))


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that get no SIGINT until they can ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(control: socket.socket, parent: int) -> None:
    """Be a server: fork a process for each message, and tell how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    die_with(parent)
    gc.disable()  # a collection would write to the pages that are shared
    for name in LOADED:
        importlib.import_module(name)
    _Server(control).run()
    os._exit(0)


class _Server:
    def __init__(self, control: socket.socket):
        self.control = control
        self.children: dict[int, multiprocessing.process.BaseProcess] = {}
        self.news, woken = socket.socketpair()  # a byte for each SIGCHLD
        for end in (self.news, woken):
            end.setblocking(False)
        self.ends = [control, self.news, woken]
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)

    def run(self) -> None:
        while True:
            ready = wait([self.control, self.news])
            if self.news in ready:
                self.news.recv(MESSAGE_BYTES)
                self.tell_ends()
            if self.control in ready:
                message, ends, *_ = socket.recv_fds(self.control, MESSAGE_BYTES, 2)
                if not message:
                    return
                self.start(*pickle.loads(message), *map(Connection, ends))

    def start(self, number, library, connection, lifeline) -> None:
        if library:
            with suppress(Exception):  # the call will raise the error
                importlib.import_module(library)
        pid = None
        if _has_one_thread():
            gc.freeze()
            arguments = connection, lifeline, os.getpid(), self.ends
            context = multiprocessing.get_context("fork")
            process = context.Process(target=_serve, args=arguments, daemon=True)
            with suppress(OSError):  # too many processes, or too little memory
                process.start()
                self.children[number] = process
                pid = process.pid
        self.tell(number, pid, None, pid is None)
        connection.close()
        lifeline.close()

    def tell_ends(self) -> None:
        for number, process in list(self.children.items()):
            if process.exitcode is not None:
                del self.children[number]
                self.tell(number, process.pid, process.exitcode, True)
                process.close()

    def tell(self, *facts) -> None:
        with suppress(OSError):  # the parent has gone
            self.control.send(pickle.dumps(facts))


def _has_one_thread() -> bool:
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:  # a system without /proc
        return False


def _serve(connection, lifeline, server, ends) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for end in ends:
        end.close()
    gc.enable()
    np.random.seed()  # noqa: NPY002  each process its own numbers, as a fresh one
    serve(connection, lifeline, server)
