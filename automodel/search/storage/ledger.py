"""Ledger: the ended trials of a search in a storage of Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.exceptions import describe_error
from automodel.quiet import no_warnings
from automodel.search.timeout import within

MOST_SECONDS = 10.0  # for one call, before the storage is given up for a while
FIRST_SECONDS = 120.0  # for the first call that reads all trials
LEAST_SECONDS = 0.2
LATE_SECONDS = 0.5  # by which a fit may exceed its budget to store what is missing
PAUSE_SECONDS = 30.0  # after a failure, before the storage is tried again


class Ledger:
    """One study for each family, to which each trial is added when it has ended.

    As a trial is a single write, none is ever left running, and none is incomplete.
    What cannot be written is tried again later.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        Journal, database, or a proxy of one.
    study_name : str
        Studies are named "{study_name}-{family}".
    seconds_left : callable
        Returns the seconds that a call may take. It gets 10 at most, or 120 if it is
        the first that reads all trials.
    clock : Clock, default=SYSTEM_CLOCK
        Tells when the storage is tried again after a failure.

    Attributes
    ----------
    failure : str
        The first error of the storage since the last time all trials were written.
    complete : set of str
        The names of the arrays of the complete trials that were read or written.
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        study_name: str,
        seconds_left: Callable[[], float],
        clock: Clock = SYSTEM_CLOCK,
    ):
        self.storage = storage
        self.study_name = study_name
        self.seconds_left = seconds_left
        self.clock = clock
        self._studies: dict[str, optuna.Study] = {}
        self._n_read: dict[str, int] = {}
        self._has_read = False
        self._unwritten: list[tuple[str, FrozenTrial]] = []
        self.complete: set[str] = set()
        self.failure = ""
        self._pause = Deadline(-math.inf, clock)
        self._is_doubtful = False

    def open(self, families: Sequence[str], search: str, metric_name: str = "") -> None:
        """Find or create the studies of the search with this id.

        Optuna's dashboard shows the name of the score.

        Raises
        ------
        TimeoutError
            If the storage does not answer.
        ValueError
            If studies of these names belong to another search.
        """

        def open_all() -> None:
            for name in families:
                self._open_one(name, search, metric_name)

        within(open_all, patience(self.seconds_left(), FIRST_SECONDS))

    def add(self, family: str, trial: FrozenTrial) -> bool:
        """Write an ended trial; return False if that has to wait."""
        self._unwritten.append((family, trial))
        if self._pause.is_over:
            self._write()
        return not self._unwritten

    def news(self) -> list[tuple[str, FrozenTrial]] | None:
        """Return the families and trials that were added since the last call.

        Returns None if the storage does not answer, so that nobody knows what ended.
        """
        if not self._pause.is_over:
            return None
        read = self.read() if self._write() else None
        if read is None:
            return None
        new = []
        for name, trials in read.items():
            added = trials[self._n_read[name] :]
            self.complete |= arrays_of(added)
            new += [(name, t) for t in added if "number" in t.user_attrs]
            self._n_read[name] = len(trials)
        return new

    def read(self) -> dict[str, list[FrozenTrial]] | None:
        """Return all trials of each family; None if the storage does not answer."""
        read = self._guarded(
            lambda: {
                name: self.storage.get_all_trials(study._study_id, deepcopy=False)
                for name, study in self._studies.items()
            },
            None if self._has_read else FIRST_SECONDS,
        )
        self._has_read = self._has_read or read is not None
        return read

    def close(self) -> set[int]:
        """Write all that is left; return the numbers of trials still unwritten."""
        self._write()
        return {trial.user_attrs["number"] for _, trial in self._unwritten}

    def recall(self, families: Sequence[str]) -> dict[str, str]:
        """Return the id of the search that the studies belong to, if they exist."""
        names = {f"{self.study_name}-{family}" for family in families}
        seconds = patience(self.seconds_left())
        for study in within(self.storage.get_all_studies, seconds):
            if study.study_name in names and "search" in study.user_attrs:
                return {"id": study.user_attrs["search"]}
        return {}

    def _write(self) -> bool:
        """Write the trials that have ended; return whether all of them are written."""
        while self._unwritten:
            if self.seconds_left() < -LATE_SECONDS:
                self.failure = self.failure or "TimeoutError: there was no time left"
                return False
            family, trial = self._unwritten[0]
            study_id = self._studies[family]._study_id
            if self._guarded(partial(self._write_once, study_id, trial)) is None:
                self._is_doubtful = True
                return False
            self._is_doubtful = False
            self.complete |= arrays_of([trial])
            self._unwritten.pop(0)
        self.failure = ""
        return True

    def _write_once(self, study_id: int, trial: FrozenTrial) -> bool:
        """Write a trial, unless an earlier call that seemed to fail has written it."""
        number = trial.user_attrs["number"]
        written: list[FrozenTrial] = []
        if self._is_doubtful:
            written = self.storage.get_all_trials(study_id, deepcopy=False)
        if all(other.user_attrs.get("number") != number for other in written):
            self.storage.create_new_trial(study_id, trial)
        return True

    def _guarded(self, call: Callable[[], Any], most: float | None = None) -> Any:
        """Return `call()`; if it fails, return None and begin a pause."""
        try:
            return within(call, patience(self.seconds_left(), most))
        except Exception as error:  # noqa: BLE001  of a disk, a network, a database
            self.failure = self.failure or describe_error(error)
            self._pause = Deadline.after(PAUSE_SECONDS, self.clock)
            return None

    def _open_one(self, family: str, search: str, metric_name: str) -> None:
        name = f"{self.study_name}-{family}"
        study = optuna.create_study(
            storage=self.storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        known = study.user_attrs.get("search")
        if known is None:
            study.set_user_attr("search", search)
            if metric_name:
                with no_warnings():  # that this is experimental
                    study.set_metric_names([metric_name])
        elif known != search:
            raise ValueError(
                f"The study {name!r} of the storage belongs to another search, or its "
                "folder was replaced. Give another study_name, or the folder that "
                "the search was begun with."
            )
        self._studies[family], self._n_read[family] = study, 0


def arrays_of(trials: Sequence[FrozenTrial]) -> set[str]:
    """Return the stems of the names of the arrays of complete trials."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return {trial.user_attrs.get("arrays", "") for trial in complete}


def patience(seconds_left: float, most: float | None = None) -> float:
    """Return for how many seconds to wait for a storage: at most 10, or `most`.

    Optuna and the driver of a database would wait for minutes.
    """
    most = MOST_SECONDS if most is None else most
    return min(max(seconds_left, LEAST_SECONDS), most)
