"""One trial on its way to a worker, and what the worker does with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped
from automodel.clock import NO_DEADLINE, Deadline
from automodel.containment import contained, give_memory_back
from automodel.evaluation.evaluate import Candidate, Evaluation, evaluate, fit_candidate
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.monitor import Steps
from automodel.search.models import ModelFolder
from automodel.search.pruning import Snapshot

Data = Any  # Folds, the Path of a file that holds them, or a reference of Ray


@dataclass(frozen=True)
class WorkItem:
    """One trial on its way to a worker.

    A re-run is one that another process has begun and not ended.
    """

    number: int
    candidate: Candidate
    deadline: Deadline = NO_DEADLINE
    time_limit: float | None = None
    should_prune: Snapshot | None = None
    is_rerun: bool = False


def run_item(
    item: WorkItem, folds: Folds, keep_model: ModelFolder | None = None
) -> Evaluation:
    """Evaluate an item in this process; only if it is complete its models stay."""
    should_prune = item.should_prune
    if should_prune is not None:  # it remembers what an earlier run has reported
        should_prune = Snapshot(should_prune.pruner, should_prune.trials)
    evaluation = None
    try:
        evaluation = evaluate(
            item.candidate,
            folds,
            deadline=item.deadline,
            time_limit=item.time_limit,
            should_prune=should_prune,
            keep_model=keep_model,
        )
    finally:  # also after Ctrl-C
        is_complete = evaluation is not None and evaluation.status == "complete"
        if keep_model is not None and not is_complete:
            keep_model.drop()
    return evaluation


def work(
    item: WorkItem, data: Data, keep_model: ModelFolder | None = None
) -> Evaluation:
    """Evaluate an item in a worker."""
    with contained():
        evaluation = run_item(item, load(data), keep_model)
    give_memory_back()
    return evaluation


@dataclass(frozen=True)
class Refit:
    """A candidate to be fitted without a validation part.

    `number` is that of its trial, `seconds` are what it will probably take,
    `least_steps` those below which a model that the clock has cut is of no use, and the
    rest are parameters of `fit_candidate`.
    """

    number: int
    candidate: Candidate
    n_iterations: Steps | None
    deadline: Deadline = NO_DEADLINE
    fold: int = -1
    step_plan: list | None = None
    seconds: float = 0.0
    least_steps: float | list[float] = 0.0

    @property
    def is_late(self) -> bool:
        """Whether it would not end in time."""
        return self.seconds > self.deadline.seconds_left


def refit(
    order: Refit, data: Data, keep_model: ModelFolder | None = None
) -> FittedModel | Path | None:
    """Return the model or its file; None if it failed, and the search goes on."""
    try:
        return _refit(order, data, keep_model)
    except (Exception, SystemExit):  # noqa: BLE001  the deadline, or more rows
        return None
    finally:
        if isinstance(data, Path):  # a worker of our own, whose libraries are frozen
            give_memory_back()


def run_here(
    call: Callable[..., Any],
    order: WorkItem | Refit,
    data: Data,
    keep_model: ModelFolder | None = None,
) -> Any:
    """Call `work` or `refit` in this process, which could not end a refit in time."""
    if isinstance(order, Refit) and order.is_late:
        return None
    return call(order, data, keep_model)


def _refit(order, data, keep_model):
    folds = load(data)
    folds.forget_encoded(but=order.fold)  # the search is over
    with contained():
        model = fit_candidate(
            order.candidate,
            folds,
            fold=order.fold,
            step_plan=order.step_plan,
            n_iterations=order.n_iterations,
            deadline=order.deadline,
        )
    if model.n_trained is not None and np.any(
        np.less(model.n_trained, order.least_steps)
    ):
        return None
    return keep_model(order.fold, model) if keep_model else model


_LOADED: dict[Any, Folds] = {}  # of a worker: the data of the search it serves
_LOADING = threading.Lock()


def load(data: Data) -> Folds:
    """Return the data of a search, once read from a file or from the store of Ray."""
    if isinstance(data, Folds):
        return data
    with _LOADING:
        if data not in _LOADED:
            _LOADED.clear()
            _LOADED[data] = _read(data)
        return _LOADED[data]


def _read(data: Data) -> Folds:
    if isinstance(data, Path):
        return mapped.load(data)
    import ray

    folds: Any = ray.get(data)
    return folds
