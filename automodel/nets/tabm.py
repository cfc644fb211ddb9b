"""TabM: many perceptrons in one, which share most of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn
from torch.nn import functional as F

from automodel.nets._docs import documented
from automodel.nets._inputs import EMBEDDING_PARAMETERS, EmbeddedNet, TableInputs
from automodel.nets._layers import (
    ACTIVATIONS,
    Dropout,
    PlainLinear,
    fill_uniform,
    in_parts,
    learned,
)
from automodel.nets._supervised import ClassifierNet, RegressorNet

NUMBERS_AT_ONCE = 2**23  # of the widest layer, where nothing is learned

PARAMETERS = f"""\
kind : {{"tabm", "tabm-mini"}}
    Whether each hidden layer scales its inputs and outputs for each member, or
    only the inputs of the net are scaled.
k : int
    Members of the ensemble; 32 in the paper.
n_layers : int
    Hidden layers.
width : int
    Units of each hidden layer; 512 in the paper.
activation : {{"relu", "selu", "silu", "gelu", "mish"}}
    Non-linearity.
dropout : float
    Share of units that a training step leaves out, in steps of 1/256.
clip_norm : float
    Largest norm of all gradients together; 0 is no limit.
learning_rate : float
    Of the optimizer, at the peak of the schedule.
{EMBEDDING_PARAMETERS}"""


class BatchEnsembleLinear(nn.Module):
    """Linear layers of `k` members that share a matrix: s_i * (W (r_i * x)) + b_i.

    After Wen et al. (2020), *BatchEnsemble: An Alternative Approach to Efficient
    Ensemble and Lifelong Learning*. The scalings start at one and the biases equal,
    so a layer starts as one that is shared; `TabMModule` tells the members apart.

    Shapes: the input is (k, n_rows, n_in) or (1, n_rows, n_in), the output
    (k, n_rows, n_out).
    """

    def __init__(self, k: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = learned(torch.zeros(n_out, n_in), decays=True)
        self.r = learned(torch.ones(k, n_in))
        self.s = learned(torch.ones(k, n_out))
        self.bias = learned(torch.zeros(k, n_out))

    def forward(self, x):
        """Return the outputs of all members."""
        n_out, n_in = self.weight.shape
        r, s, bias = self.r.unsqueeze(1), self.s.unsqueeze(1), self.bias.unsqueeze(1)
        if x.shape[1] < n_in + n_out // 2:
            return torch.addcmul(bias, F.linear(x * r, self.weight), s)
        # Scaling k matrices costs less than scaling the inputs and outputs of many
        # rows: a step of 256 rows and 128 units takes 0.7 times as long.
        weights = self.r.unsqueeze(2) * self.weight.t() * s
        return torch.baddbmm(bias, x.expand(len(weights), -1, -1), weights)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the shared matrix, and a bias that all members start with."""
        n_in = self.weight.shape[1]
        bias = torch.empty_like(self.bias[0])
        fill_uniform(generator, n_in, self.weight, bias)
        self.bias.copy_(bias.expand_as(self.bias))
        self.r.fill_(1)
        self.s.fill_(1)


class MemberLinear(nn.Module):
    """A linear layer for each of `k` members, nothing shared.

    Shapes: (k, n_rows, n_in) to (k, n_rows, n_out).
    """

    def __init__(self, k: int, n_in: int, n_out: int):
        super().__init__()
        self.weight = learned(torch.zeros(k, n_in, n_out), decays=True)
        self.bias = learned(torch.zeros(k, n_out))

    def forward(self, x):
        """Return the outputs of all members."""
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw weights and biases of all members."""
        fill_uniform(generator, self.weight.shape[1], self.weight, self.bias)


class TabMModule(nn.Module):
    """An ensemble of `k` perceptrons with shared weights [1]_.

    All members see the same rows. Each is trained by its own loss, and the prediction
    is the mean of theirs.

    - "tabm": every hidden layer is a `BatchEnsembleLinear`.
    - "tabm-mini": the members share all hidden layers and differ by a scaling of
      the inputs, r_i * x.

    In both the members are told apart by the first scaling alone, which starts with
    one random number per member and feature: a sign, or from a normal distribution
    where numbers are embedded. The columns of one feature share it. Each member has
    a head of its own.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, k, n_outputs).

    Parameters
    ----------
    inputs : TableInputs
        From the arrays of a table to vectors, for all members.
    n_outputs : int
        Outputs of each member.
    hidden_sizes : list of int
        Units of each hidden layer.
    features : sequence of int, default=()
        The feature that each column of `dense` belongs to; by default each is one.
    kind : {"tabm", "tabm-mini"}, default="tabm"
        See above.
    k : int, default=32
        Members.
    activation : str, default="relu"
        A key of `ACTIVATIONS`.
    dropout : float, default=0.1
        Share of the units that a training step leaves out.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov, Babenko (2024), TabM: Advancing Tabular Deep
       Learning with Parameter-Efficient Ensembling, arXiv:2410.24210.
    """

    def __init__(
        self,
        inputs: TableInputs,
        n_outputs: int,
        hidden_sizes: list[int],
        *,
        kind: str = "tabm",
        k: int = 32,
        activation: str = "relu",
        dropout: float = 0.1,
    ):
        super().__init__()
        self.inputs = inputs
        sizes = [self.inputs.n_out, *hidden_sizes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.hidden: Any
        self.scale: nn.Parameter | None = None
        if kind == "tabm":
            self.hidden = nn.ModuleList(BatchEnsembleLinear(k, *pair) for pair in pairs)
        else:
            self.scale = learned(torch.ones(k, self.inputs.n_out))
            self.hidden = nn.ModuleList(PlainLinear(*pair) for pair in pairs)
        self.activation = ACTIVATIONS[activation]
        self.dropout = Dropout(dropout)
        self.head = MemberLinear(k, sizes[-1], n_outputs)
        self.rows_at_once = max(NUMBERS_AT_ONCE // (k * max(sizes)), 1)

    def forward(self, dense, codes):
        """Return (n_rows, k, n_outputs)."""
        if self.training:
            return self._outputs(dense, codes)
        return in_parts(self._outputs, self.rows_at_once, dense, codes)

    def _outputs(self, dense, codes):
        x = self.inputs(dense, codes).unsqueeze(0)  # members come first inside
        if self.scale is not None:
            x = x * self.scale.unsqueeze(1)
        for layer in self.hidden:
            x = self.dropout(self.activation(layer(x)))
        return self.head(x).transpose(0, 1)

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; only bins depend on these rows."""
        self.inputs.initialize(dense, generator)
        for part in (*self.hidden, self.head):
            part.initialize(generator)
        first = self.hidden[0].r if self.scale is None else self.scale
        feature = self.inputs.feature.to(first.device)
        n_features = int(feature.max()) + 1 if len(feature) else 0
        start = torch.empty(len(first), n_features, device=first.device)
        if self.inputs.numeric is not None:
            start.normal_(generator=generator)
        else:
            start.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
        first.copy_(start[:, feature])


@dataclass(kw_only=True, eq=False, repr=False)
class _TabM(EmbeddedNet):
    kind: str = "tabm"
    k: int = 8
    n_layers: int = 2
    width: int = 128
    activation: str = "relu"
    dropout: float = 0.1
    clip_norm: float = 1.0
    schedule: str = "one-cycle"
    regularization_schedule: str = "flat_cos"
    weight_decay: float = 3e-4
    patience: int = 16

    _parameter_constraints: ClassVar[dict] = {
        **EmbeddedNet._parameter_constraints,
        "kind": [StrOptions({"tabm", "tabm-mini"})],
        "k": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, 16, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="left")],
    }

    def _design(self, encoder, n_outputs):
        return {
            "inputs": self._inputs(encoder),
            "n_outputs": n_outputs,
            "hidden_sizes": [self.width] * self.n_layers,
            "kind": self.kind,
            "k": self.k,
            "activation": self.activation,
            "dropout": float(self.dropout),
        }

    def _build(self, design):
        return TabMModule(**{**design, "inputs": TableInputs(**design["inputs"])})


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TabMClassifier(_TabM, ClassifierNet):
    """Classify rows of a table with TabM, an ensemble of perceptrons in one net.

    The `k` members share most of their weights (Gorishniy et al., 2024, *TabM:
    Advancing Tabular Deep Learning with Parameter-Efficient Ensembling*); each is
    trained by its own loss, and their probabilities are averaged. An epoch is judged
    by the average, whose temperature comes from the rows that early stopping holds
    out. Size and epochs are cut to what a processor trains in seconds, for which the
    learning rate is larger than in the paper and follows a schedule.

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
    TabMRegressor : The same net for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import TabMClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = TabMClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

    learning_rate: float = 0.005
    max_epochs: int = 40

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **_TabM._parameter_constraints,
    }


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TabMRegressor(_TabM, RegressorNet):
    """Predict numbers from rows of a table with TabM, many perceptrons in one net.

    The net of `TabMClassifier`: `k` members that share most of their weights
    (Gorishniy et al., 2024), each trained by squared error on the standardised
    target, of which there may be several columns; the prediction is their mean. By
    default it trains on all rows for the whole schedule.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    TabMClassifier : The same net for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import TabMRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = TabMRegressor(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.4
    True
    """

    learning_rate: float = 0.01
    max_epochs: int = 60
    early_stopping: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **_TabM._parameter_constraints,
    }
