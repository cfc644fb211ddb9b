"""What a worker process does: run the calls of its parent, one at a time."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from automodel.exceptions import describe_error

PR_SET_PDEATHSIG = 1


def serve(connection: Connection, lifeline: Connection, parent: int) -> None:
    """Run the calls of the search until it closes the connection or is gone.

    Parameters
    ----------
    connection : Connection
        Brings pickled calls, and takes their results.
    lifeline : Connection
        Closed by the system when the process of the search is gone.
    parent : int
        The id of the process that has started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    threading.Thread(target=_leave_with, args=(lifeline,), daemon=True).start()
    die_with(parent)
    n_modules = 0
    for message in _messages(connection):
        try:
            answer = cloudpickle.dumps((_run(message), ""))
        except BaseException as error:  # noqa: BLE001  SystemExit is reported, too
            answer = cloudpickle.dumps((None, describe_error(error)))
        with suppress(OSError):  # the parent has gone
            connection.send_bytes(answer)
        n_modules = _set_aside(n_modules)


def die_with(parent: int) -> None:
    """Let the system end this process together with its parent, on Linux.

    That also works while native code keeps all other threads from running.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


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
