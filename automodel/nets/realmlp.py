"""RealMLP: the multilayer perceptron for tables."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from automodel.nets._docs import documented
from automodel.nets._embedded import EMBEDDING_PARAMETERS, EmbeddedNet
from automodel.nets._estimator import ACTIVATIONS
from automodel.nets._supervised import ClassifierNet, RegressorNet
from automodel.nets.forward.perceptron import realmlp

PARAMETERS = (
    """\
n_layers : int
    Number of hidden layers.
width : int
    Number of units in each hidden layer.
block : {"plain", "residual"}
    What a hidden layer returns: its output, or the sum of output and input (where
    they are of one size).
activation : {"relu", "selu", "silu", "gelu", "mish"}
    Non-linearity.
parametric_activation : bool
    Whether each unit learns the share of the non-linearity that it applies.
dropout : float
    Share of units that a training step leaves out, in steps of 1/256.
normalization : {"none", "batch", "layer"}
    Normalisation of each hidden layer before its activation.
"""
    + EMBEDDING_PARAMETERS
)


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
        "normalization": [StrOptions({"none", "batch", "layer"})],
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

    def _build(self, **design):
        from automodel.nets._realmlp_module import MLPModule

        return MLPModule(**design)

    def _forward(self, state, **design):
        return realmlp(state, **design)


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class RealMLPClassifier(_RealMLP, ClassifierNet):
    """Classify rows of a table with a multilayer perceptron.

    The recipe follows RealMLP (Holzmüller et al., 2024, *Better by Default*): robust
    scaling with a smooth clip, periodic embeddings of numbers, a learned scale per
    input, an initialisation from the data, and the learning rates of the neural
    tangent parametrisation. It is reduced to what a processor trains in seconds.
    Probabilities are calibrated by a temperature, which is chosen on the rows that
    early stopping holds out.

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
    the whole schedule: holding out rows for early stopping would cost more than it
    gains.

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
