"""What looks wrong with a target: rare classes, extreme values, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

from automodel.reporting.data_note import DataNote, listed, percent

RARE_ROWS = 10  # of a class: two in each of five folds
LARGE_SHARE = 0.95  # of the rows, that one class has
FAR = 10.0  # spreads from the median; a normal value is within 5
LEAST_ROWS = 20


@dataclass(frozen=True)
class TargetValues:
    """A target in the form in which notes are computed.

    Parameters
    ----------
    values : ndarray or csr_matrix of shape (n_samples, n_outputs)
        Numbers, or an indicator of the classes.
    names : sequence
        Names of the classes, or of the columns of y.
    codes : ndarray of shape (n_samples,) or None
        The number of the class of each row; None for other targets.
    """

    values: Any
    names: Sequence[Any]
    codes: np.ndarray | None = None

    @classmethod
    def of(cls, y: Any, *, is_classification: bool) -> TargetValues:
        """Return the target of a y as `fit` takes it."""
        names = list(getattr(y, "columns", ()))
        y = y.toarray() if issparse(y) else y
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values.ravel()
        if values.ndim == 1 and is_classification:
            import pandas as pd

            codes, classes = pd.factorize(values, sort=False)
            rows = np.arange(len(codes))
            shape = len(codes), len(classes)
            indicator = csr_matrix((np.ones(len(codes)), (rows, codes)), shape=shape)
            return cls(indicator, list(classes), codes)
        values = values.astype(np.float64).reshape(len(values), -1)
        return cls(values, names or list(range(values.shape[1])))

    def take(self, rows: np.ndarray) -> TargetValues:
        """Return the target of some rows."""
        codes = None if self.codes is None else self.codes[rows]
        return TargetValues(self.values[rows], self.names, codes)


def target_notes(target: TargetValues) -> list[DataNote]:
    """Return what looks wrong with a target, all rows of it."""
    if target.codes is not None:
        return _class_notes(target.codes, target.names)
    notes = []
    for name, values in zip(target.names, target.values.T, strict=True):
        which = "y" if len(target.names) == 1 else f"The column {name} of y"
        notes += _value_notes(values, which)
    return notes


def _class_notes(codes: np.ndarray, names: Sequence[Any]) -> list[DataNote]:
    counts = np.bincount(codes, minlength=len(names))
    order = np.argsort(counts, kind="stable")
    notes = []
    rare = [i for i in order if counts[i] < RARE_ROWS]
    if rare:
        shown = [f"{names[i]} ({counts[i]})" for i in rare]
        notes.append(
            DataNote(
                "rare classes",
                (),
                f"{len(rare)} of {len(counts)} classes have fewer than {RARE_ROWS} "
                f"rows: {listed(shown)}. Their scores are noisy, and a class of a "
                "single row cannot be validated at all.",
                "medium",
            )
        )
    largest = counts.max() / counts.sum()
    if largest > LARGE_SHARE:
        notes.append(
            DataNote(
                "imbalance",
                (),
                f"{percent(largest)} of the rows have the class "
                f"{names[order[-1]]}. Accuracy says little here; prefer a score "
                "such as average_precision or balanced_accuracy.",
            )
        )
    return notes


def _value_notes(values: np.ndarray, which: str) -> list[DataNote]:
    if len(values) < LEAST_ROWS:
        return []
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349  # the standard deviation of normal values
    notes = []
    is_far = np.abs(values - middle) > FAR * spread
    if spread and is_far.any():
        extreme = values[is_far]
        extreme = extreme[np.argsort(-np.abs(extreme - middle), kind="stable")]
        notes.append(
            DataNote(
                "extreme target",
                (),
                f"{which} has {is_far.sum()} values that are more than {FAR:.0f} "
                f"standard deviations from its median of {middle:.4g} (estimated from "
                f"its quartiles), such as {listed([f'{v:.4g}' for v in extreme], 3)}. "
                "They dominate squared errors. If they are not mistakes, consider "
                "scoring='neg_mean_absolute_error' or the logarithm of y.",
                "medium",
            )
        )
    n_distinct = len(np.unique(values))
    if n_distinct <= 5:
        notes.append(
            DataNote(
                "few distinct values",
                (),
                f"{which} has only {n_distinct} distinct values. If they are "
                "categories, use a classifier.",
            )
        )
    return notes
