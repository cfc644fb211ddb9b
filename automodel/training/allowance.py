"""Allowance: how much time and memory the models of an ensemble may take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.limits import ROUNDING, Limits
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached

AUTO_SECONDS = 1.5e-4  # of a prediction of a row, with "auto"
AUTO_BYTES = 24 * 2**20  # the same for the size of all models
AUTO_MODELS = 3  # like the best one, for which there is always room with "auto"
ROWS_OF_CALL = 500
MEASURE_SHARE = 0.1  # of the time left, for measuring models that are not in files

Limit = float | str | None  # a number, "auto", or None for no limit


@dataclass(frozen=True)
class ModelLimits:
    """What the user allows the models of an ensemble to cost.

    Parameters
    ----------
    seconds : float, "auto" or None, default="auto"
        Seconds to predict a row.
    n_bytes : float, "auto" or None, default="auto"
        Bytes of all models.
    """

    seconds: Limit = "auto"
    n_bytes: Limit = "auto"


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
        The cost that all models together may have; infinite for no limit.
    costs : mapping of int to ModelCost
        The cost of one model of each trial, by the number of the trial.
    scale : ModelCost
        The costs that weigh the same when models are compared; infinite for a cost
        that does not count.
    n_models : int, default=None
        Number of models that there may be; None for any number.
    """

    total: ModelCost
    costs: Mapping[int, ModelCost]
    scale: ModelCost = ModelCost(AUTO_SECONDS, AUTO_BYTES)
    n_models: int | None = None

    @classmethod
    def measured(
        cls,
        evaluations: Mapping[int, Evaluation],
        folds: Folds,
        deadline: Deadline,
        limits: ModelLimits = ModelLimits(),
    ) -> Allowance:
        """Return the allowance of an ensemble of the models of some trials.

        The time of predictions was measured by the search, in which one model predicted
        each row; a call with few rows counts as one with `ROWS_OF_CALL`, since each
        call has a fixed cost. It counts only if there is a deadline, or if the user
        limits it. A refit is taken to be larger than the model of a fold by as much as
        it learns from more rows.
        """
        n_rows = sum(max(len(valid), ROWS_OF_CALL) for _, valid in folds.splits)
        sizes = _sizes(evaluations, deadline.share(MEASURE_SHARE))
        share = folds.train_share or 1.0  # the rows of a user's splits may be missing
        costs = {
            number: ModelCost(e.predict_seconds / n_rows, size / share)
            for (number, e), size in zip(evaluations.items(), sizes, strict=True)
        }
        scores = {
            n: np.nan_to_num(e.score, nan=-np.inf) for n, e in evaluations.items()
        }
        best = costs[max(costs, key=scores.__getitem__)]
        seconds, n_bytes = (
            max(AUTO_SECONDS, AUTO_MODELS * best.seconds),
            max(AUTO_BYTES, AUTO_MODELS * best.n_bytes),
        )
        if not deadline.exists:
            seconds = math.inf
        total = ModelCost(_of(limits.seconds, seconds), _of(limits.n_bytes, n_bytes))
        scale = ModelCost(min(total.seconds, seconds), min(total.n_bytes, n_bytes))
        return cls(total, costs, scale, folds.target.most_combined)

    def cost(self, counts: Mapping[int, int]) -> ModelCost:
        """Return the cost of so many models of each trial."""
        costs = [(self.costs[number], n) for number, n in counts.items()]
        return ModelCost(
            sum(n * cost.seconds for cost, n in costs),
            sum(n * cost.n_bytes for cost, n in costs),
        )

    def allows(self, counts: Mapping[int, int]) -> bool:
        """Tell whether there may be so many models of each trial."""
        cost, most = self.cost(counts), 1.0 + ROUNDING
        return (
            cost.seconds <= most * self.total.seconds
            and cost.n_bytes <= most * self.total.n_bytes
            and (self.n_models is None or sum(counts.values()) <= self.n_models)
        )

    def expense(self, number: int) -> float:
        """Return the cost of a model of a trial as one number, relative to `scale`."""
        cost = self.costs[number]
        return cost.seconds / self.scale.seconds + cost.n_bytes / self.scale.n_bytes

    def candidates(self, numbers: Sequence[int]) -> list[int]:
        """Return the trials of which a model alone is within the limits.

        If there are none, this is the one that exceeds them least.
        """
        may_be = self.limits(numbers).affordable()
        return [number for number, may in zip(numbers, may_be, strict=True) if may]

    def limits(self, numbers: Sequence[int]) -> Limits:
        """Return the limits of an ensemble of one model of each of these trials."""
        total = np.array([self.total.seconds, self.total.n_bytes])
        costs = [self.costs[number] for number in numbers]
        found = np.array([[cost.seconds, cost.n_bytes] for cost in costs])
        is_limit = np.isfinite(total)
        shares = found.reshape(-1, 2)[:, is_limit] / total[is_limit]
        return Limits(shares, np.ones(shares.shape[1]))

    def __str__(self) -> str:
        said = []
        if math.isfinite(self.total.n_bytes):
            said.append(f"model_size_limit={self.total.n_bytes / 1e6:.3g} MB")
        if math.isfinite(self.total.seconds):
            said.append(f"prediction_time_limit={self.total.seconds:.2g} s")
        return " and ".join(said)


def _of(limit: Limit, auto: float) -> float:
    """Return a limit as a number."""
    if limit == "auto":
        return auto
    return math.inf if limit is None else float(limit)


def _sizes(evaluations: Mapping[int, Evaluation], deadline: Deadline) -> list[float]:
    """Return the size of a model of each trial.

    One that is not known is taken to be as large as the largest of its family, or of
    all: of trials that only judge an ensemble, no models are kept.
    """
    sizes = [
        mean_bytes(e.models, deadline) if e.models else math.inf
        for e in evaluations.values()
    ]
    families = [e.candidate.family.name for e in evaluations.values()]
    known = [(n, f) for n, f in zip(sizes, families, strict=True) if math.isfinite(n)]
    largest = max(known, default=(0.0, ""))[0]
    return [
        n
        if math.isfinite(n)
        else max((m for m, f in known if f == own), default=largest)
        for n, own in zip(sizes, families, strict=True)
    ]


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
