"""The residual net for tables."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import nn
from torch.nn import functional as F

from automodel.nets._docs import documented
from automodel.nets._inputs import EMBEDDING_PARAMETERS, EmbeddedNet, TableInputs
from automodel.nets._layers import Dropout, PlainLinear
from automodel.nets._supervised import ClassifierNet, RegressorNet

PARAMETERS = f"""\
n_blocks : int
    Residual blocks.
width : int
    Units that the blocks pass on.
hidden_factor : float
    Units inside a block, in units of `width`.
dropout : float
    Share of units inside a block that a training step leaves out, in steps of
    1/256.
residual_dropout : float
    The same for what a block adds.
learning_rate : float
    Of the optimizer, at the peak of the schedule.
{EMBEDDING_PARAMETERS}"""


class ResidualBlock(nn.Module):
    """x + dropout(linear(dropout(relu(linear(batch_norm(x)))))).

    Shapes: (n_rows, width) to (n_rows, width).
    """

    def __init__(
        self, width: int, hidden_width: int, dropout: float, residual_dropout: float
    ):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.expand = PlainLinear(width, hidden_width)
        self.contract = PlainLinear(hidden_width, width)
        self.dropout = Dropout(dropout)
        self.residual_dropout = Dropout(residual_dropout)

    def forward(self, x):
        """Return the sum of x and what the block makes of it."""
        hidden = self.dropout(F.relu(self.expand(self.norm(x))))
        return x + self.residual_dropout(self.contract(hidden))

    @torch.no_grad()
    def initialize(self, x, generator) -> None:
        """Draw the weights; the running statistics start as those of `x`."""
        start_statistics(self.norm, x)
        self.expand.initialize(generator)
        self.contract.initialize(generator)


class ResNetModule(nn.Module):
    """A perceptron with residual connections and batch normalisation [1]_.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, n_outputs).

    Parameters
    ----------
    inputs : TableInputs
        From the arrays of a table to vectors.
    n_outputs : int
        Columns of the output.
    n_blocks : int, default=2
        Residual blocks.
    width : int, default=192
        Units that the blocks pass on.
    hidden_factor : float, default=2.0
        Units inside a block, in units of `width`.
    dropout : float, default=0.25
        Share of the units inside a block that a training step leaves out.
    residual_dropout : float, default=0.1
        The same for what a block adds.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov, Babenko (2021), Revisiting Deep Learning
       Models for Tabular Data, arXiv:2106.11959.
    """

    def __init__(
        self,
        inputs: TableInputs,
        n_outputs: int,
        *,
        n_blocks: int = 2,
        width: int = 192,
        hidden_factor: float = 2.0,
        dropout: float = 0.25,
        residual_dropout: float = 0.1,
    ):
        super().__init__()
        self.inputs = inputs
        self.first = PlainLinear(self.inputs.n_out, width)
        hidden_width = max(round(hidden_factor * width), 1)
        self.blocks: Any = nn.ModuleList(
            ResidualBlock(width, hidden_width, dropout, residual_dropout)
            for _ in range(n_blocks)
        )
        self.norm = nn.BatchNorm1d(width)
        self.head = PlainLinear(width, n_outputs)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        x = self.first(self.inputs(dense, codes))
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(self.norm(x)))

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; the running statistics start as those of these rows."""
        self.inputs.initialize(dense, generator)
        self.first.initialize(generator)
        was_training = self.training
        self.eval()
        x = self.first(self.inputs(dense, codes))
        for block in self.blocks:
            block.initialize(x, generator)
            x = block(x)
        start_statistics(self.norm, x)
        self.head.initialize(generator)
        self.train(was_training)


@torch.no_grad()
def start_statistics(norm: nn.BatchNorm1d, x: torch.Tensor) -> None:
    """Set the running mean and variance to those of rows.

    From torch's zero and one, a net of few steps would predict with what it has not
    seen in training.
    """
    norm.running_mean.copy_(x.mean(0))  # type: ignore[union-attr]
    norm.running_var.copy_(x.var(0, correction=0))  # type: ignore[union-attr]


@dataclass(kw_only=True, eq=False, repr=False)
class _TabularResNet(EmbeddedNet):
    n_blocks: int = 2
    width: int = 128
    hidden_factor: float = 2.0
    dropout: float = 0.25
    residual_dropout: float = 0.1
    schedule: str = "one-cycle"
    weight_decay: float = 1e-4
    patience: int = 16

    _parameter_constraints: ClassVar[dict] = {
        **EmbeddedNet._parameter_constraints,
        "n_blocks": [Interval(Integral, 1, 64, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "hidden_factor": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "residual_dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def _design(self, encoder, n_outputs):
        return {
            "inputs": self._inputs(encoder),
            "n_outputs": n_outputs,
            "n_blocks": self.n_blocks,
            "width": self.width,
            "hidden_factor": float(self.hidden_factor),
            "dropout": float(self.dropout),
            "residual_dropout": float(self.residual_dropout),
        }

    def _build(self, design):
        return ResNetModule(**{**design, "inputs": TableInputs(**design["inputs"])})


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TabularResNetClassifier(_TabularResNet, ClassifierNet):
    """Classify rows of a table with a residual net.

    A perceptron whose blocks are added to their inputs, with batch normalisation
    (Gorishniy et al., 2021, *Revisiting Deep Learning Models for Tabular Data*), and
    here with embeddings of numbers before it.

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
    TabularResNetRegressor : The same net for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import TabularResNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = TabularResNetClassifier(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

    learning_rate: float = 0.003
    max_epochs: int = 64

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **_TabularResNet._parameter_constraints,
    }


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TabularResNetRegressor(_TabularResNet, RegressorNet):
    """Predict numbers from rows of a table with a residual net.

    The net of `TabularResNetClassifier` (Gorishniy et al., 2021), trained by squared
    error on the standardised target, of which there may be several columns. By
    default it trains on all rows for the whole schedule.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    TabularResNetClassifier : The same net for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import TabularResNetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = TabularResNetRegressor(max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.4
    True
    """

    learning_rate: float = 0.003
    max_epochs: int = 64
    early_stopping: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **_TabularResNet._parameter_constraints,
    }
