"""Archive: a search in a folder, which other processes share and later fits go on with.

lock                   held while a process opens the storage
search.json            an id, which the studies of Optuna bear too
start.json             seed and time budget of the first fit
fingerprint.json       of the data and of what decides the scores
journal.log            ended trials, unless a database keeps them
trials/17/             trial.json: what was asked for; claim-0: which owner runs it;
                       stopped.json: what time it was given, if that was too little
oof/17-ab.npy          out-of-fold predictions of the promising trials, by owner ab
models/17-ab-0.pickle  their models, one a fold
owners/                processes that take part
"""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial

from automodel.evaluation import Evaluation
from automodel.search.frozen import frozen_trial, plain_trial, with_tuples
from automodel.search.journal import JournalFile, locked
from automodel.search.ledger import Ledger, within
from automodel.search.models import ModelFolder
from automodel.search.owner import Owners

OPEN_SECONDS = 120.0  # for others to open a database first
MAX_DEATHS = 2  # of processes that ran a trial, before it is failed

Asked = tuple[int, str, FrozenTrial]  # number, family, trial
Ended = tuple[str, FrozenTrial]  # family, trial


class Archive:
    """Numbers the trials of all processes, and keeps what they leave behind.

    A trial has its number from the name of its folder, which one process alone can
    make. Who asks for the next number has read all before it: no setting is tried
    twice.

    Parameters
    ----------
    folder : Path
        Folder of the search; made if it is missing.
    study_name : str
        Name of the search in the storage of Optuna.
    open_storage : callable, default=None
        Returns the storage of Optuna; None for a journal in the folder.
    lock : Path, default=None
        File that is locked meanwhile; None for one in the folder.

    Attributes
    ----------
    runs_here : bool
        Whether trials run in this very process, so that one of them may be to blame
        if it dies.
    seconds_left : callable
        Returns the seconds that may be waited for a lock or a server.
    """

    def __init__(
        self,
        folder: Path,
        study_name: str,
        open_storage: Callable[[], BaseStorage] | None = None,
        lock: Path | None = None,
    ):
        self.folder = Path(folder)
        for part in ("trials", "oof", "models"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.owners = Owners(self.folder / "owners")
        self.study_name = study_name
        self._open_storage = open_storage or self._journal
        self.lock = lock or self.folder / "lock"
        self.runs_here = True
        self.seconds_left: Callable[[], float] = lambda: math.inf
        self._n_asked = 0
        self._claims: dict[int, Path] = {}
        self._is_silent = False  # whether the ledger did not answer of late

    def agree(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        """Write values once; return those that the first process wrote."""
        path = self.folder / f"{name}.json"
        write_once(path, json.dumps(values))
        return json.loads(path.read_text(encoding="utf-8"))

    def enter(self, families: Sequence[str]) -> None:
        """Take part in the search, with the families that this process knows.

        Raises
        ------
        ValueError
            If the studies belong to a search in another folder.
        """
        search = self.agree("search", {"id": uuid.uuid4().hex})
        limit = min(self.seconds_left(), OPEN_SECONDS)
        # One after the other: two processes that set a database up fail.
        with self.lock.open("ab") as file, locked(file, limit):
            storage = within(self._open_storage, self.seconds_left())
        self.ledger = Ledger(storage, self.study_name, self.seconds_left)
        self.ledger.open(families, search["id"])
        self.owners.enter()
        self._clean()

    def leave(self) -> str:
        """End the part of this process: what it has not ended is free for others.

        Returns
        -------
        str
            Why trials could not be stored; empty if all were.
        """
        problem = self.ledger.close()
        for claim in self._claims.values():
            with suppress(OSError):
                claim.unlink(missing_ok=True)
        self._claims.clear()
        with suppress(OSError):
            self.owners.leave()
        self._clean()
        return problem

    def news(self) -> tuple[list[Asked], list[Ended]]:
        """Return what others have asked for, and all that has ended, of late."""
        ended = self.ledger.news()
        self._is_silent = ended is None
        ended = ended or []
        known = {t.user_attrs["number"]: (name, t) for name, t in reversed(ended)}
        # Whatever has ended was asked for: hence this order.
        return list(self._read_asked(known)), ended

    def claim(self, number: int, family: str, trial: FrozenTrial) -> bool:
        """Make a trial this process's own; False if the number is another's."""
        draft = self.folder / "trials" / f".{self.owners.own}"
        draft.mkdir(exist_ok=True)
        said = {"family": family, "trial": plain_trial(trial)}
        text = json.dumps(said, default=_plain)
        (draft / "trial.json").write_text(text, encoding="utf-8")
        (draft / "claim-0").write_text(self._signature(), encoding="utf-8")
        try:
            draft.rename(self._trial_folder(number))
        except OSError:
            if self._trial_folder(number).exists():
                return False
            raise
        self._n_asked = number + 1
        self._claims[number] = self._trial_folder(number) / "claim-0"
        return True

    def take_lost(self, numbers: Iterable[int]) -> list[tuple[int, bool]]:
        """Claim those of the trials whose processes have died or left.

        Returns
        -------
        list of (int, bool)
            Number of each, and whether two processes have died while they ran it
            themselves: in a worker a trial harms nobody. None while the ledger is
            silent: they may have ended.
        """
        if self._is_silent:
            return []
        deaths = [(number, self._take(number)) for number in sorted(numbers)]
        return [(number, n >= MAX_DEATHS) for number, n in deaths if n is not None]

    def give_back(self, number: int) -> None:
        """Release a claim: the trial has ended elsewhere."""
        self._claims.pop(number).unlink(missing_ok=True)

    def record(self, number: int, evaluation: Evaluation, trial: FrozenTrial) -> None:
        """Keep what a trial came to: its arrays first, then the trial in one write.

        One that was stopped is not ended: a later fit may run it again, and finds what
        it was given. Nor is one kept that another process has taken over, since this
        one seemed dead.
        """
        claims = _claims(self._trial_folder(number))
        if not claims or claims[max(claims)].owner != self.owners.own:
            self._claims.pop(number, None)
            return
        if evaluation.status == "stopped":
            said = {name: trial.user_attrs[name] for name in ("seconds", "time_limit")}
            with suppress(OSError):
                self._stop_file(number).write_text(json.dumps(said), encoding="utf-8")
            self.give_back(number)
            return
        if evaluation.status == "complete":
            draft = self.folder / "oof" / f".{self.owners.own}.npy"
            np.save(draft, evaluation.oof)
            draft.replace(self._oof_file(self._stem(number)))
        self.drop_arrays(number, but=self._stem(number))
        own = copy.copy(trial)
        own.user_attrs = {**trial.user_attrs, "arrays": self._stem(number)}
        if self.ledger.add(evaluation.candidate.family.name, own):
            self._claims.pop(number, None)

    def stop_of(self, number: int) -> dict[str, float] | None:
        """Return the seconds and the time limit of a trial that was stopped."""
        try:
            return json.loads(self._stop_file(number).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def kept(self) -> set[str]:
        """Return the names that the arrays of trials are kept under."""
        return {path.stem for path in (self.folder / "oof").iterdir()}

    def model_folder(self, number: int) -> ModelFolder:
        """Return what keeps the models of a trial; no other process writes them."""
        return ModelFolder(self.folder / "models", self._stem(number))

    def find_arrays(self, trial: FrozenTrial, evaluation: Evaluation) -> None:
        """Name the files of a restored evaluation in it, if they are still there."""
        stem = trial.user_attrs.get("arrays", "")
        models = [
            self.folder / "models" / f"{stem}-{fold}.pickle"
            for fold in range(len(evaluation.fold_scores))
        ]
        files = [self._oof_file(stem), *models]
        if evaluation.status == "complete" and all(f.exists() for f in files):
            evaluation.oof, *evaluation.models = files

    def drop_arrays(self, number: int, but: str = "") -> None:
        """Remove the predictions and models of a trial, but for those of a stem."""
        for part in ("oof", "models"):
            for path in (self.folder / part).glob(f"{number}-*"):
                if not but or not path.name.startswith(but):
                    _remove(path)

    def is_unsure(self, number: int) -> bool:
        """Tell whether a trial's process is elsewhere and has shown no life so far."""
        claims = _claims(self._trial_folder(number))
        return bool(claims) and self.owners.is_unsure(claims[max(claims)].owner)

    def _clean(self) -> None:
        """Remove the drafts of processes that take no part any more."""
        for part in ("trials", "oof"):
            for draft in (self.folder / part).glob(".*"):
                owner = draft.name.split(".")[1]
                if self.owners.has_left(owner) or self.owners.is_dead(owner):
                    _remove(draft)

    def _take(self, number: int) -> int | None:
        """Claim a trial and return how often it may have killed its process.

        None if somebody runs it.
        """
        folder = self._trial_folder(number)
        claims = _claims(folder)
        latest = max(claims, default=-1)
        if claims:
            owner = claims[latest].owner
            if not self.owners.is_dead(owner) and not self.owners.has_left(owner):
                return None
        claim = folder / f"claim-{latest + 1}"
        if not write_once(claim, self._signature()):
            return None
        self._claims[number] = claim
        ran_there = [claim.owner for claim in claims.values() if claim.ran_there]
        return sum(self.owners.is_dead(owner) for owner in ran_there)

    def _signature(self) -> str:
        return f"{self.owners.own} {'here' if self.runs_here else 'worker'}"

    def _read_asked(self, ended: dict[int, Ended]) -> Iterator[Asked]:
        """Yield what was asked for; what has ended needs no file of its own."""
        while True:
            number = self._n_asked
            if number in ended:
                family, trial = ended[number]
                trial = with_tuples(trial)
            else:
                said = self._read_trial(number)
                if said is None and not self._trial_folder(number).exists():
                    return
                said = said or self._read_trial(number)  # made in between
                if said is None:  # a folder that something has emptied
                    self._n_asked += 1
                    continue
                family, trial = said["family"], frozen_trial(said["trial"])
            self._n_asked += 1
            yield number, family, trial

    def _read_trial(self, number: int) -> dict[str, Any] | None:
        path = self._trial_folder(number) / "trial.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _journal(self) -> BaseStorage:
        return JournalStorage(JournalFile(self.folder / "journal.log"))

    def _stem(self, number: int) -> str:
        return f"{number}-{self.owners.own[:8]}"

    def _oof_file(self, stem: str) -> Path:
        return self.folder / "oof" / f"{stem}.npy"

    def _stop_file(self, number: int) -> Path:
        return self._trial_folder(number) / "stopped.json"

    def _trial_folder(self, number: int) -> Path:
        return self.folder / "trials" / str(number)


@dataclass(frozen=True)
class _Claim:
    """Who runs a trial, and whether in the process of the search itself."""

    owner: str
    ran_there: bool


def _claims(folder: Path) -> dict[int, _Claim]:
    """Return the claims that were not released, by their numbers."""
    claims = {}
    for path in folder.glob("claim-*"):
        with suppress(FileNotFoundError):
            owner, _, where = path.read_text(encoding="utf-8").partition(" ")
            number = int(path.name.removeprefix("claim-"))
            claims[number] = _Claim(owner, where == "here")
    return claims


def write_once(path: Path, text: str) -> bool:
    """Write a file, whole or not at all; False if it is there already."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    draft.write_text(text, encoding="utf-8")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        return _write_new(path, text)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _write_new(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _remove(path: Path) -> None:
    """Remove a file or folder, if that is possible now."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return a number of NumPy, such as a user's portfolio may hold, as Python's."""
    return value.item()
