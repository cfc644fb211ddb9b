"""Remove arrays from the folder of a search that belong to no trial any more."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from automodel.search.storage.files import read_json
from automodel.search.storage.ledger import Ledger, arrays_of
from automodel.search.storage.participants import Participants

NAME = re.compile(r"\.?(?P<arrays>(?P<number>\d+)-(?P<participant>[0-9a-f]{8}))[-.].*")


def drop_orphans(folder: Path, participants: Participants, ledger: Ledger) -> None:
    """Remove predictions and models of trials that nobody runs and nobody completed.

    A participant enters before it writes arrays, and records what it has ended before
    it leaves. Therefore the participants are read after the arrays, and the trials
    after the participants. Arrays of families that the ledger does not know are kept.

    Parameters
    ----------
    folder : Path
        Where the folders "oof", "models" and "trials" are.
    participants : Participants
        The processes that may run trials.
    ledger : Ledger
        Knows which trials are complete.
    """
    with suppress(OSError):
        names = [
            (path, match)
            for part in ("oof", "models")
            for path in (folder / part).iterdir()
            if (match := NAME.fullmatch(path.name))
        ]
        living = participants.living()
        found = [
            (path, match) for path, match in names if match["participant"] not in living
        ]
        left = [(p, m) for p, m in found if m["arrays"] not in ledger.complete]
        stored = (ledger.read() if left else None) or {}
        complete = set().union(*map(arrays_of, stored.values()))
        for path, match in left:
            is_orphan = match["arrays"] not in complete
            if is_orphan and _family_of(folder, match["number"]) in stored:
                path.unlink(missing_ok=True)


def _family_of(folder: Path, number: str) -> str:
    with suppress(OSError, KeyError, TypeError):
        return str(read_json(folder / "trials" / number / "trial.json")["family"])
    return ""
