"""HonestPredictions: rows, predicted by an ensemble that other rows chose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from automodel.evaluation.folds import Folds

MOST_CELLS = 5_000_000  # rows x outputs that are kept


@dataclass(frozen=True)
class HonestPredictions:
    """Out-of-fold predictions of rows that had no part in choosing the ensemble.

    No model has learned from the rows that it predicts here, and neither these rows nor
    others of their fold have chosen the models, their weights or the stack. The errors
    are therefore like those on new rows.

    Parameters
    ----------
    rows : ndarray of shape (n_honest,)
        Positions of the rows in the X of `fit`, in ascending order.
    y : ndarray of shape (n_honest,) or (n_honest, n_outputs)
        Their target, as `Target` encodes it.
    predictions : ndarray of shape (n_honest, n_outputs)
        Probabilities, or encoded values, in float32.
    spread : ndarray of shape (n_honest, n_outputs)
        Standard deviation among the members of the ensemble, by their weights.
    groups : ndarray of shape (n_honest,) or None
        Groups of the rows.
    sample_weight : ndarray of shape (n_honest,) or None
        Weights of the rows.
    n_rows : int
        Number of rows of the X of `fit`.
    """

    rows: np.ndarray
    y: np.ndarray
    predictions: np.ndarray
    spread: np.ndarray
    groups: np.ndarray | None
    sample_weight: np.ndarray | None
    n_rows: int

    @classmethod
    def of(
        cls,
        folds: Folds,
        rows: np.ndarray,
        predictions: np.ndarray,
        spread: np.ndarray,
    ) -> HonestPredictions:
        """Return the predictions of some rows of a search, with their facts."""
        return cls(
            folds.positions(rows),
            folds.target.compact(folds.y[rows]),
            predictions.astype(np.float32),
            spread.astype(np.float32),
            folds.groups_of(rows),
            folds.weight_of(rows),
            folds.n_given,
        )

    def sample(self, seed: int, most_cells: int = MOST_CELLS) -> HonestPredictions:
        """Return all rows, or a random sample of them if their arrays are too large."""
        most = max(most_cells // self.predictions.shape[1], 1)
        if len(self.rows) <= most:
            return self
        rng = np.random.default_rng(seed)
        return self._take(np.sort(rng.permutation(len(self.rows))[:most]))

    def _take(self, chosen: np.ndarray) -> HonestPredictions:
        groups, weight = self.groups, self.sample_weight
        return replace(
            self,
            rows=self.rows[chosen],
            y=self.y[chosen],
            predictions=self.predictions[chosen],
            spread=self.spread[chosen],
            groups=None if groups is None else groups[chosen],
            sample_weight=None if weight is None else weight[chosen],
        )

    def is_of(self, folds: Folds) -> bool:
        """Tell whether the data of a search have the same target in the same order."""
        known = folds.positions(np.arange(len(folds.y)))
        if folds.n_given != self.n_rows or not np.isin(self.rows, known).all():
            return False
        rows = np.searchsorted(known, self.rows)
        other = HonestPredictions.of(folds, rows, self.predictions, self.spread)
        return (
            np.array_equal(self.y, other.y)
            and _are_equal(self.groups, other.groups)
            and _are_equal(self.sample_weight, other.sample_weight)
        )

    def placed(self, values: np.ndarray) -> np.ndarray:
        """Return values of all rows of X, which are NaN for rows that are not here."""
        shape = self.n_rows, *values.shape[1:]
        result = np.full(shape, np.nan, dtype=np.float64)
        result[self.rows] = values
        return result


def _are_equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
