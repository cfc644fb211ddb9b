"""The torch module of RealMLP: embeddings, hidden layers and a head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from automodel.nets._inputs import TableInputs
from automodel.nets._layers import Dropout, Linear, ParametricActivation, learned

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
SCALE_RATE = 6.0  # learning rate of the scale of inputs, in units of the weights'


class MLPModule(nn.Module):
    """Embeddings, a scale per input, hidden layers, and a linear head.

    Parameters
    ----------
    inputs : dict
        Parameters of `TableInputs`, which the net starts from.
    n_outputs : int
        Columns of the output.
    hidden_sizes : list of int
        Units of each hidden layer.
    block, activation, normalization : str
        See `RealMLPClassifier`.
    is_parametric : bool
        Whether activations are learned.
    dropout : float
        See `RealMLPClassifier`.
    """

    def __init__(
        self,
        inputs: dict,
        n_outputs: int,
        hidden_sizes: list[int],
        *,
        block: str = "plain",
        activation: str = "selu",
        is_parametric: bool = False,
        dropout: float = 0.0,
        normalization: str = "none",
    ):
        super().__init__()
        self.is_residual = block == "residual"
        self.inputs = TableInputs(**inputs)
        self.scale: nn.Parameter = learned(torch.ones(self.inputs.n_out), SCALE_RATE)
        sizes = [self.inputs.n_out, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden: Any = nn.ModuleList(Linear(n_in, n_out) for n_in, n_out in pairs)
        make_norm = NORMALIZATIONS[normalization]
        self.norms = nn.ModuleList(make_norm(size) for size in hidden_sizes)
        self.activations: Any = [getattr(F, activation)] * len(hidden_sizes)
        if is_parametric:
            self.activations = nn.ModuleList(
                ParametricActivation(activation, size) for size in hidden_sizes
            )
        self.dropout = Dropout(dropout)
        self.head = Linear(sizes[-1], n_outputs)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        x = self.inputs(dense, codes) * self.scale
        for layer, norm, activation in self._layers():
            x = self._joined(x, self.dropout(activation(norm(layer(x)))))
        return self.head(x)

    def _joined(self, x, output):
        return x + output if self.is_residual and x.shape == output.shape else output

    def _layers(self):
        return zip(self.hidden, self.norms, self.activations, strict=True)

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights, scaled to these rows; the head starts at zero."""
        self.inputs.initialize(dense, generator)
        x = self.inputs(dense, codes) * self.scale
        for layer, norm, activation in self._layers():
            layer.initialize(x, generator)
            norm.eval()
            x = self._joined(x, activation(norm(layer(x))))
