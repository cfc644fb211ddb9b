"""Activations in NumPy, which write into the array that they are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

ALPHA = 1.6732632423543772  # of SELU (Klambauer et al., 2017)
SCALE = 1.0507009873554805
LARGE = 30.0  # from which the factor of mish is one in float64
# The normal distribution function is about the logistic function of x P(x^2). Of all P
# of ten coefficients, here the last first, this one has the least largest error of
# GELU, 1.1e-8. SciPy's erf takes three times as long.
GELU = (
    2.77472716647e-13,
    -2.79433841649e-11,
    1.06827682924e-09,
    -1.65922590551e-08,
    -6.25872772118e-08,
    6.83500665465e-06,
    -0.000107542933542,
    -6.91676621656e-05,
    0.0726679708924,
    1.59576981212,
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
    """Return x times the normal distribution function of x, with an error of 1e-8."""
    square = x * x
    divisor = square * -GELU[0]
    for coefficient in GELU[1:-1]:
        divisor -= coefficient
        divisor *= square
    divisor -= GELU[-1]
    divisor *= x
    np.exp(divisor, out=divisor)
    divisor += 1.0
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
