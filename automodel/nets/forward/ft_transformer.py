"""The forward pass of FT-Transformer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from automodel.nets.forward.activations import relu
from automodel.nets.forward.layers import (
    State,
    in_double,
    linear_of,
    rows_within_limit,
    scale_of_layer_norm,
    standardized,
)


class Tokenizer:
    """Turns each column into a token, as `FeatureTokenizer` does."""

    def __init__(self, state: State, cardinalities: Sequence[int]):
        self.start, self.weight, self.bias = (
            state[f"tokenizer.{name}"] for name in ("start", "weight", "bias")
        )
        self.table = state.get("tokenizer.categorical.table")
        self.first_codes = np.cumsum([0, *cardinalities[:-1]])

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, 1 + n_dense + n_categories, size)."""
        n_dense, size = self.weight.shape
        tokens = np.empty((len(dense), 1 + len(self.bias), size))
        tokens[:, 0] = self.start
        numbers, categories = tokens[:, 1 : 1 + n_dense], tokens[:, 1 + n_dense :]
        np.multiply(dense[:, :, None], self.weight, out=numbers)
        if self.table is not None:
            categories[...] = self.table[codes + self.first_codes]
        tokens[:, 1:] += self.bias
        return tokens


class Block:
    """Attention and a feed-forward layer, as in `TransformerBlock`.

    The scales of both normalisations are part of the layers that follow them, and that
    of the scores is part of the queries.
    """

    def __init__(self, state: State, name: str, n_heads: int, is_last: bool):
        self.n_heads, self.n_queries = n_heads, 1 if is_last else None
        self.query = linear_of(state, f"{name}.attention.query")
        self.key_value = linear_of(state, f"{name}.attention.key_value")
        self.norms_attention = f"{name}.attention_norm.weight" in state
        if self.norms_attention:
            norm = scale_of_layer_norm(state, f"{name}.attention_norm")
            self.query = self.query.after(*norm)
            self.key_value = self.key_value.after(*norm)
        root = math.sqrt(len(self.query.bias) / n_heads)
        self.query = self.query.before(np.array(1 / root), np.array(0.0))
        self.out = linear_of(state, f"{name}.attention.out")
        norm = scale_of_layer_norm(state, f"{name}.feed_norm")
        self.expand = linear_of(state, f"{name}.feed.expand").after(*norm)
        self.contract = linear_of(state, f"{name}.feed.contract")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_tokens, size), or (n_rows, 1, size) in the last block."""
        normed = standardized(x) if self.norms_attention else x
        found = self._attention(normed[:, : self.n_queries], normed)
        found += x[:, : self.n_queries]
        gated, gate = np.split(self.expand(standardized(found)), 2, axis=2)
        found += self.contract(gated * relu(gate))
        return found

    def _attention(self, queries: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the weighted means of the values, which no query is part of."""
        query = self._heads(self.query(queries))
        key, value = map(self._heads, np.split(self.key_value(x), 2, axis=2))
        score = np.matmul(query, key.transpose(0, 1, 3, 2))
        score -= score.max(axis=3, keepdims=True)
        np.exp(score, out=score)
        found = np.matmul(score, value)
        found /= score.sum(axis=3, keepdims=True)
        return self.out(found.transpose(0, 2, 1, 3).reshape(queries.shape))

    def _heads(self, x: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_heads, n_tokens, size of a head)."""
        n_rows, n_tokens, size = x.shape
        heads = x.reshape(n_rows, n_tokens, self.n_heads, size // self.n_heads)
        return heads.transpose(0, 2, 1, 3)


class FTTransformerForward:
    """The forward pass of weights of a `FTTransformerModule` of the same design."""

    def __init__(
        self,
        state: State,
        *,
        cardinalities: Sequence[int],
        n_blocks: int,
        n_heads: int,
        **_,
    ):
        state = in_double(state)
        self.tokenizer = Tokenizer(state, cardinalities)
        self.blocks = [
            Block(state, f"blocks.{i}", n_heads, is_last=i == n_blocks - 1)
            for i in range(n_blocks)
        ]
        self.factor, self.shift = scale_of_layer_norm(state, "norm")
        self.head = linear_of(state, "head")
        n_tokens = 1 + len(self.tokenizer.bias)
        layers = (self.blocks[0].key_value, self.blocks[0].expand)
        widest = max(n_heads * n_tokens, *(len(layer.bias) for layer in layers))
        # Products of wide layers are slow for less than a few hundred tokens.
        self.rows_at_once = rows_within_limit(n_tokens * widest // 4)

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs)."""
        x = self.tokenizer(dense, codes)
        for block in self.blocks:
            x = block(x)
        x = standardized(x[:, 0])
        x *= self.factor
        x += self.shift
        return self.head(relu(x))
