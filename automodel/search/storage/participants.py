"""Participants: the processes that take part in a search, and which of them live."""

from __future__ import annotations

import json
import math
import os
import threading
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.search.process_mark import ProcessMark
from automodel.search.storage.files import exists, read_json, replace, write

HEARTBEAT_SECONDS = 10.0
LEAVE_SECONDS = 3600.0  # for which a process tries to leave an unavailable folder
SILENT_SECONDS = 120.0  # without a heartbeat, after which a remote process is dead


class Participants:
    """The processes that share a folder, with one file for each.

    A process removes its file when it ends, so that a file belongs to a process that
    works or was killed. The modification time of the file is the heartbeat.

    Parameters
    ----------
    folder : Path
        Where the files are.
    clock : Clock, default=SYSTEM_CLOCK
        Tells how long ago a heartbeat was seen.
    """

    def __init__(self, folder: Path, clock: Clock = SYSTEM_CLOCK):
        self.folder = folder
        self.clock = clock
        self.own = uuid.uuid4().hex
        self._pid = os.getpid()
        self._ended = threading.Event()
        self._dead: set[str] = set()
        self._beats: dict[str, tuple[float, float]] = {}  # the last, and when seen

    @property
    def is_of_this_process(self) -> bool:
        """Whether this object was made in this process, and not copied by a fork."""
        return self._pid == os.getpid()

    def enter(self) -> None:
        """Enter the search, and send a heartbeat every 10 seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ended.clear()
        draft = self.folder / f".{self.own}.json"
        write(draft, json.dumps(asdict(ProcessMark.current())))
        replace(draft, self._file(self.own))
        threading.Thread(target=self._beat, daemon=True).start()

    def leave(self) -> None:
        """Leave the search; if the file cannot be removed now, try again later."""
        self._ended.set()
        if not self._has_removed_own():
            with suppress(RuntimeError):  # if no thread can be started
                threading.Thread(target=self._remove_own_later, daemon=True).start()

    def living(self) -> set[str]:
        """Return the participants that live, shortened as in the names of arrays."""
        participants = [path.stem for path in self.folder.glob("*.json")]
        return {
            participant[:8]
            for participant in participants
            if not self.is_dead(participant)
        }

    def has_left(self, participant: str) -> bool:
        """Tell whether a participant has ended and left the search."""
        return not exists(self._file(participant))

    def is_dead(self, participant: str) -> bool:
        """Tell whether the process of a participant has died.

        If that is not certain, a process is dead while it is silent, and may come back.
        """
        if participant == self.own or participant in self._dead:
            return participant != self.own
        mark = self._mark(participant)
        lives = None if mark is None else mark.lives
        if lives is None:
            return not self.has_left(participant) and self._is_silent(participant)
        if not lives:
            self._dead.add(participant)
        return not lives

    def is_unsure(self, participant: str) -> bool:
        """Tell whether it is not known yet if a participant lives.

        That is so if only heartbeats can show it, until one was seen or is overdue.
        """
        mark = self._mark(participant)
        if participant == self.own or mark is None or mark.lives is not None:
            return False
        is_silent = self._is_silent(participant)
        return (
            not is_silent and self._beats.get(participant, (0.0, 0.0))[1] == -math.inf
        )

    def certainly_dead(self) -> set[str]:
        """Return the participants that are known to be dead, not just silent."""
        participants = {path.stem for path in self.folder.glob("*.json")}
        marks = {participant: self._mark(participant) for participant in participants}
        return {
            participant
            for participant, mark in marks.items()
            if mark and mark.lives is False
        }

    def forget(self, participants: set[str]) -> None:
        """Remove the files of participants, as if they had left."""
        for participant in participants:
            self._file(participant).unlink(missing_ok=True)

    def _mark(self, participant: str) -> ProcessMark | None:
        """Return the mark of a participant; None if it has left or cannot be read."""
        said = read_json(self._file(participant))
        try:
            return ProcessMark(str(said["host"]), int(said["pid"]), str(said["start"]))
        except (KeyError, ValueError, TypeError):
            return None

    def _is_silent(self, participant: str) -> bool:
        """Tell whether a participant has sent no heartbeat for a long time.

        Heartbeats are compared by the clock of the file system, which is the same for
        all. If the machines set the times instead and their clocks differ, a
        participant whose heartbeat was seen to change is not silent.
        """
        with suppress(FileNotFoundError):
            os.utime(self._file(self.own))
            now = self._file(self.own).stat().st_mtime
            beat = self._file(participant).stat().st_mtime
            last, seen = self._beats.setdefault(participant, (beat, -math.inf))
            if beat > last:
                seen = self.clock.now()
                self._beats[participant] = beat, seen
            return min(now - beat, self.clock.now() - seen) > SILENT_SECONDS
        return False

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(self._file(self.own))

    def _has_removed_own(self) -> bool:
        is_there = False  # a network folder may be unavailable
        try:
            is_there = exists(self.folder)
            self._file(self.own).unlink()
        except FileNotFoundError:
            return is_there
        except OSError:
            return False
        return True

    def _remove_own_later(self) -> None:
        deadline = Deadline.after(LEAVE_SECONDS, self.clock)
        while not deadline.is_over and not self._has_removed_own():
            self.clock.wait(HEARTBEAT_SECONDS)

    def _file(self, participant: str) -> Path:
        return self.folder / f"{participant}.json"
