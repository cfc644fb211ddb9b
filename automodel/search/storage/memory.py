"""SearchStorage: keeps the evaluations of a search, in memory and in an archive."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.ensemble.selection import shortlist
from automodel.evaluation.evaluate import Evaluation
from automodel.exceptions import describe_error
from automodel.search.budget import Budget
from automodel.search.models import ModelFolder
from automodel.search.storage import ledger
from automodel.search.storage.archive import Archive, Asked, Ended
from automodel.search.storage.predictions import read_predictions

JUDGES = 3  # predictions are kept of so many times more evaluations than models
JUDGE_BYTES = 4 * 2**20  # of predictions of an evaluation: with many rows luck is small


class SearchStorage:
    """All evaluations, with predictions and models of the promising ones.

    If the archive fails, the search goes on in memory, and after a pause the archive is
    given what it has missed. If another process has gone on with the search in the
    meantime, the same numbers stand for different trials. From then on this process
    searches alone.

    Parameters
    ----------
    n_kept : int
        How many evaluations keep their out-of-fold predictions and models.
    archive : Archive, default=None
        Keeps the search beyond this process; None keeps it in memory.
    clock : Clock, default=SYSTEM_CLOCK
        Tells when the archive is tried again after a failure.
    """

    def __init__(
        self,
        n_kept: int,
        archive: Archive | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ):
        self.n_kept = n_kept
        self.archive = archive
        self.clock = clock
        self.evaluations: dict[int, Evaluation] = {}
        self._holders: set[int] = set()  # evaluations that have predictions or models
        self.problem = ""  # what is missing from the archive, and why
        self._failure = ""
        self._pause = Deadline(-math.inf, clock)
        self._unleased: deque[Asked] = deque()
        self._unrecorded: dict[int, tuple[Evaluation, FrozenTrial]] = {}
        # With an archive there are none, since those that an earlier process has
        # dropped are gone, and a resumed search has to end as one in one part.
        self._n_judges = JUDGES * n_kept if archive is None else 0

    @property
    def model_folder(self) -> Callable[[int], ModelFolder] | None:
        """Returns the `ModelFolder` of a trial; None if no model outlasts the fit."""
        return None if self.archive is None else self.archive.model_folder

    @contextmanager
    def opened(
        self, families: Sequence[str], budget: Budget, metric_name: str = ""
    ) -> Iterator[None]:
        """Take part in the archived search of these families within the block."""
        archive = self.archive
        if archive is None:
            yield
            return
        archive.seconds_left = lambda: budget.seconds_left
        archive.enter(families, metric_name)
        try:
            yield
        finally:
            self._pause = Deadline(-math.inf, self.clock)
            self._archived(lambda _: None, None)  # a last try
            self.problem = self._said_of(*archive.leave(), archive.damaged)

    def set_isolated(self, are_isolated: bool) -> None:
        """Tell the archive whether a trial may end this process."""
        if self.archive is not None:
            self.archive.leases.runs_here = not are_isolated

    def lease(self, number: int, family: str, trial: FrozenTrial) -> bool:
        """Lease the number of a trial; return False if another process has taken it."""
        if self.archive is None or number >= self.archive.first_apart:
            return True
        is_own = self._archived(lambda a: a.lease(number, family, trial), None)
        if is_own is None and number < self.archive.first_apart:
            self._unleased.append((number, family, trial))
        return is_own is not False

    def news(self) -> tuple[list[Asked], list[Ended]]:
        """Return the trials that other processes have asked for, and all that ended."""
        if self._is_apart:
            return [], []
        return self._archived(lambda a: a.news(), ([], []))

    def take_lost(self, numbers: Iterable[int]) -> list[tuple[int, bool]]:
        """See `Archive.take_lost`."""
        if self._is_apart:
            return []
        return self._archived(lambda a: a.take_lost(numbers), [])

    def is_unsure(self, numbers: Iterable[int]) -> bool:
        """Tell whether it is not known yet if one of the trials is lost."""
        if self._is_apart:
            return False
        return self._archived(lambda a: any(map(a.is_unsure, numbers)), False)

    def give_back(self, number: int) -> None:
        """See `Archive.give_back`."""
        self._archived(lambda a: a.give_back(number), None)

    def stop_of(self, number: int) -> dict[str, float] | None:
        """See `Archive.stop_of`."""
        return self._archived(lambda a: a.stop_of(number), None)

    def kept(self) -> set[str]:
        """See `Archive.kept`."""
        return self._archived(lambda a: a.kept(), set())

    def restore(self, number: int, evaluation: Evaluation, trial: FrozenTrial) -> None:
        """Keep an evaluation that is in the archive already."""
        self._archived(lambda a: a.find_arrays(trial, evaluation), None)
        self._keep(number, evaluation)

    def add(self, number: int, evaluation: Evaluation, trial: FrozenTrial) -> None:
        """Keep an evaluation, also in the archive."""
        try:
            if self.archive is not None:
                self._unrecorded[number] = evaluation, trial
                self._archived(lambda _: None, None)
        finally:
            self._keep(number, evaluation)

    def _keep(self, number: int, evaluation: Evaluation) -> None:
        """Keep an evaluation, and drop the arrays of those that are worse."""
        self.evaluations[number] = evaluation
        if evaluation.oof is None and evaluation.models is None:
            return
        self._holders.add(number)
        kept = set(self.usable())
        for other in self._holders - kept:
            old = self.evaluations[other]
            if old.models is not None:
                for path in (*old.models, old.oof):
                    if isinstance(path, Path):
                        with suppress(OSError):
                            path.unlink(missing_ok=True)
                self._archived(partial(Archive.drop_arrays, number=other), None)
                old.models = None
                if isinstance(old.oof, Path):
                    old.oof = None
        others = [other for other in self._ranked() if other not in kept]
        for other in others[self._most_others() :]:
            self.evaluations[other].oof = None
        self._holders = kept.union(others[: self._most_others()])

    def _archived(self, call: Callable[[Archive], Any], default: Any) -> Any:
        """Return the answer of the archive, or the default while the archive fails."""
        if self.archive is None or not self._pause.is_over:
            return default
        try:
            self._catch_up(self.archive)
            answer = call(self.archive)
        except Exception as error:  # noqa: BLE001  of a disk, a network, a database
            self._failure = self._failure or describe_error(error)
            self._pause = Deadline.after(ledger.PAUSE_SECONDS, self.clock)
            return default
        if not self._is_apart:
            self._failure = ""
        return answer

    def _catch_up(self, archive: Archive) -> None:
        """Give the archive the trials that it has missed, in their order."""
        while self._unleased:
            self._check_time_left(archive)
            if not archive.lease(*self._unleased[0]):
                archive.first_apart = self._unleased[0][0]
                self._unleased.clear()
                first, self._failure = self._failure, ""
                raise RuntimeError(
                    "while the storage had failed, another process has gone on with "
                    f"the search. First there was: {first}"
                )
            self._unleased.popleft()
        for number in sorted(self._unrecorded):
            if number < archive.first_apart:
                self._check_time_left(archive)
                archive.record(number, *self._unrecorded[number])
                del self._unrecorded[number]

    def _check_time_left(self, archive: Archive) -> None:
        if archive.seconds_left() < -ledger.LATE_SECONDS:
            raise TimeoutError("there was no time left")

    @property
    def _is_apart(self) -> bool:
        return self.archive is not None and self.archive.first_apart < math.inf

    def _said_of(self, unwritten: set[int], failure: str, damaged: list[str]) -> str:
        """Return what the user should know about the storage."""
        said = []
        ended = {n for n, (e, _) in self._unrecorded.items() if e.status != "stopped"}
        if damaged:
            said.append(
                f"Files of the storage were damaged and are left out: {damaged}."
            )
        if lost := sorted(unwritten | ended):
            said.append(
                f"Trials {lost} could not be stored and are in this estimator only. "
                f"{self._failure if ended else failure}"
            )
        return " ".join(said)

    def usable(self) -> list[int]:
        """Return the numbers of the evaluations that an ensemble may be made of."""
        numbers = [
            number
            for number, evaluation in self._holding()
            if evaluation.oof is not None and evaluation.models is not None
        ]
        chosen = shortlist([self.evaluations[n] for n in numbers], self.n_kept)
        return [numbers[i] for i in chosen]

    def loaded(self) -> dict[int, Evaluation]:
        """Return the usable evaluations with their predictions in memory."""
        for number in self.usable():
            evaluation = self.evaluations[number]
            if isinstance(evaluation.oof, Path):
                evaluation.oof = read_predictions(evaluation.oof)
        return {number: self.evaluations[number] for number in self.usable()}

    def judges(self, usable: dict[int, Evaluation]) -> list[Evaluation]:
        """Return the evaluations with which an ensemble of the usable ones is judged.

        The usable ones were chosen by their scores on all rows, so that on a part of
        the rows their scores are too good. Therefore others are judged with them.
        """
        others = [n for n in self._ranked() if n not in usable]
        known = [self.evaluations[number] for number in others]
        return [
            *usable.values(),
            *(e for e in known if _has_predictions(e)),
        ]

    def _ranked(self) -> list[int]:
        """Return the numbers of evaluations with predictions in memory, best first."""
        numbers = [n for n, evaluation in self._holding() if evaluation.oof is not None]
        return sorted(numbers, key=lambda n: -self.evaluations[n].score)

    def _holding(self) -> list[tuple[int, Evaluation]]:
        """Return the complete evaluations that have predictions or models."""
        pairs = [(n, self.evaluations[n]) for n in sorted(self._holders)]
        return [(n, e) for n, e in pairs if e.status == "complete"]

    def _most_others(self) -> int:
        """Return how many evaluations without models keep their predictions."""
        sizes = [
            evaluation.oof.nbytes
            for _, evaluation in self._holding()
            if _has_predictions(evaluation)
        ]
        most = JUDGE_BYTES // max(max(sizes, default=1), 1)
        return max(min(self._n_judges, most) - self.n_kept, 0)


def _has_predictions(evaluation: Evaluation) -> bool:
    """Tell whether an evaluation has its predictions in memory."""
    return evaluation.oof is not None and not isinstance(evaluation.oof, Path)
