"""From the two arrays of a table to the vector that a net starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from automodel.nets._layers import (
    CategoryEmbedding,
    PeriodicEmbedding,
    PiecewiseEmbedding,
)

CATEGORY_SIZE = 8


class TableInputs(nn.Module):
    """Concatenate numbers, embedded or plain, one-hot columns and embedded categories.

    Parameters
    ----------
    n_continuous, n_dense : int
        Columns of `dense` that come from numbers, and all of them.
    cardinalities : list of int
        Categories of each column of `codes`.
    features : sequence of int, default=()
        The feature that each column of `dense` belongs to; by default each is one.
    embedding : {"none", "periodic", "piecewise"}, default="none"
        Embedding of the numbers.
    sigma : float, default=0.1
        Standard deviation of the frequencies at the start.
    n_frequencies, n_bins : int
        Frequencies and bins of each number.
    d_embedding : int, default=4
        Columns that each number becomes.
    own_rates : bool, default=False
        Whether embeddings learn at rates of their own, as in RealMLP, or as fast as
        the rest.

    Attributes
    ----------
    n_out : int
        Columns of the output.
    feature : Tensor of shape (n_out,)
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
        n_frequencies: int = 16,
        n_bins: int = 16,
        d_embedding: int = 4,
        own_rates: bool = False,
    ):
        super().__init__()
        self.n_continuous = n_continuous
        self.numeric: PeriodicEmbedding | PiecewiseEmbedding | None = None
        self.categorical: CategoryEmbedding | None = None
        feature = torch.tensor(features or range(n_dense), dtype=torch.long)
        numbers, rest = feature.tensor_split([n_continuous])
        if embedding == "periodic" and n_continuous:
            d_waves = d_embedding - 1  # the last column is the number itself
            self.numeric = PeriodicEmbedding(
                n_continuous, sigma, n_frequencies, d_waves
            )
            numbers = torch.cat([numbers, numbers.repeat_interleave(d_waves)])
        elif embedding == "piecewise" and n_continuous:
            self.numeric = PiecewiseEmbedding(n_continuous, n_bins, d_embedding)
            numbers = numbers.repeat_interleave(d_embedding)
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, CATEGORY_SIZE)
        n_features = int(feature.max()) + 1 if n_dense else 0
        categories = n_features + torch.arange(len(cardinalities))
        categories = categories.repeat_interleave(CATEGORY_SIZE)
        self.feature = torch.cat([numbers, rest, categories])
        self.n_out = len(self.feature)
        if not own_rates:
            for parameter in self.parameters():
                parameter.lr_factor = 1.0  # type: ignore[attr-defined]

    def forward(self, dense, codes):
        """Return (n_rows, n_out)."""
        parts = [dense]
        if self.numeric is not None:
            numbers = dense[:, : self.n_continuous]
            parts = [self.numeric(numbers), dense[:, self.n_continuous :]]
        if self.categorical is not None:
            parts.append(self.categorical(codes))
        return torch.cat(parts, dim=1) if len(parts) > 1 else dense

    @torch.no_grad()
    def initialize(self, dense, generator: torch.Generator) -> None:
        """Draw the embeddings, and take the edges of bins from these rows."""
        if isinstance(self.numeric, PiecewiseEmbedding):
            self.numeric.learn_bins(dense[:, : self.n_continuous])
        for part in (self.numeric, self.categorical):
            if part is not None:
                part.initialize(generator)
