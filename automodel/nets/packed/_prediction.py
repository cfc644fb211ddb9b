"""Predict with the weights of a fitted pack, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from automodel.nets._encoding import NetEncoder
from automodel.nets._prediction import ROWS_TO_ENCODE
from automodel.nets._rows import take
from automodel.nets.forward.activations import ACTIVATIONS
from automodel.nets.forward.inputs import Periodic, TableInputs
from automodel.nets.forward.layers import Linear, State, in_double
from automodel.nets.forward.perceptron import HiddenLayer, Perceptron
from automodel.nets.packed._members import Inputs, Member, spread

NUMBERS_AT_ONCE = 2**21  # of the outputs of all nets


class PackForward:
    """The nets of a pack that have a weight in the ensemble.

    Parameters
    ----------
    members : sequence of Member
        Members of the pack.
    inputs : Inputs
        The shape of the rows.
    state : dict of ndarray
        Weights of the pack.
    is_used : ndarray of bool, of shape (n_members, n_folds)
        Whether a net has a weight.
    """

    def __init__(
        self,
        members: Sequence[Member],
        inputs: Inputs,
        state: State,
        is_used: np.ndarray,
    ):
        self.inputs, self.shape = inputs, is_used.shape
        groups = [_without_prefix(state, f"groups.{i}.") for i in range(len(members))]
        self.n_outputs = groups[0]["head"].shape[-1]
        self.rows_at_once = max(NUMBERS_AT_ONCE // (is_used.size * self.n_outputs), 1)
        self.nets = {
            (int(i), int(fold)): _net_of(groups[i], members[i], int(fold), inputs)
            for i, fold in np.argwhere(is_used)
        }

    def outputs_in_parts(
        self, X: Any, encoders: Sequence[NetEncoder]
    ) -> Iterator[np.ndarray]:
        """Yield (n_members, n_folds, n_rows, n_outputs) for some rows at a time.

        The outputs of nets without a weight are zero.
        """
        n_rows = min(self.rows_at_once, ROWS_TO_ENCODE)
        for start in range(0, X.shape[0], n_rows):
            part = take(X, slice(start, start + n_rows))
            encoded = [spread(encoder, part, self.inputs) for encoder in encoders]
            outputs = np.zeros((*self.shape, part.shape[0], self.n_outputs))
            with np.errstate(over="ignore"):  # of exponentials that are divided by
                for (i, fold), net in self.nets.items():
                    outputs[i, fold] = _outputs(net, *encoded[fold])
            yield outputs


def _outputs(net: Perceptron, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
    parts = [
        slice(first, first + net.rows_at_once)
        for first in range(0, len(dense), net.rows_at_once)
    ]
    return np.concatenate([net(dense[rows], codes[rows]) for rows in parts])


def _net_of(group: State, member: Member, fold: int, inputs: Inputs) -> Perceptron:
    """Return the net of a member in a fold."""
    own = {
        name: value[0, fold]
        if name.startswith(("weights", "bias", "head"))
        else value[fold]
        for name, value in group.items()
    }
    own = in_double(own)
    numbers, n_embedded = None, 0
    if "embedding.weight" in own:
        numbers = Periodic(
            own["embedding.frequency"][0],
            own["embedding.phase"][0],
            own["embedding.weight"],
            own["embedding.bias"][:, 0],
        )
        n_embedded = inputs.n_continuous * numbers.n_out
    order = _order(inputs, n_embedded, own["scale"].shape[1])
    first = own["weights.0"][order]
    weights = [first, *(own[f"weights.{i}"] for i in range(1, member.n_layers))]
    table_inputs = TableInputs(
        inputs.n_continuous,
        inputs.n_dense,
        inputs.cardinalities,
        numbers=numbers,
        keeps_numbers=True,
        table=own.get("categories.table"),
        scale=own["scale"][0, order],
    )
    hidden = [
        HiddenLayer(
            Linear(weight, own[f"biases.{i}"][0]), ACTIVATIONS[member.activation]
        )
        for i, weight in enumerate(weights)
    ]
    return Perceptron(table_inputs, hidden, Linear(own["head"], own["head_bias"][0]))


def _order(inputs: Inputs, n_embedded: int, n_inputs: int) -> np.ndarray:
    """Return where a pack has the inputs of a perceptron.

    In a pack, all columns of `dense` come before the embedding of the numbers.
    """
    numbers, rest, embedded, categories = np.split(
        np.arange(n_inputs),
        np.cumsum(
            [inputs.n_continuous, inputs.n_dense - inputs.n_continuous, n_embedded]
        ),
    )
    return np.concatenate([numbers, embedded, rest, categories])


def _without_prefix(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }
