"""Leases: files that say which process runs which trial."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from automodel.search.storage.drafts import Drafts
from automodel.search.storage.files import exists, put_once, sync_folder, write
from automodel.search.storage.participants import Participants


class Leases:
    """A folder for each trial, with a file for each process that has leased it.

    Parameters
    ----------
    folder : Path
        Where the folders of the trials are.
    participants : Participants
        The processes.
    drafts : Drafts
        Where this process writes.
    alone : callable
        Returns a context that only one process can be in.

    Attributes
    ----------
    runs_here : bool
        Whether trials run in this very process, so that a trial may be the cause if
        the process dies.
    """

    def __init__(
        self,
        folder: Path,
        participants: Participants,
        drafts: Drafts,
        alone: Callable[[], AbstractContextManager],
    ):
        self.folder = folder
        self.participants = participants
        self.drafts = drafts
        self.alone = alone
        self.runs_here = True
        self._own: dict[int, Path] = {}

    def make(self, number: int, text: str) -> bool:
        """Lease a number for a trial; return False if another process has it."""
        draft, folder = self.drafts.new("trials", "trial"), self.folder_of(number)
        draft.mkdir(exist_ok=True)
        write(draft / "trial.json", text)
        # It is not synced, since a loss of power that damages it ends its process, too.
        (draft / "lease-0").write_text(self._signature(), encoding="utf-8")
        try:
            draft.rename(folder)
            sync_folder(self.folder)
        except OSError:
            if not exists(folder):
                raise
            if not self.has(number):  # it has if an earlier call failed too late
                return False
        self._own[number] = folder / "lease-0"
        return True

    def take(self, number: int) -> int | None:
        """Lease a trial and return how often it may have killed its process.

        Returns None if another process runs it.
        """
        folder = self.folder_of(number)
        leases = self._read(number)
        if not leases and not exists(folder):
            return None
        latest = max(leases, default=-1)
        if leases:
            participant = leases[latest].participant
            if not self.participants.is_dead(
                participant
            ) and not self.participants.has_left(participant):
                return None
        ran_there = [lease.participant for lease in leases.values() if lease.ran_there]
        n_deaths = sum(
            self.participants.is_dead(participant) for participant in ran_there
        )
        lease = folder / f"lease-{latest + 1}"
        draft = self.drafts.new("trials", "lease")
        with self.alone():
            draft.write_text(self._signature(), encoding="utf-8")  # as in `make`
            try:
                is_own = put_once(draft, lease)
            except OSError:
                if not exists(lease):
                    raise
                is_own = False
            if not is_own and not self.has(number):  # as in `make`
                return None
        self._own[number] = lease
        return n_deaths

    def has(self, number: int) -> bool:
        """Tell whether the latest lease of a trial is of this process."""
        return self.participant_of(number) == self.participants.own

    def participant_of(self, number: int) -> str:
        """Return the participant of the latest lease of a trial; "" without any."""
        leases = self._read(number)
        return leases[max(leases)].participant if leases else ""

    def participants_of(self, number: int) -> set[str]:
        """Return the participants of all leases of a trial."""
        return {lease.participant for lease in self._read(number).values()}

    def release(self, number: int) -> None:
        """Give a lease up, so that others may run the trial."""
        if number in self._own:
            self._own[number].unlink(missing_ok=True)
            del self._own[number]

    def release_all(self) -> None:
        """Give all leases up, as far as that is possible."""
        for number in list(self._own):
            with suppress(OSError):
                self.release(number)

    def forget(self, number: int) -> None:
        """Stop tracking a lease, as its trial has ended or was taken over."""
        self._own.pop(number, None)

    def folder_of(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.folder / str(number)

    def _signature(self) -> str:
        return f"{self.participants.own} {'here' if self.runs_here else 'worker'}"

    def _read(self, number: int) -> dict[int, _Lease]:
        """Return the leases that were not released, by their numbers.

        A lease that is damaged belongs to nobody.
        """
        folder = self.folder_of(number)
        try:
            paths = list(folder.iterdir())
        except FileNotFoundError:
            if exists(self.folder) and not exists(folder):
                return {}  # it was removed
            raise
        leases = {}
        for path in paths:
            kind, _, place = path.name.partition("-")
            if kind == "lease" and place.isdecimal():
                with suppress(FileNotFoundError):
                    participant, _, where = path.read_text(
                        "utf-8", "replace"
                    ).partition(" ")
                    participant = participant if participant.isalnum() else ""
                    leases[int(place)] = _Lease(participant, where == "here")
        return leases


@dataclass(frozen=True)
class _Lease:
    """The participant that runs a trial, and whether in its own process."""

    participant: str
    ran_there: bool
