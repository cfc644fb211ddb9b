"""JournalFile: Optuna's journal in a file whose lock and last record survive a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from optuna.storages.journal import BaseJournalBackend

from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.file_lock import try_lock, unlock
from automodel.search.storage.files import sync_folder

LOCK_SECONDS = 10.0
CHUNK = 4096


class JournalFile(BaseJournalBackend):
    """A journal for `optuna.storages.JournalStorage`, one line a record.

    It differs from Optuna's own file in three ways. The lock is one of the operating
    system, which releases it when its process dies. If a killed process has written a
    part of a record, that part is cut off before the next record, which would merge
    with it. If the disk is full, no part of a record remains.

    Parameters
    ----------
    path : Path
        The file; made by the first record.
    clock : Clock, default=SYSTEM_CLOCK
        Tells how long the lock has been waited for.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import optuna
    >>> from automodel.search.storage.journal import JournalFile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = JournalFile(Path(folder) / "journal.log")
    ...     storage = optuna.storages.JournalStorage(journal)
    ...     study = optuna.create_study(storage=storage)
    ...     study.add_trial(optuna.create_trial(value=1.0))
    ...     len(optuna.load_study(study_name=study.study_name, storage=storage).trials)
    1
    """

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK):
        self.path = Path(path)
        self.clock = clock
        self._offsets = {0: 0}  # of each record that was read

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from a number on; an incomplete one is left out.

        Raises
        ------
        ValueError
            If a line is not a record, since something else has changed the file.
        """
        number = max(n for n in self._offsets if n <= log_number_from)
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            offset = self._offsets[number]
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                number += 1
                if number > log_number_from:
                    yield self._parsed(line, number)
                self._offsets = {0: 0, number: offset}

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, in full or not at all.

        Raises
        ------
        OSError
            If there is no space, or no lock within 10 seconds.
        """
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        with self.path.open("a+b", buffering=0) as file, locked(file, clock=self.clock):
            end = _end_of_last_record(file)
            file.truncate(end)
            try:
                _write_all(file, "".join(lines).encode())
                os.fsync(file.fileno())
                if end == 0:
                    sync_folder(self.path.parent)
            except BaseException:
                file.truncate(end)
                raise

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            return json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"Line {number} of {self.path} is not a record of a journal. Was the "
                "file changed by hand?"
            ) from error


@contextmanager
def locked(
    file: IO[bytes], seconds: float = LOCK_SECONDS, clock: Clock = SYSTEM_CLOCK
) -> Iterator[None]:
    """Hold the lock of a file; the system releases it when the process dies.

    Raises
    ------
    OSError
        If another process holds it for longer than that.
    """
    deadline = Deadline.after(seconds, clock)
    while not try_lock(file):
        if deadline.is_over:
            raise OSError(f"{file.name} has been locked for {seconds:.0f} s")
        clock.wait(0.002)
    try:
        yield
    finally:
        unlock(file)


def _end_of_last_record(file: IO[bytes]) -> int:
    """Return the position after the last line that is complete."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(end - CHUNK, 0)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _write_all(file: IO[bytes], data: bytes) -> None:
    rest: Iterable[int] | memoryview = memoryview(data)
    while rest := rest[file.write(rest) :]:  # type: ignore[index,arg-type]
        pass
