"""The multilayer perceptron for tables: its module and its two estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from automodel.nets._docs import documented
from automodel.nets._inputs import EMBEDDING_PARAMETERS, EmbeddedNet, TableInputs
from automodel.nets._layers import (
    ACTIVATIONS,
    Dropout,
    Linear,
    ParametricActivation,
    learned,
)
from automodel.nets._supervised import ClassifierNet, RegressorNet

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
SCALE_RATE = 6.0  # learning rate of the scale of inputs, in units of the weights'
PARAMETERS = (
    """\
n_layers : int
    Hidden layers.
width : int
    Units of each hidden layer.
block : {"plain", "residual"}
    What a hidden layer returns: its output, or the sum of output and input (where
    they are of one size).
activation : {"relu", "selu", "silu", "gelu", "mish"}
    Non-linearity.
parametric_activation : bool
    Whether each unit learns how much of the non-linearity it takes.
dropout : float
    Share of units that a training step leaves out, in steps of 1/256.
normalization : {"none", "batch", "layer"}
    Normalisation of each hidden layer before its activation.
"""
    + EMBEDDING_PARAMETERS
)


class MLPModule(nn.Module):
    """Embeddings, a scale per input, hidden layers, and a linear head.

    Parameters
    ----------
    inputs : TableInputs
        What the net starts from.
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
        inputs: TableInputs,
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
        self.inputs = inputs
        self.scale: nn.Parameter = learned(torch.ones(inputs.n_out), SCALE_RATE)
        sizes = [inputs.n_out, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden: Any = nn.ModuleList(Linear(n_in, n_out) for n_in, n_out in pairs)
        make_norm = NORMALIZATIONS[normalization]
        self.norms = nn.ModuleList(make_norm(size) for size in hidden_sizes)
        self.activations: Any = [ACTIVATIONS[activation]] * len(hidden_sizes)
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


@dataclass(kw_only=True, eq=False, repr=False)
class _RealMLP(EmbeddedNet):
    n_layers: int = 2
    width: int = 128
    block: str = "plain"
    activation: str = "selu"
    parametric_activation: bool = False
    dropout: float = 0.15
    normalization: str = "none"
    regularization_schedule: str = "flat_cos"
    max_epochs: int = 256

    _parameter_constraints: ClassVar[dict] = {
        **EmbeddedNet._parameter_constraints,
        "n_layers": [Interval(Integral, 1, 16, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "block": [StrOptions({"plain", "residual"})],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "parametric_activation": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions(set(NORMALIZATIONS))],
    }

    def _design(self, encoder, n_outputs):
        return {
            "inputs": {**self._inputs(encoder), "own_rates": True},
            "n_outputs": n_outputs,
            "hidden_sizes": [self.width] * self.n_layers,
            "block": self.block,
            "activation": self.activation,
            "is_parametric": bool(self.parametric_activation),
            "dropout": float(self.dropout),
            "normalization": self.normalization,
        }

    def _build(self, design):
        return MLPModule(**{**design, "inputs": TableInputs(**design["inputs"])})


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class RealMLPClassifier(_RealMLP, ClassifierNet):
    """Classify rows of a table with a multilayer perceptron.

    The recipe follows RealMLP (Holzmüller et al., 2024, *Better by Default*): robust
    scaling with a smooth clip, periodic embeddings of numbers, a learned scale per
    input, an initialisation from the data, and the learning rates of the neural
    tangent parametrisation. It is cut to what a processor trains in seconds, and
    probabilities are calibrated by a temperature, which comes from the inner part of
    the rows that early stopping holds out.

    Columns of a pandas DataFrame of dtype "category" become one column per category
    or, from ten categories on, embeddings. Missing values are marked and take the
    median. The target may be classes or an indicator matrix of several labels.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    RealMLPRegressor : The same net for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import RealMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = RealMLPClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **_RealMLP._parameter_constraints,
    }


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class RealMLPRegressor(_RealMLP, RegressorNet):
    """Predict numbers from rows of a table with a multilayer perceptron.

    The net of `RealMLPClassifier`, trained by squared error on the standardised
    target, of which there may be several columns. By default it trains on all rows for
    the whole schedule: holding rows out for early stopping costs more than it brings
    here.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    RealMLPClassifier : The same net for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import RealMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = RealMLPRegressor(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.5
    True
    """

    learning_rate: float = 0.1
    early_stopping: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **_RealMLP._parameter_constraints,
    }
