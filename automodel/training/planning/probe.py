"""Probe: what a trial of one setting takes on some of the rows."""

from __future__ import annotations

import importlib
import math
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from automodel.clock import Deadline
from automodel.containment import contained, give_memory_back
from automodel.evaluation.evaluate import Candidate, Evaluation, evaluate
from automodel.evaluation.folds import Folds
from automodel.evaluation.splits import without_rows, without_unknown_rows
from automodel.monitor import Steps
from automodel.peak_memory import peak_bytes
from automodel.search.workers.own import slow_library
from automodel.search.workers.starting import resident_bytes
from automodel.search.workers.work import load
from automodel.training.allowance import pickled_bytes

LEAST_VALID = 100  # rows
WARM_ROWS, WARM_SECONDS = 100, 0.3  # of a first call, with libraries that are slow
CUT_SHARE = 0.75  # of its time, after which a probe counts as cut whatever it says
SIZE_SECONDS = 0.1  # for measuring the size of a model


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


def run_probe(
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
        if limit is not None:
            limit = min(limit, max(deadline.seconds_left, 0.0))
        own = some_rows(folds, n_rows, all_splits=candidate.family.joins_folds)
        before = resident_bytes(os.getpid())
        _reset_peak()
        evaluation = evaluate(candidate, own, deadline=deadline, time_limit=limit)
        n_bytes = max(peak_bytes() - before, 0)
        on_cpu = math.nan
        if evaluation.status == "complete":
            steps = evaluation.steps_trained
            on_cpu = _without_gpu(candidate, own, deadline, limit, steps)
    give_memory_back()
    if evaluation.status == "stopped" or deadline.is_over:
        return None
    probe = _as_probe(evaluation, own, n_bytes, deadline, loaded)
    if probe.error:
        return probe
    probe = replace(probe, cpu_seconds=on_cpu)
    is_cut = False
    if limit is not None:
        is_cut = any(model.n_trained is not None for model in evaluation.models)
        if not candidate.family.chooses_rounds:
            is_cut |= probe.fit_seconds * len(own) > CUT_SHARE * limit
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
