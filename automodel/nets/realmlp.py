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
from automodel.nets._estimator import TabularNet
from automodel.nets._layers import (
    ACTIVATIONS,
    CategoryEmbedding,
    Dropout,
    Linear,
    ParametricActivation,
    PeriodicEmbedding,
    PiecewiseEmbedding,
    learned,
)
from automodel.nets._supervised import ClassifierNet, RegressorNet

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
D_EMBEDDING = {"periodic": 4, "piecewise": 8}
PARAMETERS = """\
n_layers : int
    Hidden layers.
width : int
    Units of each hidden layer.
activation : {"relu", "selu", "silu", "gelu", "mish"}
    Non-linearity.
parametric_activation : bool
    Whether each unit learns how much of the non-linearity it takes.
dropout : float
    Share of units that a training step leaves out, in steps of 1/256.
normalization : {"none", "batch", "layer"}
    Normalisation of each hidden layer before its activation.
embedding : {"none", "periodic", "piecewise"}
    What each number gets: nothing, cosines of learned frequencies, or its position
    in bins between quantiles (Gorishniy et al., 2022).
embedding_sigma : float
    Standard deviation of the frequencies at the start; larger for targets that
    jump.
n_frequencies : int
    Frequencies of each number.
n_bins : int
    Bins of each number.
d_embedding : int or "auto"
    Inputs that a number becomes; "auto" is 4 with frequencies, 8 with bins.
"""


class MLPModule(nn.Module):
    """Embeddings, a scale per input, hidden layers, and a linear head.

    Parameters
    ----------
    n_continuous, n_dense : int
        Columns of `dense` that come from numbers, and all of them.
    cardinalities : list of int
        Categories of each column of `codes`.
    n_outputs : int
        Columns of the output.
    hidden_sizes : list of int
        Units of each hidden layer.
    activation, normalization, embedding : str
        See `RealMLPClassifier`.
    dropout, sigma : float
        See `RealMLPClassifier`.
    embedding_size : int
        Numbers per category.
    """

    def __init__(
        self,
        n_continuous: int,
        n_dense: int,
        cardinalities: list[int],
        n_outputs: int,
        hidden_sizes: list[int],
        *,
        activation: str = "selu",
        is_parametric: bool = False,
        dropout: float = 0.0,
        normalization: str = "none",
        embedding: str = "none",
        sigma: float = 0.1,
        n_frequencies: int = 16,
        n_bins: int = 16,
        d_embedding: int = 4,
        embedding_size: int = 8,
    ):
        super().__init__()
        self.n_continuous = n_continuous
        n_inputs = n_dense
        self.numeric: PeriodicEmbedding | PiecewiseEmbedding | None = None
        self.categorical: CategoryEmbedding | None = None
        if embedding == "periodic" and n_continuous:
            self.numeric = PeriodicEmbedding(
                n_continuous, sigma, n_frequencies, d_embedding - 1
            )
        elif embedding == "piecewise" and n_continuous:
            self.numeric = PiecewiseEmbedding(n_continuous, n_bins, d_embedding)
        if self.numeric is not None:
            n_inputs += self.numeric.n_out - n_continuous
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, embedding_size)
            n_inputs += self.categorical.n_out
        self.scale: nn.Parameter = learned(torch.ones(n_inputs), 6.0)
        sizes = [n_inputs, *hidden_sizes]
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
        x = self._inputs(dense, codes)
        for layer, norm, activation in self._layers():
            x = self.dropout(activation(norm(layer(x))))
        return self.head(x)

    def _layers(self):
        return zip(self.hidden, self.norms, self.activations, strict=True)

    def _inputs(self, dense, codes):
        parts = [dense]
        if self.numeric is not None:
            numbers = dense[:, : self.n_continuous]
            parts = [self.numeric(numbers), dense[:, self.n_continuous :]]
        if self.categorical is not None:
            parts.append(self.categorical(codes))
        x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return x * self.scale

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights, scaled to these rows; the head starts at zero."""
        if isinstance(self.numeric, PiecewiseEmbedding):
            self.numeric.learn_bins(dense[:, : self.n_continuous])
        for part in (self.numeric, self.categorical):
            if part is not None:
                part.initialize(generator)
        x = self._inputs(dense, codes)
        for layer, norm, activation in self._layers():
            layer.initialize(x, generator)
            norm.eval()
            x = activation(norm(layer(x)))


@dataclass(kw_only=True, eq=False, repr=False)
class _RealMLP(TabularNet):
    n_layers: int = 2
    width: int = 128
    activation: str = "selu"
    parametric_activation: bool = False
    dropout: float = 0.15
    normalization: str = "none"
    embedding: str = "periodic"
    embedding_sigma: float = 0.1
    n_frequencies: int = 16
    n_bins: int = 16
    d_embedding: int | str = "auto"
    regularization_schedule: str = "flat_cos"

    _parameter_constraints: ClassVar[dict] = {
        "n_layers": [Interval(Integral, 1, 16, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "parametric_activation": ["boolean"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions(set(NORMALIZATIONS))],
        "embedding": [StrOptions({"none", "periodic", "piecewise"})],
        "embedding_sigma": [Interval(Real, 0, None, closed="neither")],
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "d_embedding": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
        ],
    }

    def _design(self, encoder, n_outputs):
        d_embedding = self.d_embedding
        if d_embedding == "auto":
            d_embedding = D_EMBEDDING.get(self.embedding, 2)
        return {
            "n_continuous": encoder.n_continuous_,
            "n_dense": encoder.n_dense_,
            "cardinalities": list(encoder.cardinalities_),
            "n_outputs": n_outputs,
            "hidden_sizes": [self.width] * self.n_layers,
            "activation": self.activation,
            "is_parametric": bool(self.parametric_activation),
            "dropout": float(self.dropout),
            "normalization": self.normalization,
            "embedding": self.embedding,
            "sigma": float(self.embedding_sigma),
            "n_frequencies": self.n_frequencies,
            "n_bins": self.n_bins,
            "d_embedding": d_embedding,
        }

    def _build(self, design):
        return MLPModule(**design)


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
