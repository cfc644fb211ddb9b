"""How a simulated trial goes: fold by fold, until something ends it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from optuna.trial import FrozenTrial

from automodel.evaluation.evaluate import Candidate, Evaluation, is_joined
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.monitor import MIN_FOLD_SECONDS, SLOTS_PER_FOLD
from automodel.search.pruning import Snapshot
from automodel.search.workers.own import HANG_FACTOR, HANG_SECONDS
from automodel.search.workers.work import WorkItem

FIRST_SLOT = 6  # reports of earlier steps prune no trial


@dataclass(frozen=True)
class Course:
    """How a trial goes if nothing ends it early.

    Parameters
    ----------
    fold_seconds : sequence of float
        Seconds to train and to predict each fold.
    predict_seconds : float
        The part of them that is prediction.
    oof : ndarray of shape (n_samples, n_outputs)
        Out-of-fold predictions.
    n_iterations : int
        Steps of the model of a fold; 0 if it does not train in steps.
    n_bytes : float
        Memory that the trial takes at its peak.
    model_bytes : float
        Size of the model of a fold.
    encode_seconds : float
        Seconds to encode the rows of all folds, once for each process.
    shared_seconds : float, default=0.0
        Seconds of what is encoded once for all processes.
    """

    fold_seconds: Sequence[float]
    predict_seconds: float
    oof: np.ndarray
    n_iterations: int
    n_bytes: float
    model_bytes: float
    encode_seconds: float
    shared_seconds: float = 0.0


class CostModel(Protocol):
    """What `SimulatedWorkers` ask for each trial."""

    start_seconds: float  # of a new process
    start_bytes: float  # that a process holds before its first trial
    trial_seconds: float  # between two trials of a worker

    def course(self, candidate: Candidate) -> Course:
        """Return how a trial goes."""
        ...

    def refit_seconds(self, candidate: Candidate) -> float:
        """Return the seconds of a fit on all rows."""
        ...

    def import_seconds(self, family: ModelFamily) -> float:
        """Return the seconds until the libraries of a family are loaded."""
        ...

    def import_bytes(self, family: ModelFamily) -> float:
        """Return the memory that the libraries of a family take."""
        ...

    def ensemble_seconds(self, n_evaluations: int) -> float:
        """Return the seconds in which members are chosen and judged."""
        ...


@dataclass
class SimulatedModel:
    """Takes the place of a fitted model, and has its size when it is pickled."""

    n_bytes: int

    def __getstate__(self):
        return {"n_bytes": self.n_bytes, "values": bytes(self.n_bytes)}


class SimulatedTrial:
    """A trial that takes the time of its course, and is ended as others are.

    Parameters
    ----------
    item : WorkItem
        The trial.
    course : Course
        How it goes.
    folds : Folds
        Stand-ins for the data.
    encode_seconds : float
        Seconds of it before the first fold.
    seconds_left : float
        Seconds that it has at most.
    """

    def __init__(
        self,
        item: WorkItem,
        course: Course,
        folds: Folds,
        encode_seconds: float,
        seconds_left: float,
    ):
        self.item, self.course, self.folds = item, course, folds
        self.encode_seconds, self.seconds_left = encode_seconds, seconds_left
        self._limit = math.inf if item.time_limit is None else item.time_limit
        self._stops = stops_in_time(item.candidate)
        self._judge = _Judge(item.should_prune)
        self._result = Evaluation(
            item.candidate, "complete", seconds=encode_seconds, models=[]
        )

    def evaluate(self) -> Evaluation:
        """Return what the trial comes to."""
        result, course, n_folds = self._result, self.course, len(self.folds)
        for fold in range(n_folds):
            result.status = self._run_fold(fold)
            if result.status != "complete":
                result.models = None
                return result
        result.predict_seconds = course.predict_seconds
        result.n_iterations = [course.n_iterations] * n_folds
        n_bytes = int(course.model_bytes)
        result.models = [SimulatedModel(n_bytes) for _ in range(n_folds)]
        result.oof = course.oof
        result.score = self.folds.score(result.oof)
        return result

    def _run_fold(self, fold: int) -> str:
        """Let a fold take its time, and return the status of the trial after it."""
        result, course, folds = self._result, self.course, self.folds
        valid = folds.splits[fold][1]
        score = folds.metric.score(folds.y[valid], course.oof[valid], None)
        share = self._judge.stop_within(
            result.reports, fold, course.n_iterations, score
        )
        seconds = share * self._seconds_of(fold)
        result.seconds += seconds
        hangs_after = HANG_FACTOR * self._limit + HANG_SECONDS
        if not self._stops and min(result.seconds, self.seconds_left) > hangs_after:
            result.seconds = hangs_after
            result.error = "TimeoutError: it did not stop at its limit"
            return "failed"
        if seconds <= 0 or result.seconds > self.seconds_left:
            result.seconds = max(self.seconds_left, 0.0)
            return "stopped"
        if share < 1.0:
            return "pruned"
        result.fold_scores.append(score)
        is_last = fold + 1 == len(folds)
        if is_last or is_joined(self.item.candidate, folds):
            return "complete"
        mean = float(np.mean(result.fold_scores))
        is_pruned = self._judge.stops_after(result.reports, fold, mean)
        return "pruned" if is_pruned else "complete"

    def _seconds_of(self, fold: int) -> float:
        """Return the seconds of a fold, fewer if the family stops in time."""
        seconds = self.course.fold_seconds[fold]
        if not self._stops:
            return seconds
        spent = self._result.seconds
        left = self._limit + self.encode_seconds - spent  # which does not count
        most = max(left / (len(self.folds) - fold), MIN_FOLD_SECONDS)
        return min(seconds, most, self.seconds_left - spent)


class _Judge:
    """Asks the pruner of a search, without a study of its own for each trial."""

    def __init__(self, snapshot: Snapshot | None):
        self._snapshot = snapshot

    def stop_within(
        self, reports: dict[int, float], fold: int, n_steps: int, score: float
    ) -> float:
        """Return the share of the steps of a fold after which a trial is pruned."""
        last = min(n_steps.bit_length() - 1, SLOTS_PER_FOLD - 2)
        for slot in range(FIRST_SLOT, last + 1):
            if self._is_told_to_stop(reports, fold * SLOTS_PER_FOLD + slot, score):
                return 2**slot / n_steps
        return 1.0

    def stops_after(self, reports: dict[int, float], fold: int, mean: float) -> bool:
        """Tell whether a trial is pruned at the end of a fold."""
        step = (fold + 1) * SLOTS_PER_FOLD - 1
        return self._is_told_to_stop(reports, step, mean)

    def _is_told_to_stop(self, reports, step: int, value: float) -> bool:
        if self._snapshot is None:
            return False
        reports[step] = value
        trials: Sequence[FrozenTrial] = self._snapshot.trials
        study: Any = SimpleNamespace(
            get_trials=lambda deepcopy=True, states=None: [
                t for t in trials if states is None or t.state in states
            ]
        )
        trial: Any = SimpleNamespace(last_step=step, intermediate_values=reports)
        return self._snapshot.pruner.prune(study, trial)


def stops_in_time(candidate: Candidate) -> bool:
    """Tell whether a family looks at the clock when it trains."""
    return type(candidate.family).fit is not ModelFamily.fit
