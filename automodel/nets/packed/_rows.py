"""The rows of all folds, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FoldRows:
    """Encoded rows of all folds, padded to one length.

    `counts` says how many rows of each fold there are.
    """

    dense: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    counts: tuple[int, ...]

    @classmethod
    def padded(cls, folds: Sequence[tuple[np.ndarray, ...]]) -> FoldRows:
        """Return the rows of folds, each dense, codes, target and weight.

        Weights have a mean of one in each fold; padding has none.
        """
        counts = tuple(len(fold[0]) for fold in folds)
        dense, codes, target, weight = (
            np.zeros((len(folds), max(counts), *first.shape[1:]), first.dtype)
            for first in folds[0]
        )
        weight = weight.astype(np.float32)
        for i, (fold, n) in enumerate(zip(folds, counts, strict=True)):
            dense[i, :n], codes[i, :n], target[i, :n] = fold[:3]
            weight[i, :n] = fold[3] / max(float(np.mean(fold[3])), 1e-300)
        return cls(dense, codes, target, weight, counts)
