"""From checked data to what a search learns from: read, encoded and split."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import joblib
import numpy as np

from automodel import __version__
from automodel.evaluation.folds import Folds
from automodel.exceptions import FitWarning
from automodel.metrics.metric import Metric
from automodel.targets.base import Target
from automodel.task import Task


@dataclass(frozen=True)
class Data:
    """What the user gave to `fit`, checked.

    Parameters
    ----------
    X : object
        Whatever the reader of the modality accepts.
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
        Seeds the splits, samplers and models.
    """

    folds: Folds
    reader: Any
    seed: int

    def fingerprint(self, data: Data, *, cv: Any, scoring: Any) -> dict[str, Any]:
        """Return what must agree for a search to go on, by the names that users know.

        Parameters
        ----------
        data : Data
            What was prepared.
        cv, scoring
            As in `AutoClassifier`.
        """
        folds = self.folds
        first = folds.target.restore(folds.y[:2])  # which tells the units of y
        is_rule = cv is None or isinstance(cv, Integral)
        if callable(scoring):
            scoring = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(scoring))
        return {
            "package version": __version__,
            "X": joblib.hash((folds.rows.fingerprint(), vars(self.reader))),
            "y": joblib.hash((folds.y, folds.target.kind, first)),
            "sample_weight": joblib.hash(folds.sample_weight),
            "groups": joblib.hash(data.groups),
            "cv": repr(cv) if is_rule else joblib.hash(list(folds.splits)),
            "scoring": scoring or folds.metric.name,
            "random_state": self.seed,
        }


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
        Makes `Rows` of X by `fit_transform`. Its `facts(rows)` are what families of its
        modality ask of them, and `notes_`, if it has any, what the user should know.
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
    for note in getattr(reader, "notes_", ()):
        warnings.warn(note, FitWarning, stacklevel=2)
    task = Task.of_target(
        target,
        len(rows),
        modality=modality,
        is_weighted=weight is not None,
        time_budget=time_budget,
        facts=reader.facts(rows),
    )
    folds = Folds.draw(
        rows,
        y,
        weight,
        data.groups,
        cv=cv,
        task=task,
        metric=metric,
        seed=seed,
    )
    return Prepared(folds, reader, seed)
