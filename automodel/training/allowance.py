"""Allowance: how much time and memory the models of an ensemble may take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached

SECONDS_PER_ROW = 2e-4  # of a prediction, within which members may have more models
ROWS_OF_CALL = 500
MODEL_BYTES = 256 * 2**20  # the same for their size
MEASURE_SECONDS = 0.1  # for measuring all models that are not in files


@dataclass(frozen=True)
class ModelCost:
    """The cost of models: seconds to predict a row, and bytes of memory."""

    seconds: float
    n_bytes: float


@dataclass(frozen=True)
class Allowance:
    """The cost that the models of an ensemble may have, and the cost of each model.

    Parameters
    ----------
    total : ModelCost
        The cost that all models together may have.
    costs : mapping of int to ModelCost
        The cost of one model of each trial, by the number of the trial.
    n_models : int, default=None
        Number of models that there may be; None for any number.
    """

    total: ModelCost
    costs: Mapping[int, ModelCost]
    n_models: int | None = None

    @classmethod
    def measured(
        cls, evaluations: Mapping[int, Evaluation], folds: Folds, deadline: Deadline
    ) -> Allowance:
        """Return the allowance of an ensemble of the models of some trials.

        The time of predictions counts only if there is a deadline. It was measured by
        the search, in which one model predicted each row; a call with few rows counts
        as one with `ROWS_OF_CALL`, since each call has a fixed cost.
        """
        n_rows = sum(max(len(valid), ROWS_OF_CALL) for _, valid in folds.splits)
        has_end = deadline.exists
        end = Deadline.after(MEASURE_SECONDS if has_end else None, deadline.clock)
        costs = {
            number: ModelCost(e.predict_seconds / n_rows, mean_bytes(e.models, end))
            for number, e in evaluations.items()
        }
        total = ModelCost(SECONDS_PER_ROW if has_end else math.inf, MODEL_BYTES)
        return cls(total, costs, folds.target.most_combined)

    def granted(self, requests: Iterable[tuple[int, int]]) -> list[bool]:
        """Tell which requests for models can be granted, one after the other.

        Parameters
        ----------
        requests : iterable of (int, int)
            The number of a trial, and how many models of it are asked for. A request
            that exceeds what the ones before have left is refused, and costs nothing.
        """
        seconds, n_bytes, granted = self.total.seconds, self.total.n_bytes, []
        n_left = math.inf if self.n_models is None else self.n_models
        for number, n_models in requests:
            cost = self.costs[number]
            left = (
                seconds - n_models * cost.seconds,
                n_bytes - n_models * cost.n_bytes,
                n_left - n_models,
            )
            granted.append(min(left) >= 0)
            if granted[-1]:
                seconds, n_bytes, n_left = left
        return granted


def mean_bytes(models, deadline: Deadline = NO_DEADLINE) -> float:
    """Return the mean size of the models of the folds of a trial.

    Where they are in memory, one is measured, as large as it would be in a file. The
    size is infinite if it cannot be measured in time, since the model is then large.
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
    """Return the size that a model has in a file; infinite if time is over."""
    if deadline.is_over:  # some models are serialized as a whole before any write
        return math.inf
    counter = _Counter(deadline)
    try:
        cloudpickle.dump(model, counter)
    except DeadlineReached:
        return math.inf
    except Exception:  # noqa: BLE001  models may raise anything when pickled
        return counter.n_bytes  # of what was written before the error
    return counter.n_bytes


class _Counter:
    """A file that counts the bytes written to it, until a deadline."""

    def __init__(self, deadline: Deadline):
        self.deadline = deadline
        self.n_bytes = 0

    def write(self, data) -> int:
        self.deadline.check()
        size = memoryview(data).nbytes
        self.n_bytes += size
        return size
