"""The forward pass of TabM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from automodel.nets.forward.activations import ACTIVATIONS
from automodel.nets.forward.inputs import table_inputs
from automodel.nets.forward.layers import State, in_double, rows_within_limit


class MembersLinear(NamedTuple):
    """Linear layers of members that share a matrix: s_i * (W (r_i * x)) + b_i.

    Shapes: weight (n_in, n_out); bias (k, n_out) or (n_out,); r (k, n_in) and s
    (k, n_out), or None where they are one.
    """

    weight: np.ndarray
    bias: np.ndarray
    r: np.ndarray | None = None
    s: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return (n_rows, k, n_out) for (n_rows, k, n_in), or for (n_rows, 1, n_in)."""
        if self.r is not None:
            x = x * self.r
        output = np.matmul(x.reshape(-1, x.shape[2]), self.weight)
        output = output.reshape(len(x), x.shape[1], -1)
        if self.s is not None:
            output *= self.s
        output += self.bias
        return output


class TabMForward:
    """The forward pass of weights of a `TabMModule` of the same design."""

    def __init__(
        self,
        state: State,
        *,
        inputs: dict,
        hidden_sizes: Sequence[int],
        kind: str,
        k: int,
        activation: str,
        **_,
    ):
        state = in_double(state)
        self.inputs = table_inputs(state, **inputs)
        self.activation = ACTIVATIONS[activation]
        self.hidden = [
            MembersLinear(
                state[f"hidden.{i}.weight"].T,
                state[f"hidden.{i}.bias"],
                state.get(f"hidden.{i}.r"),
                state.get(f"hidden.{i}.s"),
            )
            for i in range(len(hidden_sizes))
        ]
        if kind == "tabm-mini":
            self.hidden[0] = self.hidden[0]._replace(r=state["scale"])
        self.head, self.head_bias = state["head.weight"], state["head.bias"]
        widest = k * max(self.inputs.n_out, *hidden_sizes, self.head_bias.shape[1])
        self.rows_at_once = rows_within_limit(max(self.inputs.n_inside, widest))

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, k, n_outputs)."""
        x = self.inputs(dense, codes)[:, None]
        for layer in self.hidden:
            x = self.activation(layer(x))
        output = np.matmul(x.transpose(1, 0, 2), self.head).transpose(1, 0, 2)
        return output + self.head_bias
