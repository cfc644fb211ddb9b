"""A stand-in with the face of a fitted search and nothing behind it."""

import os
import signal
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor

from automodel.ensemble.blend import Member
from automodel.exceptions import FitWarning
from automodel.reporting.summary import ReportMixin

# Values of random_state that make the stand-in misbehave.
WARN, REFUSE, SIGTERM, CTRL_C, SWALLOW = 901, 902, 903, 904, 905
PARAMS = {"learning_rate": 0.123456, "depth": 6, "grow_policy": "SymmetricTree" * 9}


def board():
    rows = [
        ("catboost", -0.25, "complete", 0.75, PARAMS, ""),
        ("knn", -0.5, "complete", 0.25, {"n_neighbors": 5}, ""),
        ("linear", -0.6, "complete", 0.0, {"C": 1.0}, ""),
        ("mlp", np.nan, "pruned", 0.0, {}, ""),
        ("xgboost", np.nan, "failed", 0.0, {}, "ValueError: <b>bad</b>\ndepth"),
        ("xgboost", np.nan, "failed", 0.0, {}, "ValueError: other"),
        ("tabm", np.nan, "skipped", 0.0, {}, "left out: it takes no sample_weight"),
    ]
    columns = ["family", "score", "status", "weight", "params", "error"]
    return pd.DataFrame(rows, columns=columns).assign(seconds=1.25, fold_scores=None)


def members():
    return [
        Member(
            1,
            "knn",
            {},
            weight=0.25,
            score=-0.5,
            models=[],
            stacking_coefficient=-0.125,
        ),
        Member(0, "catboost", {}, weight=0.75, score=-1, models=[]),
    ]


class FakeSearch(ReportMixin, BaseEstimator):
    def __init__(self, n_trials=None):
        self.n_trials = n_trials

    def fit(self, X, y):
        self.leaderboard_ = board()
        self.ensemble_ = SimpleNamespace(members=members())
        self.best_score_ = -0.2
        self.expected_score_ = -0.21
        self.expected_score_interval_ = -0.25, -0.18
        self.metric_name_ = "neg_log_loss"
        self.fit_report_ = {"search": 11.0, "total": 12.34}
        return self


class _FakeAuto(FakeSearch):
    """Stores what it is called with, and predicts as a dummy does."""

    calls: list = []
    _modality = "tabular"

    def __init__(
        self,
        families=None,
        scoring=None,
        cv=None,
        time_budget=300.0,
        n_trials=None,
        prediction_time_limit="auto",
        model_size_limit="auto",
        storage=None,
        study_name=None,
        memory_limit=None,
        callbacks=(),
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.families = families
        self.scoring = scoring
        self.cv = cv
        self.time_budget = time_budget
        self.n_trials = n_trials
        self.prediction_time_limit = prediction_time_limit
        self.model_size_limit = model_size_limit
        self.storage = storage
        self.study_name = study_name
        self.memory_limit = memory_limit
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, groups=None):
        given = SimpleNamespace(X=X, y=y, sample_weight=sample_weight, groups=groups)
        self.calls.append((self, given))
        behave = {
            WARN: lambda: warnings.warn("be careful\nplease", FitWarning, stacklevel=1),
            REFUSE: _refuse,
            SIGTERM: _interrupted_but_fitted,
            CTRL_C: lambda: os.kill(os.getpid(), signal.SIGINT),
            SWALLOW: lambda: _interrupted_but_fitted(self.callbacks),
        }
        behave.get(self.random_state, lambda: None)()
        super().fit(X, y)
        self._reader = SimpleNamespace(strings=[])
        self.dummy_ = self._dummy().fit(X, y)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        assert list(X.columns) == list(self.feature_names_in_)
        return self.dummy_.predict(X)


class FakeClassifier(ClassifierMixin, _FakeAuto):
    _dummy = DummyClassifier

    @property
    def classes_(self):
        return self.dummy_.classes_

    @property
    def decision_weights_(self):
        return np.ones(len(self.classes_))

    def predict_proba(self, X):
        return self.dummy_.predict_proba(X)


class FakeRegressor(RegressorMixin, _FakeAuto):
    _dummy = DummyRegressor


def _refuse():
    raise ValueError("the data\nare odd")


def _interrupted_but_fitted(callbacks=None):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        if callbacks is None:
            return
    try:
        for callback in callbacks:
            callback(None, None)
    except KeyboardInterrupt:
        return
    raise AssertionError("no KeyboardInterrupt came")
