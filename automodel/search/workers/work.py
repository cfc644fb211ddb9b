"""WorkItem and Refit: what is sent to a worker, and what the worker does with it."""

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
from automodel.peak_memory import peak_bytes
from automodel.search.models import ModelFolder
from automodel.search.pruning import Snapshot

Data = Any  # Folds, the Path of a file that holds them, or a reference of Ray


@dataclass(frozen=True)
class WorkItem:
    """A trial to be evaluated by a worker.

    A rerun is a trial that another process has begun and not ended.
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
    """Evaluate an item in this process; models are kept only if it is complete."""
    should_prune = item.should_prune
    if should_prune is not None:  # a fresh one, without the reports of an earlier run
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
        evaluation.peak_memory = peak_bytes()
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

    `number` is the number of its trial and `seconds` the time that it will probably
    take. A model whose training was cut to fewer than `least_steps` is not used. The
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
        """Whether the refit would not end in time."""
        return self.seconds > self.deadline.seconds_left


def refit(
    order: Refit, data: Data, keep_model: ModelFolder | None = None
) -> FittedModel | Path | None:
    """Return the model or its file; None if it failed."""
    try:
        return _refit(order, data, keep_model)
    except (Exception, SystemExit):  # noqa: BLE001  as by the deadline
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
    """Call `work` or `refit` in this process, which cannot end a refit that is late."""
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
    """Return the data of a search, read once from a file or from the store of Ray."""
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
