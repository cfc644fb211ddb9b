"""A kind of target that the package does not know: several labels at once.

y is an indicator matrix: row i has label j where y[i, j] is 1. X is a table, read as
that of any other table is. Predictions are one probability for each label.
"""

import numpy as np
from scipy.special import expit, xlog1py, xlogy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.multioutput import MultiOutputClassifier

from automodel.estimators.base import AutoEstimator
from automodel.estimators.checks import check_X
from automodel.families import TabularFamily
from automodel.preprocessing.reader import TableReader
from automodel.targets.base import AveragedTarget
from automodel.targets.link import Link
from automodel.targets.losses import StackingLoss

LEAST = 0.01  # a label that some trees have never seen is not impossible


def log_losses(y, proba):
    """Return the sum of the log losses of all labels, one number a row."""
    proba = np.clip(np.asarray(proba, np.float64), LEAST, 1 - LEAST)
    return -(xlogy(y, proba) + xlog1py(1 - y, -proba)).sum(axis=1)


def mean_log_loss(y, proba, sample_weight=None):
    return np.average(log_losses(y, proba), weights=sample_weight)


LABEL_LOSS = make_scorer(mean_log_loss, greater_is_better=False)


class Logistic(Link):
    """Log odds of each label."""

    has_temperature = True

    def forward(self, prediction):
        proba = np.clip(np.asarray(prediction, np.float64), LEAST, 1 - LEAST)
        return np.log(proba) - np.log1p(-proba)

    def inverse(self, base):
        return expit(base)

    def temperature_derivatives(self, y, base, factor):
        proba = expit(factor * base)
        slope = ((proba - y) * base).sum(axis=1)
        return slope, (proba * (1 - proba) * base**2).sum(axis=1)


class LabelLoss(StackingLoss):
    """Log losses of all labels."""

    def __init__(self, y, weight):
        self.y, self.weight = y, weight[:, None]

    def derivatives(self, at, columns):
        slope, curvature = self._by_cell(at)
        flat = columns.reshape(len(columns), -1)
        return flat @ slope, (flat * curvature) @ flat.T

    def derivatives_alone(self, at, columns):
        slope, curvature = self._by_cell(at)
        flat = columns.reshape(len(columns), -1)
        return flat @ slope, flat**2 @ curvature

    def _by_cell(self, at):
        proba = expit(at)
        slope = self.weight * (proba - self.y)
        return slope.ravel(), (self.weight * proba * (1 - proba)).ravel()


class Prevalence(ClassifierMixin, BaseEstimator):
    """The baseline: how many rows have each label."""

    def fit(self, X, y, sample_weight=None):
        self.shares_ = np.average(y, axis=0, weights=sample_weight)
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (len(X), 1))


class LabelsTarget(AveragedTarget):
    """Each row has some of k labels, and a prediction is k probabilities."""

    kind = "multilabel"
    default_scoring = LABEL_LOSS
    link = Logistic()

    def __init__(self, n_outputs):
        self.n_outputs = n_outputs

    @staticmethod
    def check(y):
        y = np.asarray(y)
        if y.ndim != 2 or not np.isin(y, [0, 1]).all():
            raise ValueError("y has to be a matrix of zeros and ones.")
        return y

    @classmethod
    def of(cls, y, sample_weight=None):
        return cls(y.shape[1])

    def encode(self, y):
        return y.astype(np.int64)

    def restore(self, y):
        return y

    def decode(self, prediction, decision=None):
        return (prediction > 0.5).astype(np.int64)

    def answers(self, prediction):
        return ReadyLabels(prediction)

    def truth(self, y):
        return y.astype(np.float64)

    def decoded(self, estimator, columns):
        return DecodedLabels(estimator, self)

    def predict(self, estimator, X, columns):
        proba = estimator.predict_proba(X)
        if not isinstance(proba, list):
            return np.asarray(proba, np.float64)
        return np.column_stack([one_label[:, 1] for one_label in proba])

    def for_encoders(self, y):
        return y.mean(axis=1)

    def baseline(self):
        return Prevalence()

    def losses(self, y, prediction):
        return log_losses(y, prediction)

    def stacking_loss(self, y, base, weight):
        return LabelLoss(y, weight)


class ReadyLabels(BaseEstimator):
    """Answers with probabilities that were made before."""

    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.prediction


class DecodedLabels(ClassifierMixin, BaseEstimator):
    """A fitted classifier that answers with an indicator matrix."""

    def __init__(self, estimator, target):
        self.estimator, self.target = estimator, target

    def fit(self, X, y):
        self.estimator.fit(X, y)
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.target.decode(self.target.predict(self.estimator, X, None))


class LinearLabels(TabularFamily):
    name = "linear labels"
    tasks = ("multilabel",)
    is_random = False

    def estimator(self, task, random_state):
        return MultiOutputClassifier(LogisticRegression(max_iter=500))

    def search_space(self, trial, task):
        return {
            "estimator__C": trial.suggest_float("estimator__C", 1e-3, 1e2, log=True)
        }

    def portfolio(self, task):
        return [{"estimator__C": 1.0}]


class TreesOfLabels(TabularFamily):
    name = "trees of labels"
    tasks = ("multilabel",)

    def estimator(self, task, random_state):
        return ExtraTreesClassifier(30, max_features=None, random_state=random_state)

    def search_space(self, trial, task):
        return {"min_samples_leaf": trial.suggest_int("min_samples_leaf", 3, 20)}

    def portfolio(self, task):
        return [{"min_samples_leaf": 5}]


class AutoLabels(AutoEstimator):
    """An estimator of several labels at once, from tables."""

    _modality = "tabular"
    _check_X = check_X
    _reader_class = TableReader
    _check_y = staticmethod(LabelsTarget.check)
    _target_of = staticmethod(LabelsTarget.of)

    def predict_proba(self, X):
        return self._predict_outputs(X)

    def predict(self, X):
        return self._target.decode(self._predict_outputs(X))


def make_labels(n_rows=300, seed=0):
    """Return a frame, three labels a row, and groups of rows."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    groups = rng.integers(30, size=n_rows)
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["a", "b", "c"])
    X["city"] = rng.choice(["Berlin", "Oslo", "Rome"], n_rows)
    X.loc[::9, "a"] = np.nan
    signal = np.column_stack(
        [
            X["a"].fillna(0) + X["c"],
            np.where(X["city"] == "Rome", 1.0, -0.7),
            3 * X["b"].fillna(0).abs() - 2,
        ]
    )
    return X, (signal + 0.5 * rng.normal(size=(n_rows, 3)) > 0).astype(int), groups
