"""Owner: a process that takes part in a search, and whether it still lives."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

HEARTBEAT_SECONDS = 10.0
SILENT_SECONDS = 120.0  # without a heartbeat, a process of another machine is dead


@dataclass(frozen=True)
class ProcessMark:
    """What tells a process from all others, also from a later one of the same id.

    Parameters
    ----------
    host : str
        Machine, with its boot and its process namespace where they can be known.
    pid : int
        Process id.
    start : str
        When it was started, in a form of the system's own; "" if unknown.
    """

    host: str
    pid: int
    start: str

    @classmethod
    def current(cls) -> ProcessMark:
        """Return the mark of this process."""
        return cls(_host(), os.getpid(), _start_of(os.getpid()) or "")

    @property
    def is_here(self) -> bool:
        """Whether the process was one of this machine."""
        return self.host == _host()

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended; only to be asked where it is one of here."""
        start = _start_of(self.pid)
        return start is None or (self.start != "" and start != self.start)


class Owners:
    """The processes that share a folder, one file each.

    A file that is there belongs to a process that works or was killed: one that
    ends takes its file along. Its time of change is the heartbeat.

    Parameters
    ----------
    folder : Path
        Where the files are.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.own = uuid.uuid4().hex
        self._ended = threading.Event()
        self._dead: set[str] = set()
        self._first_beats: dict[str, float] = {}

    def enter(self) -> None:
        """Take part, with a heartbeat every 10 seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ended.clear()
        text = json.dumps(asdict(ProcessMark.current()))
        self._file(self.own).write_text(text, encoding="utf-8")
        threading.Thread(target=self._beat, daemon=True).start()

    def leave(self) -> None:
        """End the part of this process."""
        self._ended.set()
        self._file(self.own).unlink(missing_ok=True)

    def living(self) -> set[str]:
        """Return the first letters of the owners that take part, as files bear them."""
        owners = [path.stem for path in self.folder.glob("*.json")]
        return {owner[:8] for owner in owners if not self.is_dead(owner)}

    def has_left(self, owner: str) -> bool:
        """Tell whether an owner has ended in good order."""
        return not self._file(owner).exists()

    def is_dead(self, owner: str) -> bool:
        """Tell whether the process of an owner has died.

        One that is elsewhere may wake up again.
        """
        if owner == self.own or owner in self._dead:
            return owner != self.own
        mark = self._mark(owner)
        if mark is None:
            return not self.has_left(owner) and self._is_silent(owner)
        if mark.is_here and (mark.start or mark.is_gone):
            if mark.is_gone:
                self._dead.add(owner)
            return mark.is_gone
        return self._is_silent(owner)

    def is_unsure(self, owner: str) -> bool:
        """Tell whether an owner is elsewhere and no heartbeat was seen since a while.

        It is for the first calls, until it beats or is dead.
        """
        mark = self._mark(owner)
        if owner == self.own or mark is None or mark.is_here:
            return False
        with suppress(FileNotFoundError):
            beat = self._file(owner).stat().st_mtime
            first = self._first_beats.setdefault(owner, beat)
            return beat == first and not self._is_silent(owner)
        return False

    def _mark(self, owner: str) -> ProcessMark | None:
        """Return who an owner is; None if it has left, or died while it wrote."""
        try:
            return ProcessMark(**json.loads(self._file(owner).read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _is_silent(self, owner: str) -> bool:
        """Compare heartbeats by the clock of the file system, which both share."""
        with suppress(FileNotFoundError):
            os.utime(self._file(self.own))
            now = self._file(self.own).stat().st_mtime
            return now - self._file(owner).stat().st_mtime > SILENT_SECONDS
        return False

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(self._file(self.own))

    def _file(self, owner: str) -> Path:
        return self.folder / f"{owner}.json"


@cache
def _host() -> str:
    parts = [socket.gethostname()]
    if sys.platform == "linux":
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id")
            parts.append(boot.read_text(encoding="ascii").strip())
            parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _start_of(pid: int) -> str | None:
    """Return when a process was started, "" if unknown, None if it is gone."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return None
        except PermissionError:  # of another user
            return ""
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else rest[18]
    try:
        import psutil
    except ImportError:
        return "" if _is_running(pid) else None
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return ""


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
