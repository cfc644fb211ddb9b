"""Drafts: files that processes are writing, or that killed processes have left."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from automodel.clock import wall_time
from automodel.search.storage.files import remove
from automodel.search.storage.participants import Participants

DRAFT_SECONDS = 3600.0  # before one of a participant that is not known is removed
NAME = re.compile(r"\.(?P<participant>[0-9a-f]{32})\.\w+")
PARTS = (".", "trials", "oof", "participants")


class Drafts:
    """Files whose names begin with a dot and a participant, in the folder of a search.

    Parameters
    ----------
    folder : Path
        Folder of the search.
    participants : Participants
        The processes that share it.
    """

    def __init__(self, folder: Path, participants: Participants):
        self.folder = folder
        self.participants = participants

    def new(self, part: str, name: str) -> Path:
        """Return the path of a draft of this process in a part of the folder."""
        return self.folder / part / f".{self.participants.own}.{name}"

    def clean(self) -> None:
        """Remove the drafts of processes that no longer take part."""
        for part in PARTS:
            with suppress(OSError):
                for path in (self.folder / part).iterdir():
                    found = NAME.fullmatch(path.name)
                    if found and self._is_given_up(path, found["participant"]):
                        remove(path)

    def _is_given_up(self, draft: Path, participant: str) -> bool:
        if not self.participants.has_left(participant):
            return self.participants.is_dead(participant)
        # A process that is about to enter has drafts, too.
        age = wall_time() - draft.stat().st_mtime
        return participant == self.participants.own or age > DRAFT_SECONDS
