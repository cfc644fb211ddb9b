"""The torch module of FT-Transformer: a transformer over the columns of a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._attention import FeatureTokenizer, TransformerBlock
from automodel.nets._layers import PlainLinear, in_parts

NUMBERS_AT_ONCE = 2**23  # of the widest layer, where nothing is learned


class FTTransformerModule(nn.Module):
    """A transformer over the columns of a table [1]_.

    Each column becomes a token; blocks of attention mix them, and the head reads the
    token that was put before them. All columns of `dense` are tokens: numbers, the
    marks of missing ones, and one-hot columns. Time and memory grow with the square
    of their number.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, n_outputs).

    Parameters
    ----------
    n_dense : int
        Columns of `dense`.
    cardinalities : list of int
        Categories of each column of `codes`.
    n_outputs : int
        Columns of the output.
    n_blocks : int, default=3
        Transformer blocks.
    width : int, default=192
        Numbers per token, a multiple of `n_heads`.
    n_heads : int, default=8
        Heads of the attention.
    hidden_factor : float, default=4/3
        Units inside the feed forward, in units of `width`.
    attention_dropout : float, default=0.2
        Share of the attention that a training step leaves out.
    dropout : float, default=0.1
        Share of the units inside the feed forward that it leaves out.
    residual_dropout : float, default=0.0
        The same for what attention and feed forward add.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov, Babenko (2021), Revisiting Deep Learning
       Models for Tabular Data, arXiv:2106.11959.
    """

    def __init__(
        self,
        n_dense: int,
        cardinalities: list[int],
        n_outputs: int,
        *,
        n_blocks: int = 3,
        width: int = 192,
        n_heads: int = 8,
        hidden_factor: float = 4 / 3,
        attention_dropout: float = 0.2,
        dropout: float = 0.1,
        residual_dropout: float = 0.0,
    ):
        super().__init__()
        self.tokenizer = FeatureTokenizer(n_dense, cardinalities, width)
        hidden_width = max(int(hidden_factor * width), 1)
        self.blocks: Any = nn.ModuleList(
            TransformerBlock(
                width,
                n_heads,
                hidden_width,
                attention_dropout=attention_dropout,
                dropout=dropout,
                residual_dropout=residual_dropout,
                is_first=i == 0,
                is_last=i == n_blocks - 1,
            )
            for i in range(n_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = PlainLinear(width, n_outputs)
        n_tokens = 1 + n_dense + len(cardinalities)
        widest = n_tokens * max(2 * width, 2 * hidden_width)
        self.rows_at_once = max(NUMBERS_AT_ONCE // widest, 1)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        if self.training:
            return self._outputs(dense, codes)
        return in_parts(self._outputs, self.rows_at_once, dense, codes)

    def _outputs(self, dense, codes):
        x = self.tokenizer(dense, codes)
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(self.norm(x[:, 0])))

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; the rows do not matter."""
        for part in (self.tokenizer, *self.blocks, self.head):
            part.initialize(generator)
