"""How worker processes start: forked from a server, or as fresh interpreters."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from joblib.externals.loky.backend import get_context

from automodel.search.workers.serving import serve

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
LIBRARY_BYTES = 384 * 2**20  # of a fresh process

_STARTING = threading.Lock()


class Process(Protocol):
    """A worker process."""

    @property
    def pid(self) -> int | None:
        """Its id, if that is known."""

    @property
    def exitcode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it."""

    def is_alive(self) -> bool:
        """Tell whether it has not ended."""

    def kill(self) -> None:
        """End it at once."""

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""


class Starter:
    """Start worker processes in the way that takes the least memory and time.

    On Linux they are forked from a server that has loaded the libraries. Elsewhere,
    and if the server cannot fork, each is a fresh interpreter, started as by loky: it
    does not run the user's main module again.

    Parameters
    ----------
    shares_libraries : bool, default=True
        Whether processes that need a slow library are forked from one that has loaded
        it. All that start later then have it in their memory.
    """

    def __init__(self, shares_libraries: bool = True):
        self.shares_libraries = shares_libraries
        self.forks = sys.platform == "linux"
        self._server: Any = None

    def start(
        self, connection: Connection, lifeline: Connection, library: str = ""
    ) -> Process:
        """Start a process that serves its ends of the connections; see `serve`.

        An `OSError` or a `RuntimeError` says that the system has no room for it.
        """
        if self.forks and (self._server is None or not self._server.is_alive):
            from automodel.search.workers.fork_server import ForkServer

            self.close()
            try:
                self._server = ForkServer(ONE_THREAD)
            except OSError:  # a system without sockets that keep messages apart
                self.forks = False
        if not self.forks:
            return Spawned(connection, lifeline)
        return self._server.start(connection, lifeline, library)

    def shares(self, library: str) -> bool:
        """Tell whether a library is loaded once for all processes that need it."""
        if not (self.forks and self.shares_libraries):
            return False
        from automodel.search.workers.fork_server import ON_REQUEST

        return library in ON_REQUEST

    @property
    def libraries(self) -> set[str]:
        """The slow libraries that a process has which starts now."""
        has_server = self.forks and self._server is not None
        return set(self._server.libraries) if has_server else set()

    @property
    def server_bytes(self) -> int:
        """Bytes of resident memory of the server; 0 if there is none."""
        has_server = self.forks and self._server is not None
        return resident_bytes(self._server.pid) if has_server else 0

    @property
    def library_bytes(self) -> int:
        """Bytes of resident memory that a process takes for libraries alone."""
        own = self.server_bytes
        if not own:
            return LIBRARY_BYTES
        return own if self.shares_libraries else max(own, LIBRARY_BYTES)

    def close(self) -> None:
        """End the server, and its processes with it."""
        if self._server is not None:
            self._server.close()


class Spawned:
    """A process with a fresh interpreter."""

    def __init__(self, connection: Connection, lifeline: Connection):
        self._process: Any = get_context("loky").Process(
            target=serve,
            args=(connection, lifeline, os.getpid()),
            daemon=True,  # joblib starts no workers in it
            env=ONE_THREAD,
        )
        _start(self._process)

    @property
    def pid(self) -> int | None:
        """See `Process.pid`."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """See `Process.exitcode`."""
        return self._process.exitcode

    def is_alive(self) -> bool:
        """See `Process.is_alive`."""
        return self._process.is_alive()

    def kill(self) -> None:
        """See `Process.kill`."""
        if not self.is_alive():
            return
        if sys.platform == "win32":
            self._process.terminate()  # TerminateProcess, which cannot be ignored
            return
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)

    def join(self, seconds: float) -> None:
        """See `Process.join`."""
        self._process.join(seconds)


def _start(process: Any) -> None:
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
