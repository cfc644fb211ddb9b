"""What the models of an ensemble may cost, in time and in memory."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from automodel.clock import NO_DEADLINE, SYSTEM_CLOCK, Clock, Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached

SECONDS_PER_ROW = 2e-4  # of a prediction, within which members may have more models
ROWS_OF_CALL = 500
MODEL_BYTES = 256 * 2**20  # the same for their size
MEASURE_SECONDS = 0.1  # for the sizes of models that are in no files


@dataclass
class Allowance:
    """What the models of an ensemble may cost; each member has one in any case.

    Parameters
    ----------
    seconds : float
        For the prediction of a row.
    n_bytes : float
        In memory.
    n_rows : int
        Rows that the search has predicted with one model each; those of a call that
        had few are counted as `ROWS_OF_CALL`, since a call costs much by itself.
    clock : Clock, default=SYSTEM_CLOCK
        Tells how long measuring sizes takes.
    """

    seconds: float
    n_bytes: float
    n_rows: int
    clock: Clock = SYSTEM_CLOCK
    _sizes: dict[int, float] = field(default_factory=dict, repr=False)
    _measure_seconds: float = MEASURE_SECONDS

    @classmethod
    def for_folds(cls, folds: Folds, deadline: Deadline) -> Allowance:
        """Return the whole allowance; the seconds count only if there is a deadline."""
        n_rows = sum(max(len(valid), ROWS_OF_CALL) for _, valid in folds.splits)
        own = cls(SECONDS_PER_ROW, MODEL_BYTES, n_rows, deadline.clock)
        if not deadline.exists:
            own.seconds = own._measure_seconds = math.inf
        return own

    def takes(self, evaluation: Evaluation, n_models: int) -> bool:
        """Book some models like those of a trial, if there is room for them."""
        seconds = n_models * evaluation.predict_seconds / self.n_rows
        n_bytes = n_models * self._size_of(evaluation)
        if seconds > self.seconds or n_bytes > self.n_bytes:
            return False
        self.seconds -= seconds
        self.n_bytes -= n_bytes
        return True

    def _size_of(self, evaluation: Evaluation) -> float:
        key = id(evaluation)
        if key not in self._sizes:
            start = self.clock.now()
            deadline = Deadline.after(self._measure_seconds, self.clock)
            self._sizes[key] = mean_bytes(evaluation.models, deadline)
            self._measure_seconds -= self.clock.now() - start
        return self._sizes[key]


def mean_bytes(models, deadline: Deadline = NO_DEADLINE) -> float:
    """Return the mean size of the fold models of a trial.

    Of those in memory one is measured, as it would be in a file. It is infinite if
    that cannot be told in time: the model is large.
    """
    sizes = []
    for model in models or ():
        with suppress(OSError):
            if isinstance(model, Path):
                sizes.append(model.stat().st_size)
    if not sizes and models:
        return pickled_bytes(models[0], deadline)
    return float(np.mean(sizes)) if sizes else 0.0


def pickled_bytes(model: Any, deadline: Deadline) -> float:
    """Return the size of a model in a file, without one; infinite if time is over."""
    if deadline.is_over:  # some models are made one text before a byte is written
        return math.inf
    counter = _Counter(deadline)
    try:
        cloudpickle.dump(model, counter)
    except DeadlineReached:
        return math.inf
    except Exception:  # noqa: BLE001  what pickling raises is up to the model
        return counter.n_bytes  # of what came before it
    return counter.n_bytes


class _Counter:
    """A file that counts what is written to it, until a moment comes."""

    def __init__(self, deadline: Deadline):
        self.deadline = deadline
        self.n_bytes = 0

    def write(self, data) -> int:
        self.deadline.check()
        size = memoryview(data).nbytes
        self.n_bytes += size
        return size
