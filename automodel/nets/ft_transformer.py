"""FT-Transformer: attention between the columns of a row."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import nn
from torch.nn import functional as F

from automodel.nets._attention import FeatureTokenizer, TransformerBlock
from automodel.nets._docs import documented
from automodel.nets._estimator import TabularNet
from automodel.nets._layers import (
    PlainLinear,
    in_parts,
)
from automodel.nets._supervised import ClassifierNet, RegressorNet

NUMBERS_AT_ONCE = 2**23  # of the widest layer, where nothing is learned

PARAMETERS = """\
n_blocks : int
    Transformer blocks; 3 in the paper.
width : int
    Numbers per token, a multiple of `n_heads`; 192 in the paper.
n_heads : int
    Heads of the attention; 8 in the paper.
hidden_factor : float
    Units inside the feed forward, in units of `width`.
attention_dropout : float
    Share of the attention that a training step leaves out, in steps of 1/256; 0.2
    in the paper. Without it attention is faster.
dropout : float
    The same for the units inside the feed forward.
residual_dropout : float
    The same for what attention and feed forward add.
clip_norm : float
    Largest norm of all gradients together; 0 is no limit.
learning_rate : float
    Of the optimizer, at the peak of the schedule.
"""


class FTTransformerModule(nn.Module):
    """A transformer over the columns of a table [1]_.

    Each column becomes a token; blocks of attention mix them, and the head reads the
    token that was put before them. All columns of `dense` are tokens: numbers, the
    marks of missing ones, and one-hot columns. Time and memory grow with the square
    of their number.

    Shapes: dense (n_rows, n_dense), codes (n_rows, n_categories), output
    (n_rows, n_outputs).

    Parameters
    ----------
    n_dense : int
        Columns of `dense`.
    cardinalities : list of int
        Categories of each column of `codes`.
    n_outputs : int
        Columns of the output.
    n_blocks : int, default=3
        Transformer blocks.
    width : int, default=192
        Numbers per token, a multiple of `n_heads`.
    n_heads : int, default=8
        Heads of the attention.
    hidden_factor : float, default=4/3
        Units inside the feed forward, in units of `width`.
    attention_dropout : float, default=0.2
        Share of the attention that a training step leaves out.
    dropout : float, default=0.1
        Share of the units inside the feed forward that it leaves out.
    residual_dropout : float, default=0.0
        The same for what attention and feed forward add.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Khrulkov, Babenko (2021), Revisiting Deep Learning
       Models for Tabular Data, arXiv:2106.11959.
    """

    def __init__(
        self,
        n_dense: int,
        cardinalities: list[int],
        n_outputs: int,
        *,
        n_blocks: int = 3,
        width: int = 192,
        n_heads: int = 8,
        hidden_factor: float = 4 / 3,
        attention_dropout: float = 0.2,
        dropout: float = 0.1,
        residual_dropout: float = 0.0,
    ):
        super().__init__()
        self.tokenizer = FeatureTokenizer(n_dense, cardinalities, width)
        hidden_width = max(int(hidden_factor * width), 1)
        self.blocks: Any = nn.ModuleList(
            TransformerBlock(
                width,
                n_heads,
                hidden_width,
                attention_dropout=attention_dropout,
                dropout=dropout,
                residual_dropout=residual_dropout,
                is_first=i == 0,
                is_last=i == n_blocks - 1,
            )
            for i in range(n_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = PlainLinear(width, n_outputs)
        n_tokens = 1 + n_dense + len(cardinalities)
        widest = n_tokens * max(2 * width, 2 * hidden_width)
        self.rows_at_once = max(NUMBERS_AT_ONCE // widest, 1)

    def forward(self, dense, codes):
        """Return (n_rows, n_outputs)."""
        if self.training:
            return self._outputs(dense, codes)
        return in_parts(self._outputs, self.rows_at_once, dense, codes)

    def _outputs(self, dense, codes):
        x = self.tokenizer(dense, codes)
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(self.norm(x[:, 0])))

    @torch.no_grad()
    def initialize(self, dense, codes, generator) -> None:
        """Draw the weights; the rows do not matter."""
        for part in (self.tokenizer, *self.blocks, self.head):
            part.initialize(generator)


@dataclass(kw_only=True, eq=False, repr=False)
class _FTTransformer(TabularNet):
    n_blocks: int = 2
    width: int = 64
    n_heads: int = 4
    hidden_factor: float = 4 / 3
    attention_dropout: float = 0.0
    dropout: float = 0.1
    residual_dropout: float = 0.0
    clip_norm: float = 1.0
    schedule: str = "one-cycle"
    weight_decay: float = 1e-5
    patience: int = 16

    _parameter_constraints: ClassVar[dict] = {
        "n_blocks": [Interval(Integral, 1, 64, closed="both")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "hidden_factor": [Interval(Real, 0, None, closed="neither")],
        "attention_dropout": [Interval(Real, 0, 1, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "residual_dropout": [Interval(Real, 0, 1, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="left")],
    }

    def _design(self, encoder, n_outputs):
        if self.width % self.n_heads:
            raise ValueError(
                f"width has to be a multiple of n_heads. Got width={self.width} and "
                f"n_heads={self.n_heads}."
            )
        return {
            "n_dense": encoder.n_dense_,
            "cardinalities": list(encoder.cardinalities_),
            "n_outputs": n_outputs,
            "n_blocks": self.n_blocks,
            "width": self.width,
            "n_heads": self.n_heads,
            "hidden_factor": float(self.hidden_factor),
            "attention_dropout": float(self.attention_dropout),
            "dropout": float(self.dropout),
            "residual_dropout": float(self.residual_dropout),
        }

    def _build(self, design):
        return FTTransformerModule(**design)


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class FTTransformerClassifier(_FTTransformer, ClassifierNet):
    """Classify rows of a table with FT-Transformer, attention between columns.

    Each column of a row becomes a token, and transformer blocks mix the tokens
    (Gorishniy et al., 2021, *Revisiting Deep Learning Models for Tabular Data*). It
    takes long: time grows with the square of the columns, one-hot columns counted
    singly, and is about a hundred times that of a perceptron on twenty columns. The
    sizes here are for processors; those of the paper are said below, with a learning
    rate of 1e-4.

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
    FTTransformerRegressor : The same net for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel.nets import FTTransformerClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = FTTransformerClassifier(width=32, max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.9
    True
    """

    learning_rate: float = 0.001
    max_epochs: int = 32

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **_FTTransformer._parameter_constraints,
    }


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class FTTransformerRegressor(_FTTransformer, RegressorNet):
    """Predict numbers from rows of a table with FT-Transformer.

    The net of `FTTransformerClassifier`, attention between columns (Gorishniy et al.,
    2021), trained by squared error on the standardised target, of which there may be
    several columns. By default it trains on all rows for the whole schedule.

    Parameters
    ----------
    (parameters)

    Attributes
    ----------
    (attributes)

    See Also
    --------
    FTTransformerClassifier : The same net for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel.nets import FTTransformerRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = FTTransformerRegressor(width=32, max_epochs=20, random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.4
    True
    """

    learning_rate: float = 0.001
    max_epochs: int = 32
    early_stopping: bool = False

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **_FTTransformer._parameter_constraints,
    }
