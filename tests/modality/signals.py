"""A modality, a target and a combiner of their own: directions of noisy signals.

X is a sequence of sequences of angles, of different lengths; y is one angle a row, in
degrees. Neither is known to the package.
"""

from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer

from automodel.estimators.base import AutoEstimator
from automodel.families import ModelFamily
from automodel.targets.base import Target
from automodel.targets.combiner import Combiner


def degrees_of(vectors):
    return np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360


def vectors_of(degrees):
    radians = np.radians(np.asarray(degrees, dtype=float))
    return np.column_stack([np.cos(radians), np.sin(radians)])


def of_length_one(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def angular_error(y, answers, sample_weight=None):
    """Return the mean of the degrees between two directions."""
    distance = np.abs((y - answers + 180) % 360 - 180)
    return np.average(distance, weights=sample_weight)


ANGULAR = make_scorer(angular_error, greater_is_better=False)


class Signals:
    """Rows of different lengths, end to end in one array."""

    def __init__(self, values, starts):
        self.values, self.starts = values, starts

    @classmethod
    def of(cls, rows):
        lengths = [len(row) for row in rows]
        values = np.concatenate([np.asarray(row, dtype=float) for row in rows])
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self):
        return len(self.starts) - 1

    def row(self, i):
        return self.values[self.starts[i] : self.starts[i + 1]]

    def take(self, rows):
        numbers = np.arange(len(self))[rows]
        if not len(numbers):
            return Signals(self.values[:0], np.zeros(1, dtype=int))
        return Signals.of([self.row(i) for i in numbers])

    @property
    def nbytes(self):
        return self.values.nbytes + self.starts.nbytes

    def fingerprint(self):
        return joblib.hash((self.values, self.starts))


@dataclass(frozen=True)
class SignalFacts:
    """What families of signals ask of the rows."""

    mean_length: float

    @property
    def width(self):
        return 2


class SignalReader(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return self

    def transform(self, X):
        return Signals.of(X)

    def facts(self, rows):
        return SignalFacts(len(rows.values) / len(rows))


class MeanVector(TransformerMixin, BaseEstimator):
    """The mean direction of a signal. It learns nothing, and takes raw rows as well."""

    def __init__(self, log=None):
        self.log = log

    def fit(self, X, y=None, sample_weight=None):
        return self

    def transform(self, X):
        signals = X if isinstance(X, Signals) else Signals.of(X)
        if self.log is not None:
            with open(self.log, "a") as file:  # noqa: PTH123
                file.write(f"{len(signals)}\n")
        means = [vectors_of(signals.row(i)).mean(axis=0) for i in range(len(signals))]
        return np.array(means).reshape(-1, 2)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class RidgeOfSignals(ModelFamily):
    name = "ridge"
    modality = "signals"
    tasks = ("angle",)
    is_random = False

    def __init__(self, log=None):
        self.log = log

    def estimator(self, task, random_state):
        return Ridge()

    def search_space(self, trial, task):
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e3, log=True)}

    def portfolio(self, task):
        return [{"alpha": 1.0}]

    def preprocessor(self, estimator, task):
        return MeanVector(self.log)


class AngleTarget(Target):
    """A direction is a vector of length one; the mean of two may be of length zero."""

    kind = "angle"
    n_outputs = 2
    default_scoring = ANGULAR

    @staticmethod
    def check(y):
        return np.asarray(y, dtype=float)

    @classmethod
    def of(cls, y, sample_weight=None):
        return cls()

    def encode(self, y):
        return vectors_of(y)

    def restore(self, y):
        return degrees_of(y)

    def decode(self, prediction, decision=None):
        return degrees_of(prediction)

    def answers(self, prediction):
        return Answers(degrees_of(prediction))

    def truth(self, y):
        return y

    def for_encoders(self, y):
        return y[:, 0]

    def decoded(self, estimator, columns):
        return InDegrees(estimator)

    def predict(self, estimator, X, columns):
        return of_length_one(np.asarray(estimator.predict(X), dtype=np.float64))

    def baseline(self):
        return DummyRegressor()

    def combiner(self, weights):
        return MeanDirection(weights)


class MeanDirection(Combiner):
    """The direction of the weighted sum."""

    def __init__(self, weights):
        self.weights = np.asarray(weights, dtype=float)

    def predict(self, predictions):
        pairs = zip(self.weights, predictions, strict=True)
        return of_length_one(sum(w * np.asarray(p, float) for w, p in pairs))

    def take(self, models):
        return MeanDirection(self.weights[models])


class Answers(RegressorMixin, BaseEstimator):
    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.prediction


class InDegrees(RegressorMixin, BaseEstimator):
    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator.fit(X, vectors_of(y))
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return degrees_of(self.estimator.predict(X))


class AutoDirection(RegressorMixin, AutoEstimator):
    """An estimator of directions of signals."""

    _modality = "signals"
    _new_reader = SignalReader
    _check_y = staticmethod(AngleTarget.check)
    _target_of = staticmethod(AngleTarget.of)

    def _check_X(self, X, *, reset):
        if not len(X) or min(len(row) for row in X) == 0:
            raise ValueError("Each signal needs at least one angle.")
        return X

    def predict(self, X):
        prediction = self._predict_outputs(X)
        return self._target.decode(prediction)


def make_signals(n_rows=80, seed=0):
    """Return signals of 3 to 9 angles around a direction, and the directions."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 360, n_rows)
    X = [(a + rng.normal(0, 20, rng.integers(3, 10))) % 360 for a in y]
    return X, y
