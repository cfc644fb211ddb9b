"""Archive: a search in a folder, for other processes to share and later fits to resume.

lock                   held while a process opens the storage
search.json            an id, which Optuna's studies have too, and their name
start.json             seed and time budget of the first fit
fingerprint.json       of the data, and of all settings that decide the scores
journal.log            ended trials, unless a database keeps them
trials/17/             trial.json: what was asked for; lease-0: who runs it;
                       stopped.json: the time it was given, if that was too short
oof/17-ab.npy          out-of-fold predictions of promising trials, from process ab;
                       a .pickle if they are not an array
models/17-ab-0.pickle  their models, one for each fold
participants/          processes that take part

While a process writes a file, the name of the file begins with a dot and the id of the
process. All processes leave out a file that is damaged all the same, as by a disk: what
they agree on is agreed on again, and a trial counts only if it has ended.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from automodel.clock import SYSTEM_CLOCK, Clock
from automodel.evaluation.evaluate import Evaluation
from automodel.search.models import ModelFolder
from automodel.search.storage.drafts import Drafts
from automodel.search.storage.files import (
    exists,
    put_once,
    read_json,
    remove,
    replace,
    write,
)
from automodel.search.storage.frozen import frozen_trial, plain_trial, with_tuples
from automodel.search.storage.journal import LOCK_SECONDS, JournalFile, locked
from automodel.search.storage.leases import Leases
from automodel.search.storage.ledger import Ledger, patience
from automodel.search.storage.orphans import drop_orphans
from automodel.search.storage.participants import Participants
from automodel.search.storage.predictions import (
    SUFFIXES,
    suffix_of,
    write_predictions,
)
from automodel.search.timeout import within

OPEN_SECONDS = 120.0  # for others to open a database first
MAX_DEATHS = 2  # of processes that ran a trial, before it is failed

Asked = tuple[int, str, FrozenTrial]  # number, family, trial
Ended = tuple[str, FrozenTrial]  # family, trial


class Archive:
    """Numbers the trials of all processes, and keeps their results.

    The number of a trial is the name of its folder, which only one process can make.
    A process that asks for the next number has read all trials before it, so that no
    setting is tried twice, unless the folder was unavailable in the meantime.

    Parameters
    ----------
    folder : Path
        Folder of the search; made if it is missing.
    study_name : str
        Name of the search in the storage of Optuna.
    open_storage : callable, default=None
        Returns the storage of Optuna; None for a journal in the folder.
    lock : Path, default=None
        File that is locked where one process has to be alone; None for one in the
        folder.
    clock : Clock, default=SYSTEM_CLOCK
        Tells for how long locks, servers and other processes have been waited for.

    Attributes
    ----------
    leases : Leases
        Which process runs which trial.
    seconds_left : callable
        Returns the seconds that may be waited for a lock or a server.
    damaged : list of str
        Files that could not be read and are left out.
    first_apart : float
        From this number on, the trials of this process are not in the archive.
    """

    def __init__(
        self,
        folder: Path,
        study_name: str,
        open_storage: Callable[[], BaseStorage] | None = None,
        lock: Path | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ):
        self.folder = Path(folder)
        self.clock = clock
        for part in ("trials", "oof", "models"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.participants = Participants(self.folder / "participants", clock)
        self.drafts = Drafts(self.folder, self.participants)
        alone = partial(self._locked, LOCK_SECONDS)
        self.leases = Leases(
            self.folder / "trials", self.participants, self.drafts, alone
        )
        self.study_name = study_name
        self._open_storage = open_storage or self._journal
        self.lock = lock or self.folder / "lock"
        self.seconds_left: Callable[[], float] = lambda: math.inf
        self.damaged: list[str] = []
        self.first_apart = math.inf
        self._n_asked = 0
        self._ended: list[Ended] = []  # read, and not told yet
        self._asked: list[Asked] = []
        self._has_ended: set[int] = set()
        self._kept: set[str] = set()  # when trials that had ended were read last
        self._is_silent = False  # whether the ledger did not answer the last time

    def agree(
        self,
        name: str,
        values: dict[str, Any],
        recall: Callable[[], dict[str, Any]] = dict,
    ) -> dict[str, Any]:
        """Write values once; return those that the first process wrote.

        Parameters
        ----------
        name : str
            Name of the file.
        values : dict
            What is written if nothing is there.
        recall : callable, default=dict
            Returns what is known from elsewhere, if the file is damaged.
        """
        path = self.folder / f"{name}.json"
        if (found := read_json(path)) is not None:
            return found
        with self._locked():
            if (found := read_json(path)) is not None:
                return found
            draft = self.drafts.new(".", name)
            if exists(path):
                self.damaged.append(path.name)
                values = values | recall()
                write(draft, json.dumps(values))
                replace(draft, path)
            else:
                write(draft, json.dumps(values))
                put_once(draft, path)
        return json.loads(path.read_text(encoding="utf-8"))

    def recall_start(self) -> dict[str, Any]:
        """Return the values of start.json that other files hold, too."""
        known = read_json(self.folder / "fingerprint.json") or {}
        return {"seed": known["random_state"]} if "random_state" in known else {}

    def enter(self, families: Sequence[str], metric_name: str = "") -> None:
        """Take part in the search, with the families that this process knows.

        Raises
        ------
        ValueError
            If the studies belong to a search in another folder.
        """
        # One after the other, since two processes that set up a database fail.
        with self._locked():
            storage = within(self._open_storage, patience(self.seconds_left()))
        self.ledger = Ledger(storage, self.study_name, self.seconds_left, self.clock)
        own = {"id": uuid.uuid4().hex, "name": self.study_name}
        search = self.agree("search", own, lambda: self.ledger.recall(families))
        # Some file systems ignore capitals, and then two names are one search.
        self.ledger.study_name = search.get("name", self.study_name)
        self.ledger.open(families, search["id"], metric_name)
        self.participants.enter()
        self.drafts.clean()
        drop_orphans(self.folder, self.participants, self.ledger)

    def leave(self) -> tuple[set[int], str]:
        """Leave the search: others may run the trials that this process has not ended.

        Returns
        -------
        set of int, str
            Trials that could not be stored, and why. No error is raised.
        """
        if not self.participants.is_of_this_process:
            return set(), ""
        unwritten = self.ledger.close()
        self.leases.release_all()
        self._forget_dead()
        self.participants.leave()
        self.drafts.clean()
        drop_orphans(self.folder, self.participants, self.ledger)
        return unwritten, self.ledger.failure

    def news(self) -> tuple[list[Asked], list[Ended]]:
        """Return what is new: trials that others have asked for, and all that ended."""
        ended = self.ledger.news()
        self._is_silent = ended is None
        self._ended += ended or []
        self._has_ended.update(t.user_attrs["number"] for _, t in ended or [])
        if self._ended:
            self._kept = self.kept()
        # In this order, since each trial that has ended was asked for before.
        for asked in self._read_asked():
            self._asked.append(asked)
        news = self._asked, self._ended
        self._asked, self._ended = [], []
        return news

    def lease(self, number: int, family: str, trial: FrozenTrial) -> bool:
        """Lease a number for a trial; return False if another process has it."""
        said = {"family": family, "trial": plain_trial(trial)}
        if not self.leases.make(number, _json(said)):
            return False
        if number == self._n_asked:  # else some before it were not read yet
            self._n_asked = number + 1
        return True

    def take_lost(self, numbers: Iterable[int]) -> list[tuple[int, bool]]:
        """Lease those of the trials whose processes have died or left.

        Returns
        -------
        list of (int, bool)
            The number of each trial, and whether two processes have died while they
            ran it themselves, not in a worker. The list is empty while the ledger does
            not answer, since the trials may have ended.
        """
        if self._is_silent:
            return []
        taken: list[tuple[int, bool]] = []
        for number in sorted(numbers):
            if self.seconds_left() <= 0:
                break
            try:
                n_deaths = self.leases.take(number)
            except OSError:
                if taken:  # these have to be run; the next call will fail again
                    break
                raise
            if n_deaths is not None:
                taken.append((number, n_deaths >= MAX_DEATHS))
        return taken

    def give_back(self, number: int) -> None:
        """Release a lease: the trial has ended elsewhere."""
        self.leases.release(number)

    def record(self, number: int, evaluation: Evaluation, trial: FrozenTrial) -> None:
        """Keep the result of a trial: its arrays first, then the trial in one write.

        A stopped trial is not recorded as ended: a later fit may run it again, and
        finds the time it was given. A trial is not kept if another process has taken it
        over because this one seemed dead.
        """
        if not self.leases.has(number):
            self.leases.forget(number)
            return
        if evaluation.status == "stopped":
            said = {name: trial.user_attrs[name] for name in ("seconds", "time_limit")}
            with suppress(OSError):
                self._stop_file(number).write_text(json.dumps(said), encoding="utf-8")
            self.give_back(number)
            return
        if evaluation.status == "complete":
            self._write_arrays(number, evaluation)
        self.drop_arrays(number, but=self._stem(number))
        plain = json.loads(_json(plain_trial(trial)))
        plain["user_attrs"]["arrays"] = self._stem(number)
        plain["intermediate_values"] = trial.intermediate_values  # its keys are numbers
        own = frozen_trial(plain)
        if self.ledger.add(evaluation.candidate.family.name, own):
            self.leases.forget(number)

    def stop_of(self, number: int) -> dict[str, float] | None:
        """Return the seconds and the time limit of a trial that was stopped."""
        said = read_json(self._stop_file(number))
        with suppress(KeyError, TypeError, ValueError):
            return {name: float(said[name]) for name in ("seconds", "time_limit")}
        return None

    def kept(self) -> set[str]:
        """Return the names that the arrays of trials are kept under."""
        return {path.stem for path in (self.folder / "oof").iterdir()}

    def model_folder(self, number: int) -> ModelFolder:
        """Return the folder for the models of a trial that this process runs."""
        return ModelFolder(self.folder / "models", self._stem(number), is_durable=True)

    def find_arrays(self, trial: FrozenTrial, evaluation: Evaluation) -> None:
        """Put the paths of its arrays into a restored evaluation if they exist."""
        stem = trial.user_attrs.get("arrays", "")
        if evaluation.status != "complete" or stem not in self._kept:
            return
        models = [
            self.folder / "models" / f"{stem}-{fold}.pickle"
            for fold in range(len(evaluation.fold_scores))
        ]
        for suffix in SUFFIXES:
            files = [self.folder / "oof" / f"{stem}{suffix}", *models]
            if all(file.exists() for file in files):
                evaluation.oof, *evaluation.models = files

    def drop_arrays(self, number: int, but: str = "") -> None:
        """Remove the predictions and models of a trial, except for those of a stem."""
        stem = f"{number}-" if number < self.first_apart else self._stem(number)
        for part in ("oof", "models"):
            for path in (self.folder / part).glob(f"{stem}*"):
                if not but or not path.name.startswith(but):
                    remove(path)

    def is_unsure(self, number: int) -> bool:
        """Tell whether it is not known yet if the process of a trial lives."""
        return self.participants.is_unsure(self.leases.participant_of(number))

    def _write_arrays(self, number: int, evaluation: Evaluation) -> None:
        """Write predictions, and models that could not be written before.

        An evaluation that was dropped in the meantime has neither.
        """
        if evaluation.oof is not None:
            name = self._stem(number) + suffix_of(evaluation.oof)
            draft = self.drafts.new("oof", "predictions")
            write_predictions(evaluation.oof, draft)
            replace(draft, self.folder / "oof" / name)
        if evaluation.models is not None:
            keep = self.model_folder(number)
            evaluation.models = [
                model if isinstance(model, Path) else keep(fold, model)
                for fold, model in enumerate(evaluation.models)
            ]

    @contextmanager
    def _locked(self, seconds: float = OPEN_SECONDS) -> Iterator[None]:
        seconds = min(self.seconds_left(), seconds)
        with self.lock.open("ab") as file, locked(file, seconds, self.clock):
            yield

    def _forget_dead(self) -> None:
        """Remove dead participants, except those that a trial may have killed."""
        with suppress(OSError):
            dead = self.participants.certainly_dead()
            if not dead:
                return
            names = [path.name for path in self.leases.folder.iterdir()]
            numbers = {int(name) for name in names if name.isdecimal()}
            for number in numbers - self._has_ended:
                if self.seconds_left() <= 0:
                    return
                dead -= self.leases.participants_of(number)
            self.participants.forget(dead)

    def _read_asked(self) -> Iterator[Asked]:
        """Yield the trials that were asked for; those that have ended need no file."""
        ended = {t.user_attrs["number"]: (name, t) for name, t in reversed(self._ended)}
        while True:
            number = self._n_asked
            if number in ended:
                family, trial = ended[number]
                asked = number, family, with_tuples(trial)
            elif self.seconds_left() <= 0:
                return
            else:
                folder = self.leases.folder_of(number)
                said = read_json(folder / "trial.json")
                if said is None and not exists(folder):
                    return
                said = said or read_json(folder / "trial.json")  # made in between
                asked = self._asked_for(number, said)
            self._n_asked = number + 1
            yield asked

    def _asked_for(self, number: int, said: Any) -> Asked:
        """Return a trial that was asked for and has not ended.

        If its file is damaged, it has no family, so that nobody runs it.
        """
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            return number, said["family"], frozen_trial(said["trial"])
        self.damaged.append(f"trials/{number}/trial.json")
        return number, "", create_trial(state=TrialState.FAIL)

    def _journal(self) -> BaseStorage:
        return JournalStorage(JournalFile(self.folder / "journal.log", self.clock))

    def _stem(self, number: int) -> str:
        return f"{number}-{self.participants.own[:8]}"

    def _stop_file(self, number: int) -> Path:
        return self.leases.folder_of(number) / "stopped.json"


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, default=_plain, skipkeys=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it: numbers of NumPy as Python's, others as text."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)
