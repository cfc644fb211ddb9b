"""Probes: proven settings at growing numbers of rows, in processes that are ended."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from automodel import mapped
from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.evaluation.evaluate import Candidate
from automodel.evaluation.folds import Folds
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.search.spaces import first_setting
from automodel.search.workers.own import slow_library
from automodel.search.workers.pickling import all_by_value
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.simulated_trial import stops_in_time
from automodel.search.workers.starting import resident_bytes
from automodel.search.workers.worker_process import Outcome
from automodel.training.planning.machine import Machine
from automodel.training.planning.probe import Probe, run_probe
from automodel.training.planning.statement import Statement

FIRST_ROWS, ROW_FACTOR = 400, 4
# Of a probe that may be cut. Nets may show whether they stop early.
ROUNDS_SECONDS, NET_SECONDS, PACK_SECONDS = 0.4, 1.0, 0.8
FEWEST_STEPS = 4  # of such a probe
UNSURE_STEPS = 4.0  # how much more a probe tells where the steps are unknown
SHORT = 0.1  # seconds of a probe that costs hardly anything
SAFETY = 1.5  # a probe may take so many times longer than predicted
START_SHARE = 0.5  # of the seconds that a family states for its first call


@dataclass(frozen=True)
class Probes:
    """All probes, and what it takes to start a process."""

    of_trials: list[Probe]
    start_seconds: float
    start_bytes: float
    seconds: float = 0.0  # that they took together
    server_bytes: float = 0.0  # of the process that others are forked from


@contextmanager
def probe_processes(memory_limit: int | None = None) -> Iterator[ProcessPool]:
    """Start processes for `probe_families`, which takes seconds.

    They are ended after the block. Of two, one is for libraries that are slow to load.

    Parameters
    ----------
    memory_limit : int, default=None
        Bytes of resident memory above which a process is ended.
    """
    with ProcessPool(min(2, Machine().n_cores), memory_limit) as pool:
        pool.submit("start", _started)
        yield pool


def probe_families(
    families: Sequence[ModelFamily],
    folds: Folds,
    folder: Path,
    seconds: float,
    pool: ProcessPool,
    clock: Clock = SYSTEM_CLOCK,
) -> Probes:
    """Run the first proven setting of each family on more and more rows.

    Each family has one before any has two, so that most families are measured.

    Parameters
    ----------
    families : sequence of ModelFamily
        What is probed.
    folds : Folds
        The data of the search.
    folder : Path
        Where the data are written for the processes.
    seconds : float
        Time for all probes. What has not ended by then is lost.
    pool : ProcessPool
        Processes that are starting.
    clock : Clock, default=SYSTEM_CLOCK
        Tells the time.
    """
    start, deadline = clock.now(), Deadline.after(seconds, clock)
    pool.put_off("start", deadline)
    queue = _Queue(families, folds, pool, deadline)
    path = folder / "folds"
    with all_by_value():
        mapped.dump(folds, path)
    queue.submit_all(path)
    born = Outcome("start")
    while outcomes := pool.wait():
        for outcome in outcomes:
            if outcome.key == "start":
                born = outcome
            else:
                queue.take(outcome)
        queue.submit_all(path)
    used = clock.now() - start
    start_seconds = born.seconds if born.value else used
    server_bytes = float(pool.server_bytes)
    return Probes(queue.found, start_seconds, born.value or 0.0, used, server_bytes)


class _Queue:
    """Chooses what is probed next, of all families one setting at a time.

    If there are two processes, one is for families whose libraries are slow to load.
    """

    def __init__(
        self,
        families: Iterable[ModelFamily],
        folds: Folds,
        pool: ProcessPool,
        deadline: Deadline,
    ):
        self.folds, self.pool, self.deadline = folds, pool, deadline
        self.found: list[Probe] = []
        self._running: set[str] = set()  # and those that are done
        self._n_train = n_train = max(len(train) for train, _ in folds.splits)
        rows = [FIRST_ROWS * ROW_FACTOR**step for step in range(20)]
        rows = [*(n for n in rows if n < n_train / 1.5), n_train]
        self._waiting: dict[str, tuple[Candidate, list[int]]] = {}
        self._limits: dict[str, float | None] = {}
        for family in families:
            try:
                candidate = Candidate(family, first_setting(family, folds.task))
                self._waiting[family.name] = candidate, list(rows)
                self._limits[family.name] = self._limit_of(candidate)
            except Exception as error:  # noqa: BLE001  its trials fail with it, too
                self._fail(family.name, describe_error(error))

    def take(self, outcome: Outcome) -> None:
        """Take the result of a probe, after which its family may go on."""
        name = str(outcome.key)
        if outcome.cause == "time" or not (outcome.value or outcome.cause):
            return  # there was no time for it, and there will be none for larger ones
        if outcome.cause:
            self._fail(name, outcome.error)
        else:
            self.found.append(outcome.value)
        if not self.found[-1].error:
            self._running.discard(name)

    def submit_all(self, path: Path) -> None:
        """Give idle processes something to do, if there is time for it."""
        while self.pool.n_idle and (name := self._next()):
            candidate, rows = self._waiting[name]
            limit = self._limits[name]
            call = partial(
                run_probe, candidate, path, rows.pop(0), self.deadline, limit
            )
            library = slow_library(candidate.family, self.folds.task)
            self._running.add(name)
            self.pool.submit(name, call, self.deadline, library)

    def _next(self) -> str | None:
        """Return the family of the next probe.

        Each family has one before any has two. Those of a moment come first, and then
        those that tell the most seconds of a fit in a second. Of families that train in
        steps, less is known before.
        """
        able = []
        for name, (candidate, rows) in self._waiting.items():
            if rows and name not in self._running:
                self._skip_rows(name, rows)
                library = slow_library(candidate.family, self.folds.task)
                seconds = self._seconds(candidate, rows[0])
                has_time = seconds < self.deadline.seconds_left
                if has_time and self.pool.has_idle(library):
                    n_before, is_long = len(self._earlier(name)), seconds > SHORT
                    stated = Statement(candidate.family, self.folds.task)
                    told = stated.seconds(candidate.params, self._n_train) / seconds
                    told *= UNSURE_STEPS if self._limits[name] else 1.0
                    able.append((not library, n_before, is_long, -told, name))
        return min(able)[-1] if able else None

    def _limit_of(self, candidate: Candidate) -> float | None:
        """Return the seconds after which a probe is cut; None if it must not be.

        A few steps tell as much as all of them, if the family states what they cost.
        """
        stated, params = Statement(candidate.family, self.folds.task), candidate.params
        if not (stops_in_time(candidate) and stated.n_steps(params, FIRST_ROWS)):
            return None
        n_folds = self._n_folds(candidate)
        limit = PACK_SECONDS if n_folds > 1 else NET_SECONDS
        if candidate.family.chooses_rounds:
            limit = ROUNDS_SECONDS
        few = stated.seconds(params, FIRST_ROWS, FEWEST_STEPS)
        return max(limit, SAFETY * n_folds * few)

    def _n_folds(self, candidate: Candidate) -> int:
        """Return the folds that a probe trains."""
        is_joined = candidate.family.joins_folds and self.folds.can_join
        return len(self.folds) if is_joined else 1

    def _skip_rows(self, name: str, rows: list[int]) -> None:
        """Go on with the most rows of which a few steps can be trained in time."""
        limit, earlier = self._limits[name], self._earlier(name)
        if limit is None or not earlier or not earlier[-1].n_iterations:
            return
        last = earlier[-1]
        n_folds = self._n_folds(self._waiting[name][0])
        of_row = n_folds * last.fit_seconds / last.n_iterations / last.n_rows
        while len(rows) > 1 and FEWEST_STEPS * of_row * rows[1] < limit:
            rows.pop(0)

    def _earlier(self, name: str) -> list[Probe]:
        return [probe for probe in self.found if probe.family == name]

    def _seconds(self, candidate: Candidate, n_rows: int) -> float:
        """Return the seconds within which a probe will surely end."""
        family, n_folds = candidate.family, self._n_folds(candidate)
        earlier, limit = self._earlier(family.name), self._limits[family.name]
        most = math.inf if limit is None else limit
        if earlier:
            last, growth = earlier[-1], n_rows / earlier[-1].n_rows
            spent = n_folds * last.encode_seconds + last.shared_seconds
            spent += last.predict_seconds * last.n_rows
            training = min(n_folds * last.fit_seconds * growth, most)
            return SAFETY * (spent * growth + training)
        stated = Statement(family, self.folds.task)
        seconds = min(n_folds * stated.seconds(candidate.params, n_rows), most)
        seconds += stated.shared_seconds(candidate.params, n_rows)
        return SAFETY * seconds + START_SHARE * family.start_seconds

    def _fail(self, name: str, error: str) -> None:
        self.found.append(Probe(name, {}, 0, error=error))


def _started() -> float:
    """Return the memory of this process once it can run trials."""
    importlib.import_module("pandas")
    return float(resident_bytes(os.getpid()))
