"""The torch module of TabM: many perceptrons that share most of their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._inputs import TableInputs
from automodel.nets._layers import (
    Dropout,
    PlainLinear,
    fill_uniform,
    in_parts,
    learned,
)

NUMBERS_AT_ONCE = 2**23  # of the widest layer, where nothing is learned


class BatchEnsembleLinear(nn.Module):
    """Linear layers of `k` members that share a matrix: s_i * (W (r_i * x)) + b_i.

    After Wen et al. (2020), *BatchEnsemble: An Alternative Approach to Efficient
    Ensemble and Lifelong Learning*. The scalings start at one and the biases equal,
    so a layer starts as one that is shared; `TabMModule` tells the members apart.

    Shapes: the input is (k, n_rows, n_in) or (1, n_rows, n_in), the output
    (k, n_rows, n_out).
    """

    def __init__(self, k: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = learned(torch.zeros(n_out, n_in), decays=True)
        self.r = learned(torch.ones(k, n_in))
        self.s = learned(torch.ones(k, n_out))
        self.bias = learned(torch.zeros(k, n_out))

    def forward(self, x):
        """Return the outputs of all members."""
        n_out, n_in = self.weight.shape
        r, s, bias = self.r.unsqueeze(1), self.s.unsqueeze(1), self.bias.unsqueeze(1)
        if x.shape[1] < n_in + n_out // 2:
            return torch.addcmul(bias, F.linear(x * r, self.weight), s)
        # Scaling k matrices costs less than scaling the inputs and outputs of many
        # rows: a step of 256 rows and 128 units takes 0.7 times as long.
        weights = self.r.unsqueeze(2) * self.weight.t() * s
        return torch.baddbmm(bias, x.expand(len(weights), -1, -1), weights)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the shared matrix, and a bias that all members start with."""
        n_in = self.weight.shape[1]
        bias = torch.empty_like(self.bias[0])
        fill_uniform(generator, n_in, self.weight, bias)
        self.bias.copy_(bias.expand_as(self.bias))
        self.r.fill_(1)
        self.s.fill_(1)


class MemberLinear(nn.Module):
    """A linear layer for each of `k` members, nothing shared.

    Shapes: (k, n_rows, n_in) to (k, n_rows, n_out).
    """

    def __init__(self, k: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = learned(torch.zeros(k, n_in, n_out), decays=True)
        self.bias = learned(torch.zeros(k, n_out))

    def forward(self, x):
        """Return the outputs of all members."""
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw weights and biases of all members."""
        fill_uniform(generator, self.weight.shape[1], self.weight, self.bias)


class TabMModule(nn.Module):
    """An ensemble of `k` perceptrons with shared weights [1]_.

    All members see the same rows. Each is trained by its own loss, and the prediction
    is the mean of theirs.

    - "tabm": every hidden layer is a `BatchEnsembleLinear`.
    - "tabm-mini": the members share all hidden layers and differ by a scaling of
      the inputs, r_i * x.

    In both the members are told apart by the first scaling alone, which starts with
    one random number per member and feature: a sign, or from a normal distribution
    where numbers are embedded. The columns of one feature share it. Each member has
    a head of its own.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, k, n_outputs).

    Parameters
    ----------
    inputs : dict
        Parameters of `TableInputs`, which serve all members.
    n_outputs : int
        Outputs of each member.
    hidden_sizes : list of int
        Units of each hidden layer.
    kind : {"tabm", "tabm-mini"}, default="tabm"
        See above.
    k : int, default=32
        Members.
    activation : str, default="relu"
        Name of a function of `torch.nn.functional`.
    dropout : float, default=0.1
        Share of the units that a training step leaves out.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov, Babenko (2024), TabM: Advancing Tabular Deep
       Learning with Parameter-Efficient Ensembling, arXiv:2410.24210.
    """

    def __init__(
        self,
        inputs: dict,
        n_outputs: int,
        hidden_sizes: list[int],
        *,
        kind: str = "tabm",
        k: int = 32,
        activation: str = "relu",
        dropout: float = 0.1,
    ):
        super().__init__()
        self.inputs = TableInputs(**inputs)
        sizes = [self.inputs.n_out, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden: Any
        self.scale: nn.Parameter | None = None
        if kind == "tabm":
            self.hidden = nn.ModuleList(BatchEnsembleLinear(k, *pair) for pair in pairs)
        else:
            self.scale = learned(torch.ones(k, self.inputs.n_out))
            self.hidden = nn.ModuleList(PlainLinear(*pair) for pair in pairs)
        self.activation = getattr(F, activation)
        self.dropout = Dropout(dropout)
        self.head = MemberLinear(k, sizes[-1], n_outputs)
        self.rows_at_once = max(NUMBERS_AT_ONCE // (k * max(sizes)), 1)

    def forward(self, dense, codes):
        """Return (n_rows, k, n_outputs)."""
        if self.training:
            return self._outputs(dense, codes)
        return in_parts(self._outputs, self.rows_at_once, dense, codes)

    def _outputs(self, dense, codes):
        x = self.inputs(dense, codes).unsqueeze(0)  # members come first inside
        if self.scale is not None:
            x = x * self.scale.unsqueeze(1)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)))
        return self.head(x).transpose(0, 1)

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; only bins depend on these rows."""
        self.inputs.initialize(dense, generator)
        for part in (*self.hidden, self.head):
            part.initialize(generator)
        first = self.hidden[0].r if self.scale is None else self.scale
        feature = self.inputs.feature.to(first.device)
        n_features = int(feature.max()) + 1 if len(feature) else 0
        start = torch.empty(len(first), n_features, device=first.device)
        if self.inputs.numeric is not None:
            start.normal_(generator=generator)
        else:
            start.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
        first.copy_(start[:, feature])
