"""From checked data to what a search learns from: read, encoded and split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from automodel.evaluation.folds import Folds
from automodel.metrics.metric import Metric
from automodel.targets.base import Target
from automodel.task import Task


@dataclass(frozen=True)
class Data:
    """What the user gave to `fit`, checked.

    Parameters
    ----------
    X : object
        What the reader of the modality reads.
    y : sequence
        What the target encodes.
    sample_weight : ndarray of shape (n_samples,) or None
        In units of rows.
    groups : ndarray of shape (n_samples,) or None
        Numbers of the groups.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Prepared:
    """What a search learns from, and what has read it.

    Parameters
    ----------
    folds : Folds
        The rows with their target, splits, task and metric.
    reader : transformer
        Reads X, also that of `predict`.
    seed : int
        Of splits, samplers and models.
    """

    folds: Folds
    reader: Any
    seed: int


def prepare(
    data: Data,
    target: Target,
    reader: Any,
    *,
    modality: str,
    scoring: Any,
    cv: Any,
    time_budget: float | None,
    seed: int,
) -> Prepared:
    """Decide what is scored and learned, read the rows, and draw the splits.

    Parameters
    ----------
    data : Data
        What the user gave.
    target : Target
        What y is.
    reader : transformer
        Makes `Rows` of X by `fit_transform`, and says by `describe(task, rows)` what
        the families of its modality ask of them.
    modality : str
        Kind of the rows, as in `ModelFamily.modality`.
    scoring, cv, time_budget, seed
        As in `AutoClassifier`.

    Raises
    ------
    ValueError
        If the target cannot be scored, or the rows cannot be read or split.
    """
    weight = data.sample_weight
    metric = Metric.from_scoring(scoring, target, data.y, weight)
    target = metric.target
    y = target.encode(data.y)
    counted = slice(None) if weight is None else weight > 0
    metric.check(y[counted], None if weight is None else weight[counted])
    rows = reader.fit_transform(data.X)
    task = Task.of_target(
        target,
        len(rows),
        modality=modality,
        is_weighted=weight is not None,
        time_budget=time_budget,
    )
    folds = Folds.draw(
        rows,
        y,
        weight,
        data.groups,
        cv=cv,
        task=reader.describe(task, rows),
        metric=metric,
        seed=seed,
    )
    return Prepared(folds, reader, seed)
