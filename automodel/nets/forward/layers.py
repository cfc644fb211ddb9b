"""Layers in NumPy: products with bias, and normalisation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EPSILON = 1e-5  # which torch adds to a variance
NUMBERS_AT_ONCE = 2**16  # of the widest array: half a megabyte

State = dict[str, np.ndarray]


class Linear(NamedTuple):
    """A linear layer: weight (n_in, n_out), and bias (n_out,)."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return x W + b, (..., n_out)."""
        rows = x.reshape(-1, x.shape[-1])  # one product instead of many small ones
        output = np.matmul(rows, self.weight)
        output += self.bias
        return output.reshape(*x.shape[:-1], -1)

    def after(self, factor: np.ndarray, shift: np.ndarray) -> Linear:
        """Return the layer that takes x in place of factor * x + shift."""
        bias = self.bias + shift @ self.weight
        return Linear(factor[:, None] * self.weight, bias)

    def before(self, factor: np.ndarray, shift: np.ndarray) -> Linear:
        """Return the layer whose outputs are factor * output + shift."""
        return Linear(self.weight * factor, self.bias * factor + shift)

    def centered(self) -> Linear:
        """Return the layer whose outputs are less by their mean."""
        weight = self.weight - self.weight.mean(axis=1, keepdims=True)
        return Linear(weight, self.bias - self.bias.mean())


def in_double(state: State) -> State:
    """Return the weights in float64."""
    return {name: np.asarray(value, np.float64) for name, value in state.items()}


def linear_of(state: State, name: str) -> Linear:
    """Return the layer whose weights torch keeps under a name."""
    return Linear(state[f"{name}.weight"].T, state[f"{name}.bias"])


def scale_of_batch_norm(state: State, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the shift that a batch normalisation has learned."""
    deviation = np.sqrt(state[f"{name}.running_var"] + EPSILON)
    factor = state[f"{name}.weight"] / deviation
    return factor, state[f"{name}.bias"] - factor * state[f"{name}.running_mean"]


def scale_of_layer_norm(state: State, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the shift that follow the standardisation of a row."""
    return state[f"{name}.weight"], state[f"{name}.bias"]


def standardized(x: np.ndarray) -> np.ndarray:
    """Return x with mean zero and variance one along the last axis."""
    return with_unit_variance(x - x.mean(axis=-1, keepdims=True))


def with_unit_variance(x: np.ndarray) -> np.ndarray:
    """Divide x, of mean zero along the last axis, by its deviation there."""
    variance = np.einsum("...i,...i->...", x, x)[..., None] / x.shape[-1]
    x *= 1 / np.sqrt(variance + EPSILON)
    return x


def rows_within_limit(n_numbers: int) -> int:
    """Return how many rows are computed at once, of so many numbers each."""
    return max(NUMBERS_AT_ONCE // max(n_numbers, 1), 1)
