"""Embeddings of numbers and categories, one for each fold of a pack."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from automodel.nets._layers import learned

EMBEDDING_RATE = 0.1  # learning rate in units of that of the weights, as in RealMLP
N_FREQUENCIES = 8


class NumberEmbedding(nn.Module):
    """Cosines of learned frequencies and a small linear map, for each fold.

    A narrower form of `PeriodicEmbedding`; the number itself stays beside it.
    """

    n_out = 3

    def __init__(self, n_folds: int, n_features: int, sigma: float):
        super().__init__()
        self.sigma = sigma
        shape = (n_folds, 1, n_features, N_FREQUENCIES)
        self.frequency = learned(torch.zeros(shape), EMBEDDING_RATE)
        self.phase = learned(torch.zeros(shape), EMBEDDING_RATE)
        shape = (n_folds, n_features, N_FREQUENCIES, self.n_out)
        self.weight = learned(torch.zeros(shape), EMBEDDING_RATE)
        shape = (n_folds, n_features, 1, self.n_out)
        self.bias = learned(torch.zeros(shape), EMBEDDING_RATE)

    def forward(self, x):
        """Return (n_folds, n_rows, n_features * 3)."""
        n_folds, n_rows, n_features = x.shape
        waves = torch.cos(
            torch.addcmul(self.phase, x.unsqueeze(-1), self.frequency, value=math.tau)
        )
        waves = waves.transpose(1, 2).reshape(-1, n_rows, N_FREQUENCIES)
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten(0, 1)
        hidden = torch.baddbmm(bias, waves, weight)
        hidden = hidden.view(n_folds, n_features, n_rows, self.n_out)
        return hidden.transpose(1, 2).reshape(n_folds, n_rows, -1)

    @torch.no_grad()
    def initialize(self, generator) -> None:
        """Draw frequencies, phases and weights."""
        self.frequency.normal_(generator=generator).mul_(self.sigma)
        self.phase.uniform_(-math.pi, math.pi, generator=generator)
        bound = 1 / math.sqrt(N_FREQUENCIES)
        self.weight.uniform_(-bound, bound, generator=generator)
        self.bias.uniform_(-bound, bound, generator=generator)


class CategoryTables(nn.Module):
    """One table of vectors for the category columns of all folds."""

    size = 8
    start: torch.Tensor

    def __init__(self, n_folds: int, cardinalities: Sequence[int]):
        super().__init__()
        start = torch.tensor([0, *cardinalities]).cumsum(0)
        own = torch.arange(n_folds)[:, None, None] * start[-1] + start[:-1]
        self.register_buffer("start", own, persistent=False)
        self.table = learned(torch.zeros(n_folds, int(start[-1]), self.size))
        self.n_out = len(cardinalities) * self.size

    def forward(self, codes):
        """Return (n_folds, n_rows, n_columns * 8)."""
        table = self.table.flatten(0, 1)
        vectors = nn.functional.embedding(codes + self.start, table)
        return vectors.flatten(2)

    @torch.no_grad()
    def initialize(self, generator) -> None:
        """Draw vectors of variance one in sum; missing values start at zero."""
        self.table.normal_(generator=generator).div_(math.sqrt(self.size))
        self.table.view(-1, self.size)[self.start.flatten()] = 0
