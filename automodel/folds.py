"""Folds: the data of a search with its splits, and the encoded parts of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.fitted_model import full_repr
from automodel.metric import Metric
from automodel.preprocessing.table import Table, sparse_nbytes
from automodel.task import Task

CACHE_BYTES = 64 * 2**20  # a process; what is forgotten is encoded again


@dataclass
class Folds:
    """The data of a search with its splits, drawn once for all candidates.

    Parameters
    ----------
    table : Table
        All rows.
    y : ndarray of shape (n_samples,)
        Column numbers for classes (int), values for regression (float).
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    splits : list of (train, valid) index arrays
        Rows may be validated once, several times or never.
    task : Task
        The facts about the problem.
    metric : Metric
        Scores pooled out-of-fold predictions.
    """

    table: Table
    y: np.ndarray
    sample_weight: np.ndarray | None
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    task: Task
    metric: Metric
    _cache: dict = field(default_factory=dict, repr=False)

    def __getstate__(self):
        return {**self.__dict__, "_cache": {}}

    def __len__(self) -> int:
        return len(self.splits)

    def __sizeof__(self) -> int:
        """Return about the bytes: Dask sends what is large to each worker once."""
        rows = sum(part.nbytes for split in self.splits for part in split)
        return self.table.nbytes + self.y.nbytes + rows

    def weight_of(self, rows) -> np.ndarray | None:
        """Return the weights of some rows; None where rows have none."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    def judging(self, rows: np.ndarray) -> Folds:
        """Return what scores predictions of some rows, without a table."""
        return replace(
            self,
            table=self.table.take(slice(0)),
            y=self.y[rows],
            sample_weight=self.weight_of(rows),
            _cache={},
        )

    def encoded(self, fold: int, encoder: BaseEstimator, y: np.ndarray):
        """Return the encoder fitted on a fold's training rows, and both parts.

        Fold -1 is that of the refits: all rows, and a validation part of none. Kept
        in memory, since most trials of a search share a few encodings.
        """
        key = fold, full_repr(encoder)
        found = self._cache.get(key)
        if found is None:
            train, valid = self.splits[fold] if fold >= 0 else (slice(None), slice(0))
            X_train = encoder.fit_transform(
                self.table.take(train), y, self.weight_of(train)
            )
            X_valid = encoder.transform(self.table.take(valid))
            found = encoder, X_train, X_valid
            self._forget_over_limit(X_train, X_valid)
            self._cache[key] = found
        return found

    def forget_encoded(self, but: int | None = None) -> None:
        """Give the memory of the encoded parts back, but those of one fold."""
        cache = self._cache  # threads of a backend may read the old one
        self._cache = {key: cache[key] for key in list(cache) if key[0] == but}

    def _forget_over_limit(self, *parts) -> None:
        entries = list(self._cache.items())
        sizes = [sum(map(_nbytes, entry[1:])) for _, entry in entries]
        held = sum(sizes) + sum(map(_nbytes, parts))
        for (key, _), size in zip(entries, sizes, strict=True):
            if held <= CACHE_BYTES:
                break
            self._cache.pop(key, None)
            held -= size

    def score(self, oof: np.ndarray) -> float:
        """Score out-of-fold predictions over the rows that were validated."""
        rows = np.isfinite(oof if oof.ndim == 1 else oof[:, 0])
        return self.metric.score(self.y[rows], oof[rows], self.weight_of(rows))


def _nbytes(part: Any) -> int:
    if hasattr(part, "indptr"):
        return sparse_nbytes(part)
    if hasattr(part, "memory_usage"):
        return int(part.memory_usage(index=False).sum())
    return part.nbytes
