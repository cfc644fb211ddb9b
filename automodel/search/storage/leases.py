"""Claims: which process runs which trial, in files that one alone can make."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from automodel.search.storage.drafts import Drafts
from automodel.search.storage.files import exists, put_once, sync_folder, write
from automodel.search.storage.participants import Owners


class Claims:
    """A folder for each trial, and in it a file for each process that has claimed it.

    Parameters
    ----------
    folder : Path
        Where the folders of the trials are.
    owners : Owners
        The processes.
    drafts : Drafts
        Where this one writes.
    alone : callable
        Returns a context that one process alone is in.

    Attributes
    ----------
    runs_here : bool
        Whether trials run in this very process, so that one of them may be to blame
        if it dies.
    """

    def __init__(
        self,
        folder: Path,
        owners: Owners,
        drafts: Drafts,
        alone: Callable[[], AbstractContextManager],
    ):
        self.folder = folder
        self.owners = owners
        self.drafts = drafts
        self.alone = alone
        self.runs_here = True
        self._own: dict[int, Path] = {}

    def make(self, number: int, text: str) -> bool:
        """Claim a number, with what is asked for; False if another has it."""
        draft, folder = self.drafts.new("trials", "trial"), self.folder_of(number)
        draft.mkdir(exist_ok=True)
        write(draft / "trial.json", text)
        # A power cut that damages a claim ends its process too: it is not synced.
        (draft / "claim-0").write_text(self._signature(), encoding="utf-8")
        try:
            draft.rename(folder)
            sync_folder(self.folder)
        except OSError:
            if not exists(folder):
                raise
            if not self.has(number):  # it has after a call that failed too late
                return False
        self._own[number] = folder / "claim-0"
        return True

    def take(self, number: int) -> int | None:
        """Claim a trial and return how often it may have killed its process.

        None if somebody runs it.
        """
        folder = self.folder_of(number)
        claims = self._read(number)
        if not claims and not exists(folder):
            return None
        latest = max(claims, default=-1)
        if claims:
            owner = claims[latest].owner
            if not self.owners.is_dead(owner) and not self.owners.has_left(owner):
                return None
        ran_there = [claim.owner for claim in claims.values() if claim.ran_there]
        n_deaths = sum(self.owners.is_dead(owner) for owner in ran_there)
        claim = folder / f"claim-{latest + 1}"
        draft = self.drafts.new("trials", "claim")
        with self.alone():
            draft.write_text(self._signature(), encoding="utf-8")  # as in `make`
            try:
                is_own = put_once(draft, claim)
            except OSError:
                if not exists(claim):
                    raise
                is_own = False
            if not is_own and not self.has(number):  # as in `make`
                return None
        self._own[number] = claim
        return n_deaths

    def has(self, number: int) -> bool:
        """Tell whether the latest claim of a trial is of this process."""
        return self.owner_of(number) == self.owners.own

    def owner_of(self, number: int) -> str:
        """Return the owner of the latest claim of a trial; "" without any."""
        claims = self._read(number)
        return claims[max(claims)].owner if claims else ""

    def owners_of(self, number: int) -> set[str]:
        """Return the owners of all claims of a trial."""
        return {claim.owner for claim in self._read(number).values()}

    def release(self, number: int) -> None:
        """Take a claim back: others may run the trial."""
        if number in self._own:
            self._own[number].unlink(missing_ok=True)
            del self._own[number]

    def release_all(self) -> None:
        """Take all claims back, if that is possible now."""
        for number in list(self._own):
            with suppress(OSError):
                self.release(number)

    def forget(self, number: int) -> None:
        """Stop tracking a claim: its trial has ended or is another's now."""
        self._own.pop(number, None)

    def folder_of(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.folder / str(number)

    def _signature(self) -> str:
        return f"{self.owners.own} {'here' if self.runs_here else 'worker'}"

    def _read(self, number: int) -> dict[int, _Claim]:
        """Return the claims that were not released, by their numbers.

        One that is damaged is nobody's.
        """
        folder = self.folder_of(number)
        try:
            paths = list(folder.iterdir())
        except FileNotFoundError:
            if exists(self.folder) and not exists(folder):
                return {}  # somebody has removed it
            raise
        claims = {}
        for path in paths:
            kind, _, place = path.name.partition("-")
            if kind == "claim" and place.isdecimal():
                with suppress(FileNotFoundError):
                    owner, _, where = path.read_text("utf-8", "replace").partition(" ")
                    owner = owner if owner.isalnum() else ""
                    claims[int(place)] = _Claim(owner, where == "here")
        return claims


@dataclass(frozen=True)
class _Claim:
    """Who runs a trial, and whether in the process of the search itself."""

    owner: str
    ran_there: bool
