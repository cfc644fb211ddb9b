"""Prepare checked data for a search: read X, encode y, and draw the splits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import joblib
import numpy as np

from automodel import __version__
from automodel.evaluation.folds import Folds
from automodel.exceptions import FitWarning
from automodel.families.base import ModelFamily
from automodel.metrics.metric import Metric
from automodel.targets.base import Target
from automodel.task import Task


@dataclass(frozen=True)
class Data:
    """The checked arguments of `fit`.

    Parameters
    ----------
    X : object
        Anything that the reader of the modality accepts.
    y : sequence
        Labels or values, as the target encodes them.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights in units of rows.
    groups : ndarray of shape (n_samples,) or None
        Numbers of the groups.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Prepared:
    """The data of a search, and the reader that has read them.

    Parameters
    ----------
    folds : Folds
        The rows with their target, splits, task and metric.
    reader : transformer
        Reads X, in `predict` too.
    seed : int
        Seed of the splits, samplers and models.
    """

    folds: Folds
    reader: Any
    seed: int

    def fingerprint(self, data: Data, *, cv: Any, scoring: Any) -> dict[str, Any]:
        """Return what must agree for a stored search to go on, by the user's names.

        Parameters
        ----------
        data : Data
            The data that were prepared.
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
    families: Iterable[ModelFamily] = (),
) -> Prepared:
    """Choose the metric and the target, read the rows, and draw the splits.

    Parameters
    ----------
    data : Data
        The data that the user gave.
    target : Target
        Says what y is.
    reader : transformer
        Its `fit_transform` turns X into `Rows`, and its `facts(rows)` are the facts
        that families of the modality need. Its `notes_`, if there are any, are warnings
        for the user.
    modality : str
        The kind of rows, as in `ModelFamily.modality`.
    scoring, cv, time_budget, seed
        As in `AutoClassifier`.
    families : iterable of ModelFamily, default=()
        The families of the search, of which one may be too slow for several folds.

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
    task = replace(task, is_slow=any(family.is_slow(task) for family in families))
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
