"""The torch module of the residual net for tables."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._inputs import TableInputs
from automodel.nets._layers import Dropout, PlainLinear


class ResidualBlock(nn.Module):
    """x + dropout(linear(dropout(relu(linear(batch_norm(x)))))).

    Shapes: (n_rows, width) to (n_rows, width).
    """

    def __init__(
        self, width: int, hidden_width: int, dropout: float, residual_dropout: float
    ):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.expand = PlainLinear(width, hidden_width)
        self.contract = PlainLinear(hidden_width, width)
        self.dropout = Dropout(dropout)
        self.residual_dropout = Dropout(residual_dropout)

    def forward(self, x):
        """Return the sum of x and what the block makes of it."""
        hidden = self.dropout(F.relu(self.expand(self.norm(x))))
        return x + self.residual_dropout(self.contract(hidden))

    @torch.no_grad()
    def initialize(self, x, generator) -> None:
        """Draw the weights; the running statistics start as those of `x`."""
        start_statistics(self.norm, x)
        self.expand.initialize(generator)
        self.contract.initialize(generator)


class ResNetModule(nn.Module):
    """A perceptron with residual connections and batch normalisation [1]_.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, n_outputs).

    Parameters
    ----------
    inputs : dict
        Parameters of `TableInputs`, which the net starts from.
    n_outputs : int
        Columns of the output.
    n_blocks : int, default=2
        Residual blocks.
    width : int, default=192
        Units that the blocks pass on.
    hidden_factor : float, default=2.0
        Units inside a block, in units of `width`.
    dropout : float, default=0.25
        Share of the units inside a block that a training step leaves out.
    residual_dropout : float, default=0.1
        The same for what a block adds.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov, Babenko (2021), Revisiting Deep Learning
       Models for Tabular Data, arXiv:2106.11959.
    """

    def __init__(
        self,
        inputs: dict,
        n_outputs: int,
        *,
        n_blocks: int = 2,
        width: int = 192,
        hidden_factor: float = 2.0,
        dropout: float = 0.25,
        residual_dropout: float = 0.1,
    ):
        super().__init__()
        self.inputs = TableInputs(**inputs)
        self.first = PlainLinear(self.inputs.n_out, width)
        hidden_width = max(round(hidden_factor * width), 1)
        self.blocks: Any = nn.ModuleList(
            ResidualBlock(width, hidden_width, dropout, residual_dropout)
            for _ in range(n_blocks)
        )
        self.norm = nn.BatchNorm1d(width)
        self.head = PlainLinear(width, n_outputs)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        x = self.first(self.inputs(dense, codes))
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(self.norm(x)))

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; the running statistics start as those of these rows."""
        self.inputs.initialize(dense, generator)
        self.first.initialize(generator)
        was_training = self.training
        self.eval()
        x = self.first(self.inputs(dense, codes))
        for block in self.blocks:
            block.initialize(x, generator)
            x = block(x)
        start_statistics(self.norm, x)
        self.head.initialize(generator)
        self.train(was_training)


@torch.no_grad()
def start_statistics(norm: nn.BatchNorm1d, x: torch.Tensor) -> None:
    """Set the running mean and variance to those of rows.

    From torch's zero and one, a net of few steps would predict with what it has not
    seen in training.
    """
    norm.running_mean.copy_(x.mean(0))  # type: ignore[union-attr]
    norm.running_var.copy_(x.var(0, correction=0))  # type: ignore[union-attr]
