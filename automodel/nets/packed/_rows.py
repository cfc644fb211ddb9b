"""The rows of all folds, side by side, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

INITIAL_ROWS = 256  # enough to set the scale of the first weights


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

    def tensors(self, device: str) -> list[torch.Tensor]:
        """Return dense, codes, target and weight on a device."""
        arrays = (self.dense, self.codes, self.target, self.weight)
        return [torch.as_tensor(array, device=device) for array in arrays]


class FoldBatches:
    """Iterate over the training rows of all folds, one batch of each at a time.

    Parameters
    ----------
    dataset : TensorDataset
        dense, codes, target and weight, each (n_folds, n_rows, ...).
    batch_size : int
        Most rows of a batch of one fold.
    generator : torch.Generator
        Shuffles the rows.
    counts : tuple of int
        Rows of each fold; a fold with fewer than the largest repeats some.
    """

    def __init__(self, dataset, batch_size, generator, counts):
        self.tensors = dataset.tensors
        self.generator = generator
        self.counts = counts
        self.n_batches = -(-max(counts) // batch_size)
        self.n_rows = -(-max(counts) // self.n_batches)

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        n_needed = self.n_batches * self.n_rows
        device = self.tensors[0].device
        order = torch.stack([self._order(n, n_needed) for n in self.counts])
        folds = torch.arange(len(order), device=device)[:, None]
        shuffled = [tensor[folds, order] for tensor in self.tensors]
        for start in range(0, n_needed, self.n_rows):
            yield [tensor[:, start : start + self.n_rows] for tensor in shuffled]

    def _order(self, n_rows: int, n_needed: int) -> torch.Tensor:
        device = self.tensors[0].device
        parts = [
            torch.randperm(n_rows, generator=self.generator, device=device)
            for _ in range(-(-n_needed // n_rows))
        ]
        return torch.cat(parts)[:n_needed]


def initial_rows(dataset, counts, generator):
    """Return dense and codes of some rows of each fold."""
    dense, codes = dataset.tensors[:2]
    size = min(INITIAL_ROWS, min(counts))
    device = dense.device
    order = torch.stack(
        [torch.randperm(n, generator=generator, device=device)[:size] for n in counts]
    )
    folds = torch.arange(len(order), device=device)[:, None]
    return dense[folds, order], codes[folds, order]
