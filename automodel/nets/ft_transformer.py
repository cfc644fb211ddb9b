"""FT-Transformer: attention between the columns of a row."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from automodel.nets._docs import documented
from automodel.nets._estimator import TabularNet
from automodel.nets._supervised import ClassifierNet, RegressorNet
from automodel.nets.forward.ft_transformer import FTTransformerForward

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

    def _build(self, **design):
        from automodel.nets._ft_transformer_module import FTTransformerModule

        return FTTransformerModule(**design)

    def _forward(self, state, **design):
        return FTTransformerForward(state, **design)


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class FTTransformerClassifier(_FTTransformer, ClassifierNet):
    """Classify rows of a table with FT-Transformer, attention between columns.

    Each column of a row becomes a token, and transformer blocks mix the tokens
    (Gorishniy et al., 2021, *Revisiting Deep Learning Models for Tabular Data*). It
    is slow: its time grows with the square of the number of columns, where each
    one-hot column counts, and on twenty columns it takes about a hundred times as long
    as a perceptron. The default sizes are for processors. The parameters below name
    those of the paper, which go with a learning rate of 1e-4.

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
