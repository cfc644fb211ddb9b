"""TabM: an ensemble of perceptrons in one net."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from automodel.nets._docs import documented
from automodel.nets._embedded import EMBEDDING_PARAMETERS, EmbeddedNet
from automodel.nets._estimator import ACTIVATIONS
from automodel.nets._supervised import ClassifierNet, RegressorNet
from automodel.nets.forward.tabm import TabMForward

PARAMETERS = f"""\
kind : {{"tabm", "tabm-mini"}}
    Whether each hidden layer scales its inputs and outputs for each member, or
    only the inputs of the net are scaled.
k : int
    Number of members of the ensemble; 32 in the paper.
n_layers : int
    Number of hidden layers.
width : int
    Number of units in each hidden layer; 512 in the paper.
activation : {{"relu", "selu", "silu", "gelu", "mish"}}
    Non-linearity.
dropout : float
    Share of units that a training step leaves out, in steps of 1/256.
clip_norm : float
    Largest norm of all gradients together; 0 is no limit.
learning_rate : float
    Of the optimizer, at the peak of the schedule.
{EMBEDDING_PARAMETERS}"""


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

    def _build(self, **design):
        from automodel.nets._tabm_module import TabMModule

        return TabMModule(**design)

    def _forward(self, state, **design):
        return TabMForward(state, **design)


@documented(PARAMETERS)
@dataclass(kw_only=True, eq=False, repr=False)
class TabMClassifier(_TabM, ClassifierNet):
    """Classify rows of a table with TabM, an ensemble of perceptrons in one net.

    The `k` members share most of their weights (Gorishniy et al., 2024, *TabM:
    Advancing Tabular Deep Learning with Parameter-Efficient Ensembling*); each is
    trained by its own loss, and their probabilities are averaged. An epoch is judged
    by the average, whose temperature is chosen on the rows that early stopping holds
    out. Size and epochs are reduced to what a processor trains in seconds. The
    learning rate is therefore larger than in the paper, and follows a schedule.

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
