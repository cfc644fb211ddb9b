"""From the two arrays of a table to the vector that a net starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from automodel.nets._layers import CategoryEmbedding, PeriodicEmbedding

CATEGORY_SIZE = 8


class TableInputs(nn.Module):
    """Concatenate numbers, embedded or plain, one-hot columns and embedded categories.

    For nets that learn at one rate: unlike in RealMLP, embeddings learn as fast as the
    rest.

    Parameters
    ----------
    n_continuous, n_dense : int
        Columns of `dense` that come from numbers, and all of them.
    cardinalities : list of int
        Categories of each column of `codes`.
    features : sequence of int, default=()
        The feature that each column of `dense` belongs to; by default each is one.
    embedding : {"none", "periodic"}, default="none"
        Embedding of the numbers.
    sigma : float, default=0.1
        Standard deviation of the frequencies at the start.

    Attributes
    ----------
    n_out : int
        Columns of the output.
    feature : ndarray of shape (n_out,)
        The feature that each column of the output belongs to.
    """

    def __init__(
        self,
        n_continuous: int,
        n_dense: int,
        cardinalities: list[int],
        *,
        features: Sequence[int] = (),
        embedding: str = "none",
        sigma: float = 0.1,
    ):
        super().__init__()
        self.n_continuous = n_continuous
        self.periodic: PeriodicEmbedding | None = None
        self.categorical: CategoryEmbedding | None = None
        feature = torch.tensor(features or range(n_dense), dtype=torch.long)
        numbers, rest = feature.tensor_split([n_continuous])
        if embedding == "periodic" and n_continuous:
            self.periodic = PeriodicEmbedding(n_continuous, sigma)
            n_waves = self.periodic.n_out // n_continuous - 1
            numbers = torch.cat([numbers, numbers.repeat_interleave(n_waves)])
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, CATEGORY_SIZE)
        n_features = int(feature.max()) + 1 if n_dense else 0
        categories = n_features + torch.arange(len(cardinalities))
        self.feature = torch.cat(
            [numbers, rest, categories.repeat_interleave(CATEGORY_SIZE)]
        )
        self.n_out = len(self.feature)
        for parameter in self.parameters():
            parameter.lr_factor = 1.0  # type: ignore[attr-defined]

    def forward(self, dense, codes):
        """Return (n_rows, n_out)."""
        parts = [dense]
        if self.periodic is not None:
            numbers = dense[:, : self.n_continuous]
            parts = [self.periodic(numbers), dense[:, self.n_continuous :]]
        if self.categorical is not None:
            parts.append(self.categorical(codes))
        return torch.cat(parts, dim=1) if len(parts) > 1 else dense

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embeddings."""
        for part in (self.periodic, self.categorical):
            if part is not None:
                part.initialize(generator)
