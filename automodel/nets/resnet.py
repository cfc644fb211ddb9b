"""The residual net for tables."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval

from automodel.nets._docs import documented
from automodel.nets._embedded import EMBEDDING_PARAMETERS, EmbeddedNet
from automodel.nets._supervised import ClassifierNet, RegressorNet
from automodel.nets.forward.resnet import ResNetForward

PARAMETERS = f"""\
n_blocks : int
    Number of residual blocks.
width : int
    Number of units that blocks receive and return.
hidden_factor : float
    Number of units inside a block, as a multiple of `width`.
dropout : float
    Share of units inside a block that a training step leaves out, in steps of
    1/256.
residual_dropout : float
    The same for what a block adds.
learning_rate : float
    Of the optimizer, at the peak of the schedule.
{EMBEDDING_PARAMETERS}"""


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

    def _build(self, **design):
        from automodel.nets._resnet_module import ResNetModule

        return ResNetModule(**design)

    def _forward(self, state, **design):
        return ResNetForward(state, **design)


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
