"""Probes: proven settings at growing numbers of rows, in processes that are ended."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped
from automodel.clock import SYSTEM_CLOCK, Clock, Deadline
from automodel.containment import contained, give_memory_back
from automodel.evaluation.evaluate import Candidate, Evaluation, evaluate
from automodel.evaluation.folds import Folds
from automodel.evaluation.splits import without_rows, without_unknown_rows
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.monitor import Steps
from automodel.peak_memory import peak_bytes
from automodel.search.spaces import first_setting, stated_cost
from automodel.search.workers.own import slow_library
from automodel.search.workers.pickling import all_by_value
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.simulated_trial import stops_in_time
from automodel.search.workers.starting import resident_bytes
from automodel.search.workers.work import load
from automodel.search.workers.worker_process import Outcome
from automodel.training.allowance import pickled_bytes
from automodel.training.planning.statement import Statement

FIRST_ROWS, ROW_FACTOR = 400, 4
LEAST_VALID = 100  # rows
WARM_ROWS, WARM_SECONDS = 100, 0.3  # of a first call, with libraries that are slow
SIZE_SECONDS = 0.1  # for measuring the size of a model
GUESSED_SECONDS = 0.1  # of a probe of a family that states no cost
# Of a probe that may be cut. Nets may show whether they stop early.
ROUNDS_SECONDS, NET_SECONDS, PACK_SECONDS = 0.4, 1.0, 0.8
FEWEST_STEPS = 4  # of such a probe
ROUNDS_SHARE, NET_SHARE = 0.5, 0.95  # of these seconds, after which no step begins
SHORT = 0.1  # seconds of a probe that costs hardly anything
SAFETY = 1.5  # a probe may take so many times longer than predicted
START_SHARE = 0.5  # of the seconds that a family states for its first call


@dataclass(frozen=True)
class Probe:
    """What a trial of one setting took on some of the rows.

    Parameters
    ----------
    family : str
        Name of the family.
    params : dict
        The setting.
    n_rows : int
        Rows that the model was trained on.
    fit_seconds, encode_seconds : float
        Seconds of the training, and of encoding the rows before.
    shared_seconds : float
        Seconds of what is encoded once for all trials.
    cpu_seconds : float
        Seconds of as many steps without the GPU; NaN if none was used.
    predict_seconds : float
        Seconds to predict a row.
    n_valid : int
        Rows that were predicted.
    import_seconds, import_bytes : float
        What it took to load the libraries, if this probe was the first to use them.
    n_bytes : float
        Memory at the peak, above that of the process before.
    model_bytes : float
        Size of the model.
    n_iterations : int
        Steps that were trained; 0 if the model does not train in steps.
    is_cut : bool
        Whether there may have been no time for more steps.
    score : float
        Score on rows that are the same for all probes of as many rows; NaN for a
        probe that is cut.
    error : str
        Why the trial has failed; "" if it has not.
    """

    family: str
    params: dict[str, Any] = field(repr=False)
    n_rows: int
    fit_seconds: float = 0.0
    encode_seconds: float = 0.0
    shared_seconds: float = 0.0
    cpu_seconds: float = math.nan
    predict_seconds: float = 0.0
    n_valid: int = 0
    import_seconds: float = 0.0
    import_bytes: float = 0.0
    n_bytes: float = 0.0
    model_bytes: float = 0.0
    n_iterations: int = 0
    is_cut: bool = False
    score: float = float("nan")
    error: str = ""


@dataclass(frozen=True)
class Probes:
    """All probes, and what it takes to start a process."""

    of_trials: list[Probe]
    start_seconds: float
    start_bytes: float
    seconds: float = 0.0  # that they took together
    server_bytes: float = 0.0  # of the process that others are forked from


class _TimedFolds(Folds):
    """Folds that know how long it took to encode them."""

    encode_seconds = 0.0

    def encoded(self, fold, encoder, y, deadline):
        """Encode the rows of a fold, and add the time that it takes."""
        start = deadline.clock.now() - self.encodings.shared_seconds
        found = super().encoded(fold, encoder, y, deadline)
        end = deadline.clock.now() - self.encodings.shared_seconds
        self.encode_seconds += end - start
        return found


def probe_families(
    families: Sequence[ModelFamily],
    folds: Folds,
    folder: Path,
    seconds: float,
    n_processes: int = 1,
    memory_limit: int | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Probes:
    """Run the first proven setting of each family on more and more rows.

    The cheapest probes come first, so that most families are measured, and cheap ones
    on many rows.

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
    n_processes : int, default=1
        Processes; of two, one is for libraries that take long to load.
    memory_limit : int, default=None
        Bytes of resident memory above which a process is ended.
    clock : Clock, default=SYSTEM_CLOCK
        Tells the time.
    """
    start, deadline = clock.now(), Deadline.after(seconds, clock)
    with ProcessPool(n_processes, memory_limit) as pool:
        pool.submit("start", _started, deadline)
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
        server_bytes = float(pool.server_bytes)
    used = clock.now() - start
    start_seconds = born.seconds if born.value else used
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
            call = partial(_probe, candidate, path, rows.pop(0), self.deadline, limit)
            library = slow_library(candidate.family, self.folds.task)
            self._running.add(name)
            self.pool.submit(name, call, self.deadline, library)

    def _next(self) -> str | None:
        """Return the family of the next probe.

        Each family has one before any has two. Those of a moment come first, and then
        those that tell the most seconds of a fit in a second.
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
                    told = self._stated(candidate, self._n_train) / seconds
                    able.append((not library, n_before, is_long, -told, name))
        return min(able)[-1] if able else None

    def _limit_of(self, candidate: Candidate) -> float | None:
        """Return the seconds after which a probe is cut; None if it must not be.

        A few steps tell as much as all of them, if the family states what they cost.
        """
        stated = Statement(candidate.family, self.folds.task)
        if not (stops_in_time(candidate) and stated.n_steps(candidate.params, 1000)):
            return None
        if candidate.family.chooses_rounds:
            return ROUNDS_SECONDS
        return PACK_SECONDS if self._n_folds(candidate) > 1 else NET_SECONDS

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
        seconds = min(n_folds * self._stated(candidate, n_rows), most)
        task = replace(self.folds.task, n_samples=n_rows)
        seconds += family.shared_cost(candidate.params, task)
        return SAFETY * seconds + START_SHARE * family.start_seconds

    def _stated(self, candidate: Candidate, n_rows: int) -> float:
        """Return the seconds of a fit that the family states, or a guess."""
        task = replace(self.folds.task, n_samples=n_rows)
        seconds = stated_cost(candidate.family, candidate.params, task)
        return seconds if np.isfinite(seconds) else GUESSED_SECONDS

    def _fail(self, name: str, error: str) -> None:
        self.found.append(Probe(name, {}, 0, error=error))


def _started() -> float:
    """Return the memory of this process once it can run trials."""
    importlib.import_module("pandas")
    return float(resident_bytes(os.getpid()))


def _probe(
    candidate: Candidate,
    path: Path,
    n_rows: int,
    deadline: Deadline,
    limit: float | None = None,
) -> Probe | None:
    """Run a probe in a process of its own; None if time was up."""
    folds = load(path)
    with contained():
        loaded = _warmed(candidate, folds, deadline)
        own = some_rows(folds, n_rows, all_splits=candidate.family.joins_folds)
        before = resident_bytes(os.getpid())
        _reset_peak()
        evaluation = evaluate(candidate, own, deadline=deadline, time_limit=limit)
        n_bytes = max(peak_bytes() - before, 0)
        steps = evaluation.steps_trained
        on_cpu = _without_gpu(candidate, own, deadline, limit, steps)
    give_memory_back()
    if evaluation.status == "stopped" or deadline.is_over:
        return None
    probe = _as_probe(evaluation, own, n_bytes, deadline, loaded)
    probe = replace(probe, cpu_seconds=on_cpu)
    most = ROUNDS_SHARE if candidate.family.chooses_rounds else NET_SHARE
    is_cut = limit is not None and (
        probe.fit_seconds * len(own) > most * limit
        or any(model.n_trained is not None for model in evaluation.models)
    )
    return replace(probe, is_cut=True, score=math.nan) if is_cut else probe


def _without_gpu(
    candidate: Candidate,
    own: _TimedFolds,
    deadline: Deadline,
    limit: float | None,
    steps_on_gpu: list[Steps],
) -> float:
    """Return the seconds of as many steps on the processor, if a GPU was used."""
    torch: Any = sys.modules.get("torch")
    estimator = candidate.family.estimator(own.task, 0)
    uses_gpu = torch is not None and torch.cuda.is_available()
    if not uses_gpu or "device" not in estimator.get_params():
        return math.nan
    same = replace(candidate, params={**candidate.params, "device": "cpu"})
    before = own.encode_seconds
    evaluation = evaluate(same, own, deadline=deadline, time_limit=limit)
    if evaluation.status != "complete":
        return math.nan
    spent = own.encode_seconds - before + evaluation.predict_seconds
    seconds = max(evaluation.seconds - spent, 1e-5) / len(own)
    n_steps = np.max(evaluation.steps_trained)
    return seconds * np.max(steps_on_gpu) / n_steps if n_steps else seconds


def _as_probe(evaluation: Evaluation, own, n_bytes, deadline, loaded) -> Probe:
    n_folds, candidate = len(own), evaluation.candidate
    n_rows = int(np.mean([len(train) for train, _ in own.splits]))
    if evaluation.error:
        return Probe(
            candidate.family.name, candidate.params, n_rows, error=evaluation.error
        )
    seconds = evaluation.seconds - own.encode_seconds - evaluation.predict_seconds
    n_valid = sum(len(valid) for _, valid in own.splits)
    steps = np.max([np.max(n) for n in evaluation.steps_trained])
    size_limit = Deadline.after(SIZE_SECONDS, deadline.clock)
    return Probe(
        candidate.family.name,
        candidate.params,
        n_rows,
        fit_seconds=max(seconds, 1e-5) / n_folds,
        encode_seconds=own.encode_seconds / n_folds,
        shared_seconds=own.encodings.shared_seconds,
        predict_seconds=evaluation.predict_seconds / n_valid,
        n_valid=n_valid // n_folds,
        import_seconds=loaded[0],
        import_bytes=loaded[1],
        n_bytes=float(n_bytes),
        model_bytes=min(pickled_bytes(evaluation.models[0], size_limit), n_bytes),
        n_iterations=int(steps),
        score=evaluation.score,
    )


def some_rows(folds: Folds, n_rows: int, all_splits: bool = False) -> _TimedFolds:
    """Return folds whose models are trained on about `n_rows` rows.

    There is a single split, unless all are asked for.
    """
    rng = np.random.default_rng(0)
    train, valid = folds.splits[0]
    if all_splits and folds.can_join:
        share = min(n_rows / len(train), 1.0)
        kept = rng.random(len(folds.y)) <= share
        splits = list(folds.splits)
    else:
        n_valid = max(len(valid) * n_rows // len(train), LEAST_VALID)
        kept = np.zeros(len(folds.y), dtype=bool)
        splits = [(rng.permutation(train)[:n_rows], rng.permutation(valid)[:n_valid])]
        kept[np.concatenate(splits[0])] = True
    rows = np.flatnonzero(kept)
    y = folds.y[rows]
    splits = without_rows(splits, kept)
    return _TimedFolds(
        folds.rows.take(rows),
        y,
        folds.weight_of(rows),
        without_unknown_rows(splits, folds.target, y),
        folds.task,
        folds.metric,
        folds.groups_of(rows),
    )


def _warmed(candidate: Candidate, folds: Folds, deadline: Deadline):
    """Load the libraries of a family; return the seconds and the memory of that."""
    family = candidate.family
    start, before = deadline.clock.now(), resident_bytes(os.getpid())
    is_new = any(name not in sys.modules for name in family.requires)
    for name in family.requires:
        with suppress(Exception):  # the trial fails with the error
            importlib.import_module(name)
    if is_new and slow_library(family, folds.task):
        few = some_rows(folds, WARM_ROWS)
        evaluate(candidate, few, deadline=deadline.within(WARM_SECONDS))
    seconds = deadline.clock.now() - start
    return seconds, float(max(resident_bytes(os.getpid()) - before, 0))


def _reset_peak() -> None:
    """Let the system measure the peak of the resident memory anew, on Linux."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
