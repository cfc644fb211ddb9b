"""The multilayer perceptron for tables: its module and its two estimators."""

from __future__ import annotations

from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn
from torch.nn import functional as F

from automodel.nets._estimator import ClassifierNet, RegressorNet, TabularNet
from automodel.nets._layers import (
    ACTIVATIONS,
    CategoryEmbedding,
    Dropout,
    Linear,
    PeriodicEmbedding,
    learned,
)

NORMALIZATIONS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


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
        See `MLPClassifier`.
    dropout, sigma : float
        See `MLPClassifier`.
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
        dropout: float = 0.0,
        normalization: str = "none",
        embedding: str = "none",
        sigma: float = 0.1,
        embedding_size: int = 8,
    ):
        super().__init__()
        self.n_continuous = n_continuous
        n_inputs = n_dense
        self.periodic = self.categorical = None
        if embedding == "periodic" and n_continuous:
            self.periodic = PeriodicEmbedding(n_continuous, sigma)
            n_inputs += self.periodic.n_out - n_continuous
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, embedding_size)
            n_inputs += self.categorical.n_out
        self.scale = learned(torch.ones(n_inputs), 6.0)
        sizes = [n_inputs, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden = nn.ModuleList(Linear(n_in, n_out) for n_in, n_out in pairs)
        make_norm = NORMALIZATIONS.get(normalization, lambda size: nn.Identity())
        self.norms = nn.ModuleList(make_norm(size) for size in hidden_sizes)
        self.activation = ACTIVATIONS[activation]
        self.dropout = Dropout(dropout)
        self.head = Linear(sizes[-1], n_outputs)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        x = self._inputs(dense, codes)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = self.dropout(self.activation(norm(layer(x))))
        return self.head(x)

    def _inputs(self, dense, codes):
        parts = [dense]
        if self.periodic is not None:
            numbers = dense[:, : self.n_continuous]
            parts = [self.periodic(numbers), dense[:, self.n_continuous :]]
        if self.categorical is not None:
            parts.append(self.categorical(codes))
        x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return x * self.scale

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights, scaled to these rows; the head starts at zero."""
        for part in (self.periodic, self.categorical):
            if part is not None:
                part.initialize(generator)
        x = self._inputs(dense, codes)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            layer.initialize(x, generator)
            norm.eval()
            x = self.activation(norm(F.linear(x, layer.weight, layer.bias)))


class _MLP(TabularNet):
    _parameter_constraints: dict = {
        "n_layers": [Interval(Integral, 1, 16, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions({"none", *NORMALIZATIONS})],
        "embedding": [StrOptions({"none", "periodic"})],
        "embedding_sigma": [Interval(Real, 0, None, closed="neither")],
    }

    def _design(self, encoder, n_outputs):
        return {
            "n_continuous": encoder.n_continuous_,
            "n_dense": encoder.n_dense_,
            "cardinalities": list(encoder.cardinalities_),
            "n_outputs": n_outputs,
            "hidden_sizes": [self.width] * self.n_layers,
            "activation": self.activation,
            "dropout": float(self.dropout),
            "normalization": self.normalization,
            "embedding": self.embedding,
            "sigma": float(self.embedding_sigma),
        }

    def _build(self, design):
        return MLPModule(**design)


class MLPClassifier(_MLP, ClassifierNet):
    """Classify rows of a table with a multilayer perceptron."""

    _parameter_constraints: dict = {
        **ClassifierNet._parameter_constraints,
        **_MLP._parameter_constraints,
    }

    def __init__(
        self,
        *,
        n_layers=2,
        width=128,
        activation="selu",
        dropout=0.15,
        normalization="none",
        embedding="periodic",
        embedding_sigma=0.1,
        learning_rate=0.04,
        schedule="coslog",
        weight_decay=0.02,
        batch_size="auto",
        max_epochs=64,
        early_stopping=True,
        validation_fraction=0.15,
        patience=40,
        label_smoothing=0.0,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_layers = n_layers
        self.width = width
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
        self.embedding = embedding
        self.embedding_sigma = embedding_sigma
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.device = device
        self.random_state = random_state
        self.verbose = verbose


class MLPRegressor(_MLP, RegressorNet):
    """Predict a number from rows of a table with a multilayer perceptron."""

    _parameter_constraints: dict = {
        **RegressorNet._parameter_constraints,
        **_MLP._parameter_constraints,
    }

    def __init__(
        self,
        *,
        n_layers=2,
        width=128,
        activation="selu",
        dropout=0.15,
        normalization="none",
        embedding="periodic",
        embedding_sigma=0.1,
        learning_rate=0.1,
        schedule="coslog",
        weight_decay=0.02,
        batch_size="auto",
        max_epochs=64,
        early_stopping=False,
        validation_fraction=0.15,
        patience=40,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_layers = n_layers
        self.width = width
        self.activation = activation
        self.dropout = dropout
        self.normalization = normalization
        self.embedding = embedding
        self.embedding_sigma = embedding_sigma
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
