"""The forward pass of perceptrons: RealMLP, and the members of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automodel.nets.forward.activations import Activation, activation_of
from automodel.nets.forward.inputs import TableInputs, table_inputs
from automodel.nets.forward.layers import (
    Linear,
    State,
    in_double,
    linear_of,
    rows_within_limit,
    scale_of_batch_norm,
    scale_of_layer_norm,
    with_unit_variance,
)


@dataclass
class HiddenLayer:
    """A linear layer and an activation, with a normalisation of rows in between.

    `norm` has the factor and the shift that follow the standardisation of a row. The
    outputs of the linear layer then have a mean of zero.
    """

    linear: Linear
    activation: Activation
    norm: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_units)."""
        output = self.linear(x)
        if self.norm is not None:
            factor, shift = self.norm
            output = with_unit_variance(output)
            output *= factor
            output += shift
        return self.activation(output)


class Perceptron:
    """Inputs, hidden layers and a linear head.

    Parameters
    ----------
    inputs : TableInputs
        What the first layer takes.
    hidden : sequence of HiddenLayer
        The hidden layers.
    head : Linear
        The last layer.
    is_residual : bool, default=False
        Whether inputs are added to the outputs of hidden layers of the same size.
    """

    def __init__(
        self,
        inputs: TableInputs,
        hidden: Sequence[HiddenLayer],
        head: Linear,
        is_residual: bool = False,
    ):
        self.inputs, self.hidden, self.head = inputs, hidden, head
        self.is_residual = is_residual
        widths = [len(layer.linear.bias) for layer in hidden] + [len(head.bias)]
        self.rows_at_once = rows_within_limit(max(inputs.n_inside, *widths))

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs)."""
        x = self.inputs(dense, codes)
        for layer in self.hidden:
            output = layer(x)
            if self.is_residual and output.shape == x.shape:
                output += x
            x = output
        return self.head(x)


def realmlp(
    state: State,
    *,
    inputs: dict,
    hidden_sizes: Sequence[int],
    block: str,
    activation: str,
    is_parametric: bool,
    normalization: str,
    **_,
) -> Perceptron:
    """Return the forward pass of weights of a `MLPModule` of the same design."""
    state = in_double(state)
    hidden = []
    for i, _size in enumerate(hidden_sizes):
        linear, norm = linear_of(state, f"hidden.{i}"), None
        if normalization == "batch":
            linear = linear.before(*scale_of_batch_norm(state, f"norms.{i}"))
        elif normalization == "layer":
            linear = linear.centered()
            norm = scale_of_layer_norm(state, f"norms.{i}")
        share = state[f"activations.{i}.share"] if is_parametric else None
        hidden.append(HiddenLayer(linear, activation_of(activation, share), norm))
    return Perceptron(
        table_inputs(state, state["scale"], **inputs),
        hidden,
        linear_of(state, "head"),
        is_residual=block == "residual",
    )
