"""The multilayer perceptron for tables: its module and its two estimators."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from automodel.nets._estimator import ClassifierNet, RegressorNet, TabularNet
from automodel.nets._layers import (
    ACTIVATIONS,
    CategoryEmbedding,
    Dropout,
    Linear,
    PeriodicEmbedding,
    learned,
)

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


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
        self.periodic: PeriodicEmbedding | None = None
        self.categorical: CategoryEmbedding | None = None
        if embedding == "periodic" and n_continuous:
            self.periodic = PeriodicEmbedding(n_continuous, sigma)
            n_inputs += self.periodic.n_out - n_continuous
        if cardinalities:
            self.categorical = CategoryEmbedding(cardinalities, embedding_size)
            n_inputs += self.categorical.n_out
        self.scale: nn.Parameter = learned(torch.ones(n_inputs), 6.0)
        sizes = [n_inputs, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden: Any = nn.ModuleList(Linear(n_in, n_out) for n_in, n_out in pairs)
        make_norm = NORMALIZATIONS[normalization]
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
            x = self.activation(norm(layer(x)))


class _MLP(TabularNet):
    _parameter_constraints: dict = {
        "n_layers": [Interval(Integral, 1, 16, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions(set(NORMALIZATIONS))],
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
    """Classify rows of a table with a multilayer perceptron.

    The recipe follows RealMLP (Holzmüller et al., 2024, *Better by Default*): robust
    scaling with a smooth clip, periodic embeddings of numbers, a learned scale per
    input, an initialisation from the data, and the learning rates of the neural
    tangent parametrisation. It is cut to what a processor trains in seconds, and
    probabilities are calibrated by a temperature, which comes from the inner part of
    the rows that early stopping holds out.

    Columns of a pandas DataFrame of dtype "category" become one column per category
    or, from ten categories on, embeddings. Missing values are marked and take the
    median.

    Parameters
    ----------
    n_layers : int, default=2
        Hidden layers.
    width : int, default=128
        Units of each hidden layer.
    activation : {"relu", "selu", "silu", "gelu", "mish"}, default="selu"
        Non-linearity.
    dropout : float, default=0.15
        Share of units that a training step leaves out, in steps of 1/256.
    normalization : {"none", "batch", "layer"}, default="none"
        Normalisation of each hidden layer before its activation.
    embedding : {"none", "periodic"}, default="periodic"
        Whether each number gets cosines of learned frequencies.
    embedding_sigma : float, default=0.1
        Standard deviation of the frequencies at the start; larger for targets that
        jump.
    learning_rate : float, default=0.04
        Of Adam, at the peak of the schedule. A layer of n inputs takes
        `learning_rate / sqrt(n)`.
    schedule : {"coslog", "one-cycle", "constant"}, default="coslog"
        Course of the learning rate over all `max_epochs`; the first two end at zero.
    weight_decay : float, default=0.02
        Decoupled decay of the weights, in units of the learning rate.
    batch_size : int or "auto", default="auto"
        Rows of a step; "auto" is 64 up to 1,024 rows, and at most 1,024.
    max_epochs : int, default=128
        Epochs of the schedule.
    early_stopping : bool, default=True
        Hold out rows, keep the weights of the epoch that predicts them best, and
        stop when there is none better for long. Not done below 50 rows.
    validation_fraction : float, default=0.15
        Share of the rows held out for early stopping.
    patience : int, default=40
        Epochs without a better one after which training stops.
    label_smoothing : float, default=0.0
        Share of the target spread over all classes.
    device : str, default="auto"
        Where to train; "auto" takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed. No global generator is used or changed.
    verbose : int, default=0
        Above 0, each epoch's losses are logged at level INFO to "automodel".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if they are strings.
    n_iter_ : int
        Epochs that the weights are made of.
    n_steps_ : int
        Training steps taken.
    history_ : dict of lists
        "train_loss" and "valid_loss" of each complete epoch.
    state_ : dict of ndarray
        The weights.

    See Also
    --------
    MLPRegressor : The same net for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

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
        max_epochs=128,
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
    """Predict a number from rows of a table with a multilayer perceptron.

    The net of `MLPClassifier` with one output, trained by squared error on the
    standardised target. By default it trains on all rows for the whole schedule:
    holding rows out for early stopping costs more than it brings here.

    Parameters
    ----------
    n_layers : int, default=2
        Hidden layers.
    width : int, default=128
        Units of each hidden layer.
    activation : {"relu", "selu", "silu", "gelu", "mish"}, default="selu"
        Non-linearity.
    dropout : float, default=0.15
        Share of units that a training step leaves out, in steps of 1/256.
    normalization : {"none", "batch", "layer"}, default="none"
        Normalisation of each hidden layer before its activation.
    embedding : {"none", "periodic"}, default="periodic"
        Whether each number gets cosines of learned frequencies.
    embedding_sigma : float, default=0.1
        Standard deviation of the frequencies at the start.
    learning_rate : float, default=0.1
        Of Adam, at the peak of the schedule; see `MLPClassifier`.
    schedule : {"coslog", "one-cycle", "constant"}, default="coslog"
        Course of the learning rate over all `max_epochs`.
    weight_decay : float, default=0.02
        Decoupled decay of the weights, in units of the learning rate.
    batch_size : int or "auto", default="auto"
        Rows of a step.
    max_epochs : int, default=128
        Epochs of the schedule.
    early_stopping : bool, default=False
        Hold out rows and keep the weights of the epoch that predicts them best.
    validation_fraction : float, default=0.15
        Share of the rows held out for early stopping.
    patience : int, default=40
        Epochs without a better one after which training stops.
    device : str, default="auto"
        Where to train; "auto" takes a CUDA device if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed. No global generator is used or changed.
    verbose : int, default=0
        Above 0, each epoch's losses are logged at level INFO to "automodel".

    Attributes
    ----------
    n_features_in_ : int
        Columns of X.
    n_iter_, n_steps_ : int
        Epochs that the weights are made of, and training steps taken.
    history_, state_ : dict
        Losses of each complete epoch, and the weights.

    See Also
    --------
    MLPClassifier : The same net for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = MLPRegressor(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.5
    True
    """

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
        max_epochs=128,
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
