"""Stand-ins for the data and the predictions of a search that is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automodel.evaluation.folds import Folds
from automodel.evaluation.splits import without_rows
from automodel.metrics.metric import Metric
from automodel.targets.stand_in import StandInTarget

ROWS_OF_FOLD = 25  # validation rows of a fold that have stand-ins
MOST_ROWS = 250
ALIKE = 0.92  # correlation of the errors of two models
ALIKE_IN_FAMILY = 0.97


@dataclass(frozen=True)
class NoRows:
    """Rows without anything in them."""

    n_rows: int

    nbytes = 0

    def __len__(self) -> int:
        return self.n_rows

    def take(self, rows) -> NoRows:
        """Return as many rows as are asked for."""
        return NoRows(len(np.arange(self.n_rows)[rows]))

    def fingerprint(self) -> str:
        """Return what identifies the rows."""
        return f"{self.n_rows} rows"


def stand_in_folds(folds: Folds, seed: int) -> Folds:
    """Return folds of a few made-up values, with the splits and the task of others.

    A search and its ensemble cost hardly any time with them, and the numbers of folds
    and rows that its rules depend on are those of the task.
    """
    rng = np.random.default_rng(seed)
    kept = np.zeros(len(folds.y), dtype=bool)
    n_each = max(2, min(ROWS_OF_FOLD, MOST_ROWS // len(folds)))
    for train, valid in folds.splits:
        for part, n_rows in ((valid, n_each), (train, 2)):
            kept[rng.choice(part, min(n_rows, len(part)), replace=False)] = True
    splits = without_rows(list(folds.splits), kept)
    y = rng.standard_normal(int(kept.sum()))
    target = StandInTarget(folds.target.most_combined)
    metric = Metric.from_scoring(None, target, y, None)
    return Folds(NoRows(len(y)), y, None, splits, replace(folds.task), metric)


class StandInPredictions:
    """Predictions with errors of a given size, which are alike as those of models are.

    Parameters
    ----------
    folds : Folds
        The stand-ins for the data.
    seed : int
        Seed of the errors that all predictions have in common.
    """

    def __init__(self, folds: Folds, seed: int):
        self.folds = folds
        self.seed = seed
        self._common = self._errors(0)

    def of(self, family: str, error: float, seed: int) -> np.ndarray:
        """Return out-of-fold predictions, NaN in rows that no fold validates.

        Parameters
        ----------
        family : str
            The models of a family have more errors in common than others.
        error : float
            Standard deviation of the errors, of values whose own is 1.
        seed : int
            Seed of the candidate.
        """
        of_family = self._errors(1, *family.encode())
        own = self._errors(2, seed)
        weights = np.sqrt([ALIKE, ALIKE_IN_FAMILY - ALIKE, 1 - ALIKE_IN_FAMILY])
        mixed = weights @ np.stack([self._common, of_family, own])
        oof = np.full((len(self.folds.y), 1), np.nan, dtype=np.float32)
        rows = np.concatenate([valid for _, valid in self.folds.splits])
        oof[rows, 0] = (self.folds.y + error * mixed)[rows]
        return oof

    def _errors(self, *key: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *key])
        return rng.standard_normal(len(self.folds.y))
