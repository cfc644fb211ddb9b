"""Predictions that are no arrays: of each row a variable number of spans.

X are signals of one length; y has the spans of each where something has happened, as
pairs (start, end). They lie end to end in one array, with offsets of the rows.
"""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.metrics import make_scorer

from automodel.estimators.base import AutoEstimator
from automodel.families import ModelFamily
from automodel.targets.base import Target
from automodel.targets.combiner import Combiner
from tests.modality.signals import SignalReader, Signals

LENGTH = 60  # of each signal


class Spans:
    """Spans of rows: `ends[offsets[i]:offsets[i + 1]]` are those of row i.

    `known` tells which rows have an answer, if only that there is no span in them.
    """

    def __init__(self, ends, offsets, known):
        self.ends, self.offsets, self.known = ends, offsets, known

    @classmethod
    def of(cls, rows):
        """Make them of one sequence of pairs for each row; None is no answer."""
        parts = [np.reshape([] if row is None else row, (-1, 2)) for row in rows]
        ends = np.concatenate([np.empty((0, 2)), *parts]).astype(np.float32)
        offsets = np.cumsum([0, *map(len, parts)])
        return cls(ends, offsets, np.array([row is not None for row in rows], bool))

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, rows):
        return Spans.of([self.row(i) for i in np.arange(len(self))[rows]])

    def row(self, i):
        own = self.ends[self.offsets[i] : self.offsets[i + 1]]
        return own if self.known[i] else None

    def rows(self):
        return [self.row(i) for i in range(len(self))]

    @property
    def nbytes(self):
        return self.ends.nbytes + self.offsets.nbytes + self.known.nbytes


def votes_to_spans(parts, shares, least):
    """Return where spans of enough votes lie; the shares are those of the parts."""
    points = sorted(
        (point, change)
        for part, share in zip(parts, shares, strict=True)
        for start, end in part
        for point, change in ((start, share), (end, -share))
    )
    spans, votes, opened = [], 0.0, None
    for point, change in points:
        votes += change
        if opened is None and votes >= least - 1e-9:
            opened = point
        elif opened is not None and votes < least - 1e-9:
            spans.append((opened, point))
            opened = None
    return [(start, end) for start, end in spans if end > start]


def covered(spans):
    cells = np.zeros(LENGTH, dtype=bool)
    for start, end in np.rint(spans).astype(int):
        cells[start:end] = True
    return cells


def mean_overlap(y, answers, sample_weight=None):
    """Return the mean of what is common to both, divided by what is in either."""
    overlaps = []
    for true, answer in zip(y, answers, strict=True):
        one, other = covered(true), covered(answer)
        either = (one | other).sum()
        overlaps.append((one & other).sum() / either if either else 1.0)
    return np.average(overlaps, weights=sample_weight)


OVERLAP = make_scorer(mean_overlap)


class UnionByVotes(Combiner):
    """What at least half of the weight of the models has found."""

    def __init__(self, weights):
        self.weights = np.asarray(weights, dtype=float)

    def predict(self, predictions):
        pairs = zip(self.weights, predictions, strict=True)
        shares, used = zip(*[(w, p) for w, p in pairs if w > 0], strict=True)
        least = sum(shares) / 2
        rows = zip(*(prediction.rows() for prediction in used), strict=True)
        return Spans.of([votes_to_spans(parts, shares, least) for parts in rows])

    def take(self, models):
        return UnionByVotes(self.weights[models])


class SpansTarget(Target):
    kind = "spans"
    n_outputs = 1
    default_scoring = OVERLAP

    @staticmethod
    def check(y):
        return list(y)

    @classmethod
    def of(cls, y, sample_weight=None):
        return cls()

    def encode(self, y):
        return Spans.of(y)

    def restore(self, y):
        return y.rows()

    def decode(self, prediction, decision=None):
        return prediction.rows()

    def answers(self, prediction):
        return ReadySpans(prediction)

    def truth(self, y):
        return y

    def decoded(self, estimator, columns):
        return estimator

    def predict(self, estimator, X, columns):
        return Spans.of(estimator.predict(X))

    def for_encoders(self, y):
        return np.diff(y.offsets)

    def baseline(self):
        return NoSpans()

    def is_predicted(self, prediction):
        return prediction.known

    def pooled(self, n_rows, parts, dtype=np.float32):
        found = [[] for _ in range(n_rows)]
        for rows, prediction in parts:
            for row, spans in zip(rows, prediction.rows(), strict=True):
                found[row].append(spans)
        return Spans.of(
            [
                votes_to_spans(own, np.ones(len(own)), len(own) / 2) if own else None
                for own in found
            ]
        )

    def joined(self, parts):
        return Spans.of([row for part in parts for row in part.rows()])

    def check_prediction(self, prediction):
        if not np.isfinite(prediction.ends).all():
            raise ValueError("the model predicts spans that have no end")

    def combiner(self, weights):
        return UnionByVotes(weights)


class ReadySpans(RegressorMixin, BaseEstimator):
    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.prediction.rows()


class NoSpans(RegressorMixin, BaseEstimator):
    """The baseline: nothing happens."""

    def fit(self, X, y, sample_weight=None):
        self.n_rows_ = len(y)
        return self

    def predict(self, X):
        return [[]] * len(X)


class Stacked(TransformerMixin, BaseEstimator):
    """Signals of one length as the rows of a matrix."""

    def fit(self, X, y=None, sample_weight=None):
        return self

    def transform(self, X):
        signals = X if isinstance(X, Signals) else Signals.of(X)
        return signals.values.reshape(-1, LENGTH)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class Detector(RegressorMixin, BaseEstimator):
    """Finds where a smoothed signal is above a level between the two of training."""

    def __init__(self, width=1, share=0.5):
        self.width, self.share = width, share

    def fit(self, X, y, sample_weight=None):
        inside = np.array([covered(spans) for spans in y.rows()])
        low, high = X[~inside].mean(), X[inside].mean()
        self.level_ = low + self.share * (high - low)
        return self

    def predict(self, X):
        window = np.ones(self.width) / self.width
        found = []
        for row in X:
            above = np.convolve(row, window, mode="same") > self.level_
            steps = np.diff(np.concatenate([[0], above, [0]]))
            pairs = [np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)]
            found.append(np.column_stack(pairs))
        return found


class DetectorOfSpans(ModelFamily):
    name = "detector"
    modality = "lines"
    tasks = ("spans",)
    is_random = False

    def estimator(self, task, random_state):
        return Detector()

    def search_space(self, trial, task):
        return {
            "width": trial.suggest_int("width", 1, 9),
            "share": trial.suggest_float("share", 0.2, 0.8),
        }

    def portfolio(self, task):
        return [{"width": 1, "share": 0.5}]

    def preprocessor(self, estimator, task):
        return Stacked()


class AutoSpans(RegressorMixin, AutoEstimator):
    """An estimator of spans of signals."""

    _modality = "lines"
    _new_reader = SignalReader
    _check_y = staticmethod(SpansTarget.check)
    _target_of = staticmethod(SpansTarget.of)

    def _check_X(self, X, *, reset):
        return X

    def predict(self, X):
        return self._target.decode(self._predict_outputs(X))


def make_spans(n_rows=50, seed=0):
    """Return signals with 0 to 3 spans of another level, and these."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n_rows):
        starts = np.arange(0, LENGTH, 20)[: rng.integers(4)] + rng.integers(1, 8)
        spans = [(start, start + rng.integers(5, 11)) for start in starts]
        X.append(rng.normal(0, 0.5, LENGTH) + covered(np.reshape(spans, (-1, 2))))
        y.append(spans)
    return X, y
