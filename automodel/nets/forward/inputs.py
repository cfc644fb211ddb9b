"""From the two arrays of a table to the vector that a net starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from automodel.nets.forward.layers import State

TURN = np.float32(math.tau)


class NumberEmbedding(Protocol):
    """Turns each number into a few columns."""

    n_out: int
    n_inside: int  # numbers that are held for each row

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Return (n_features * n_out, n_rows) for columns (n_features, 1, n_rows)."""


class Periodic:
    """Cosines of learned frequencies and a linear map, as in `PeriodicEmbedding`.

    The cosines have single precision, in which NumPy computes them much faster. Their
    arguments are reduced to one turn in double precision, so that the error is at most
    3e-7 for large ones, too.

    Parameters
    ----------
    frequency, phase : ndarray of shape (n_features, n_frequencies)
        Of the cosines.
    weight : ndarray of shape (n_features, n_frequencies, n_out)
        Of the linear map.
    bias : ndarray of shape (n_features, n_out)
        Of the linear map.
    """

    def __init__(self, frequency, phase, weight, bias):
        self.frequency = frequency[:, :, None]
        self.phase = (phase / math.tau)[:, :, None]
        self.weight = np.ascontiguousarray(weight.transpose(0, 2, 1))
        self.bias = bias[:, :, None]
        self.n_out, self.n_inside = bias.shape[1], frequency.size

    def __call__(self, columns):
        """Return (n_features * n_out, n_rows)."""
        turns = columns * self.frequency
        turns += self.phase
        turns -= np.rint(turns)
        waves = turns.astype(np.float32)
        waves *= TURN
        np.cos(waves, out=waves)
        output = np.matmul(self.weight, waves.astype(np.float64))
        output += self.bias
        return output.reshape(-1, columns.shape[2])


class Piecewise:
    """Positions in bins and a linear map, as in `PiecewiseEmbedding`.

    The linear map of the number itself is that of one more bin without an end.

    Parameters
    ----------
    left, slope, low, high : ndarray of shape (n_features, n_bins)
        Where bins start, how steep positions are, and their limits.
    weight : ndarray of shape (n_features, n_bins, n_out)
        Of the positions.
    scale, bias : ndarray of shape (n_features, n_out)
        Of the number itself, and of all.
    """

    def __init__(self, left, slope, low, high, weight, scale, bias):
        ends = ((left, 0.0), (slope, 1.0), (low, -np.inf), (high, np.inf))
        self.left, self.slope, self.low, self.high = (
            np.pad(value, ((0, 0), (0, 1)), constant_values=last)[:, :, None]
            for value, last in ends
        )
        weight = np.concatenate([weight, scale[:, None]], axis=1)
        self.weight = np.ascontiguousarray(weight.transpose(0, 2, 1))
        self.bias = bias[:, :, None]
        self.n_out, self.n_inside = bias.shape[1], self.left.size

    def __call__(self, columns):
        """Return (n_features * n_out, n_rows)."""
        position = columns - self.left
        position *= self.slope
        np.maximum(position, self.low, out=position)
        np.minimum(position, self.high, out=position)
        output = np.matmul(self.weight, position)
        output += self.bias
        return output.reshape(-1, columns.shape[2])


class TableInputs:
    """Numbers, embedded or plain, one-hot columns and embedded categories.

    Parameters
    ----------
    n_continuous, n_dense : int
        Columns of `dense` that come from numbers, and all of them.
    cardinalities : sequence of int
        Rows in the table of each column of `codes`.
    numbers : NumberEmbedding or None
        The embedding of the numbers.
    keeps_numbers : bool
        Whether the numbers themselves stay beside their embedding.
    table : ndarray of shape (sum(cardinalities), size) or None
        The vectors of all categories.
    scale : ndarray of shape (n_out,) or None
        A factor of each column of the output, in the order: numbers, their embedding,
        other columns of `dense`, categories.

    Attributes
    ----------
    n_out : int
        Columns of the output.
    n_inside : int
        Numbers that are held for each row.
    """

    def __init__(
        self,
        n_continuous: int,
        n_dense: int,
        cardinalities: Sequence[int],
        *,
        numbers: NumberEmbedding | None,
        keeps_numbers: bool,
        table: np.ndarray | None,
        scale: np.ndarray | None = None,
    ):
        self.n_continuous, self.numbers, self.table = n_continuous, numbers, table
        n_kept = n_continuous if numbers is None or keeps_numbers else 0
        n_embedded = 0 if numbers is None else n_continuous * numbers.n_out
        size = 0 if table is None else len(cardinalities) * table.shape[1]
        sizes = [n_kept, n_embedded, n_dense - n_continuous, size]
        edges = np.cumsum([0, *sizes]).tolist()
        self.places = [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]
        self.first_codes = np.cumsum([0, *cardinalities[:-1]])
        self.scale = scale
        self.n_out = edges[-1]
        self.n_inside = self.n_out + (0 if numbers is None else numbers.n_inside)

    def __call__(self, dense: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return (n_rows, n_out)."""
        kept, embedded, rest, categories = self.places
        output = np.empty((len(dense), self.n_out))
        output[:, kept] = dense[:, : kept.stop]
        if self.numbers is not None:
            columns = dense[:, : self.n_continuous].T.astype(np.float64, order="C")
            output[:, embedded] = self.numbers(columns[:, None]).T
        output[:, rest] = dense[:, self.n_continuous :]
        if self.table is not None:
            vectors = self.table[codes + self.first_codes]
            output[:, categories] = vectors.reshape(len(dense), -1)
        if self.scale is not None:
            output *= self.scale
        return output


def table_inputs(
    state: State,
    scale: np.ndarray | None = None,
    *,
    n_continuous: int,
    n_dense: int,
    cardinalities: Sequence[int],
    **_,
) -> TableInputs:
    """Return the inputs of weights that the module `TableInputs` of torch has learned.

    Parameters
    ----------
    state : dict of ndarray
        The weights of the net.
    scale : ndarray of shape (n_out,) or None
        A factor of each column of the output.
    n_continuous, n_dense, cardinalities
        See `TableInputs`.
    """
    numeric = {
        name.removeprefix("inputs.numeric."): value
        for name, value in state.items()
        if name.startswith("inputs.numeric.")
    }
    numbers: NumberEmbedding | None = None
    if numeric:
        numbers = (Periodic if "phase" in numeric else Piecewise)(**numeric)
    return TableInputs(
        n_continuous,
        n_dense,
        cardinalities,
        numbers=numbers,
        keeps_numbers=isinstance(numbers, Periodic),
        table=state.get("inputs.categorical.table"),
        scale=scale,
    )
