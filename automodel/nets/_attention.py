"""The parts of a transformer over the columns of a table."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._layers import (
    CategoryEmbedding,
    Dropout,
    PlainLinear,
    fill_uniform,
    learned,
)


class FeatureTokenizer(nn.Module):
    """Turn each column into a token, after a first token that is learned.

    A token is a vector: x w + b for a number x, and the sum of a category's vector and
    b for a category. Each column has a w and a b of its own.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, 1 + n_dense + n_categories, size).
    """

    def __init__(self, n_dense: int, cardinalities: list[int], size: int):
        super().__init__()
        self.start = learned(torch.zeros(1, size))
        self.weight = learned(torch.zeros(n_dense, size))
        self.bias = learned(torch.zeros(n_dense + len(cardinalities), size))
        self.categorical: CategoryEmbedding | None = None
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, size)

    def forward(self, dense, codes):
        """Return the tokens of each row."""
        n_dense, size = self.weight.shape
        bias = self.bias[:n_dense]
        parts = [
            self.start.expand(len(dense), 1, size),
            torch.addcmul(bias, dense.unsqueeze(2), self.weight),
        ]
        if self.categorical is not None:
            vectors = self.categorical(codes).unflatten(1, (-1, size))
            parts.append(vectors + self.bias[n_dense:])
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw all vectors; a missing category starts with its bias only."""
        size = self.weight.shape[1]
        fill_uniform(generator, size, self.start, self.weight, self.bias)
        if self.categorical is not None:
            self.categorical.initialize(generator)


class Attention(nn.Module):
    """Multi-head attention from some of the tokens to all of them.

    Shapes: queries (n_rows, n_queries, size), x (n_rows, n_tokens, size), output
    (n_rows, n_queries, size).
    """

    def __init__(self, size: int, n_heads: int, dropout: float):
        super().__init__()
        self.n_heads = n_heads
        self.query = PlainLinear(size, size)
        self.key_value = PlainLinear(size, 2 * size)
        self.out = PlainLinear(size, size)
        self.dropout = Dropout(dropout)

    def forward(self, queries, x):
        """Return the weighted mean of the values for each query."""
        query = self._heads(self.query(queries))
        key, value = map(self._heads, self.key_value(x).chunk(2, dim=2))
        if self.training and self.dropout.threshold:
            # torch's own dropout of attention would draw from its global generator.
            score = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
            found = self.dropout(score.softmax(dim=3)) @ value
        else:
            found = F.scaled_dot_product_attention(query, key, value)
        return self.out(found.transpose(1, 2).flatten(2))

    def _heads(self, x):
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the matrices; the biases start at zero."""
        for layer in (self.query, self.key_value, self.out):
            layer.initialize(generator)
            layer.bias.zero_()


class ReGLU(nn.Module):
    """A feed-forward layer with gates: linear(dropout(a * relu(b))).

    Both a and b are linear in the input. Shapes: (..., size) to (..., size).
    """

    def __init__(self, size: int, hidden_size: int, dropout: float):
        super().__init__()
        self.expand = PlainLinear(size, 2 * hidden_size)
        self.contract = PlainLinear(hidden_size, size)
        self.dropout = Dropout(dropout)

    def forward(self, x):
        """Return the transformed vectors."""
        a, b = self.expand(x).chunk(2, dim=-1)
        return self.contract(self.dropout(a * F.relu(b)))

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        self.expand.initialize(generator)
        self.contract.initialize(generator)


class TransformerBlock(nn.Module):
    """Attention and a feed-forward layer, with pre-normalisation and residuals.

    As in the paper, the first block does not normalise the input of its attention. The
    last block computes only the first token, since the others are not used.

    Shapes: (n_rows, n_tokens, size) to the same, or to (n_rows, 1, size) in the last.
    """

    def __init__(
        self,
        size: int,
        n_heads: int,
        hidden_size: int,
        *,
        attention_dropout: float,
        dropout: float,
        residual_dropout: float,
        is_first: bool,
        is_last: bool,
    ):
        super().__init__()
        self.attention_norm = nn.Identity() if is_first else nn.LayerNorm(size)
        self.attention = Attention(size, n_heads, attention_dropout)
        self.feed_norm = nn.LayerNorm(size)
        self.feed = ReGLU(size, hidden_size, dropout)
        self.residual_dropout = Dropout(residual_dropout)
        self.n_queries = 1 if is_last else None

    def forward(self, x):
        """Return the tokens after attention and the feed-forward layer."""
        normed = self.attention_norm(x)
        found = self.attention(normed[:, : self.n_queries], normed)
        x = x[:, : self.n_queries] + self.residual_dropout(found)
        return x + self.residual_dropout(self.feed(self.feed_norm(x)))

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        self.attention.initialize(generator)
        self.feed.initialize(generator)
