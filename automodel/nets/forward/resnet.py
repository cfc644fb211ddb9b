"""The forward pass of the residual net for tables."""

from __future__ import annotations

import numpy as np

from automodel.nets.forward.activations import relu
from automodel.nets.forward.inputs import table_inputs
from automodel.nets.forward.layers import (
    State,
    in_double,
    linear_of,
    rows_within_limit,
    scale_of_batch_norm,
)


class ResNetForward:
    """The forward pass of weights of a `ResNetModule` of the same design."""

    def __init__(self, state: State, *, inputs: dict, n_blocks: int, **_):
        state = in_double(state)
        self.inputs = table_inputs(state, **inputs)
        self.first, self.head = linear_of(state, "first"), linear_of(state, "head")
        self.blocks = []
        for name in (f"blocks.{i}" for i in range(n_blocks)):
            norm = scale_of_batch_norm(state, f"{name}.norm")
            expand = linear_of(state, f"{name}.expand").after(*norm)
            self.blocks.append((expand, linear_of(state, f"{name}.contract")))
        self.factor, self.shift = scale_of_batch_norm(state, "norm")
        widths = (len(layer.bias) for block in self.blocks for layer in block)
        self.rows_at_once = rows_within_limit(max(self.inputs.n_inside, *widths))

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_outputs)."""
        x = self.first(self.inputs(dense, codes))
        for expand, contract in self.blocks:
            x += contract(relu(expand(x)))
        x *= self.factor
        x += self.shift
        return self.head(relu(x))
