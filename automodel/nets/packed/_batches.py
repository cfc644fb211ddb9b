"""Batches of the rows of all folds."""

from __future__ import annotations

import torch

from automodel.nets.packed._rows import FoldRows

INITIAL_ROWS = 256  # enough to set the scale of the first weights


def tensors_of(rows: FoldRows, device: str) -> list[torch.Tensor]:
    """Return dense, codes, target and weight on a device."""
    arrays = (rows.dense, rows.codes, rows.target, rows.weight)
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
            dense, codes, *truth = (
                tensor[:, start : start + self.n_rows] for tensor in shuffled
            )
            yield {"dense": dense, "codes": codes}, tuple(truth)

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
