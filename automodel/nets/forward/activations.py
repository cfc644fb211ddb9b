"""Activations in NumPy, which write into the array that they are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

ALPHA = 1.6732632423543772  # of SELU (Klambauer et al., 2017)
SCALE = 1.0507009873554805
LARGE = 30.0  # from which the factor of mish is one in float64
# The normal distribution function is about the logistic function of x P(x^2). Of all P
# of seven coefficients, here the last first, this one has the least largest error of
# GELU, 7e-8. SciPy's erf takes four times as long.
GELU = np.array(
    [
        3.61123390384e-09,
        -2.66892866929e-07,
        7.93821969969e-06,
        -0.000110480322672,
        -6.62599684164e-05,
        0.0726685670033,
        1.59576843224,
    ],
    dtype=np.float32,
)

Activation = Callable[[np.ndarray], np.ndarray]


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0)."""
    return np.maximum(x, 0.0, out=x)


def selu(x: np.ndarray) -> np.ndarray:
    """Return a line of slope SCALE for positive x, and an exponential below."""
    below = np.minimum(x, 0.0)
    np.exp(below, out=below)
    below -= 1.0
    below *= SCALE * ALPHA
    np.maximum(x, 0.0, out=x)
    x *= SCALE
    x += below
    return x


def silu(x: np.ndarray) -> np.ndarray:
    """Return x times its logistic function."""
    divisor = np.negative(x)
    np.exp(divisor, out=divisor)
    divisor += 1.0
    x /= divisor
    return x


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x times the normal distribution function of x, in single precision."""
    single = x.astype(np.float32)
    square = single * single
    divisor = square * -GELU[0]
    for coefficient in GELU[1:-1]:
        divisor -= coefficient
        divisor *= square
    divisor -= GELU[-1]
    divisor *= single
    np.exp(divisor, out=divisor)
    divisor += np.float32(1)
    x /= divisor
    return x


def mish(x: np.ndarray) -> np.ndarray:
    """Return x tanh(log(1 + e^x)), in which one exponential is enough."""
    power = np.minimum(x, LARGE)
    np.exp(power, out=power)
    power *= power + 2.0
    x *= power
    power += 2.0
    x /= power
    return x


ACTIVATIONS: dict[str, Activation] = {
    "relu": relu,
    "selu": selu,
    "silu": silu,
    "gelu": gelu,
    "mish": mish,
}


def activation_of(name: str, share: np.ndarray | None = None) -> Activation:
    """Return an activation, of which each unit may apply a share only."""
    function = ACTIVATIONS[name]
    return function if share is None else partial(_in_shares, function, share)


def _in_shares(function: Activation, share: np.ndarray, x: np.ndarray) -> np.ndarray:
    change = function(x.copy())
    change -= x
    change *= share
    x += change
    return x
