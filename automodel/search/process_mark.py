"""ProcessMark: identifies a process, and tells whether it still lives."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class ProcessMark:
    """Identifies a process, even if a later one has the same id.

    Parameters
    ----------
    host : str
        The machine, with its boot and process namespace where these are known.
    pid : int
        Process id.
    start : str
        When it was started, in the system's own format; "" if unknown.
    """

    host: str
    pid: int
    start: str

    @classmethod
    def current(cls) -> ProcessMark:
        """Return the mark of this process."""
        return cls(_host(), os.getpid(), _start_of(os.getpid()) or "")

    @property
    def lives(self) -> bool | None:
        """Whether the process lives; None if that is not certain.

        It is uncertain for processes of another machine or container, and for those
        whose start the system does not show to this user.
        """
        if self.host != _host():
            return None
        start = _start_of(self.pid)
        if start is None:
            return False
        return start == self.start if start and self.start else None


@cache
def _host() -> str:
    """Return a name that is equal for processes whose ids can be compared.

    A part that cannot be known is random, so that no other process has the name.
    """
    if sys.platform != "linux":
        return f"{socket.gethostname()} {uuid.getnode():x}"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        namespace = Path("/proc/self/ns/pid").readlink()
    except (OSError, ValueError):
        return f"{socket.gethostname()} {uuid.uuid4().hex}"
    return f"{socket.gethostname()} {boot.strip()} {namespace}"


def _start_of(pid: int) -> str | None:
    """Return when a process was started, "" if unknown, None if it is gone."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:  # it is gone, or one of another user, which may be hidden
            return "" if _may_run(pid) else None
        state, *rest = stat.rpartition(b")")[2].split()
        return None if state in (b"Z", b"X") else rest[18].decode()
    try:
        import psutil
    except ImportError:
        return "" if _may_run(pid) else None
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return ""


def _may_run(pid: int) -> bool:
    """Tell whether a process may exist: False only if none has this id."""
    if sys.platform == "win32":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
