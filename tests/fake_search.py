"""A stand-in with the face of a fitted search and nothing behind it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from automodel.report import ReportMixin

PARAMS = {"learning_rate": 0.123456, "depth": 6, "grow_policy": "SymmetricTree" * 9}


def board():
    rows = [
        ("catboost", -0.25, "complete", 0.75, PARAMS, ""),
        ("knn", -0.5, "complete", 0.25, {"n_neighbors": 5}, ""),
        ("linear", -0.6, "complete", 0.0, {"C": 1.0}, ""),
        ("mlp", np.nan, "pruned", 0.0, {}, ""),
        ("xgboost", np.nan, "failed", 0.0, {}, "ValueError: <b>bad</b>\ndepth"),
        ("xgboost", np.nan, "failed", 0.0, {}, "ValueError: other"),
    ]
    columns = ["family", "score", "status", "weight", "params", "error"]
    return pd.DataFrame(rows, columns=columns).assign(seconds=1.25, fold_scores=None)


def members():
    return [
        SimpleNamespace(number=1, family="knn", params={}, weight=0.25, score=-0.5),
        SimpleNamespace(number=0, family="catboost", params={}, weight=0.75, score=-1),
    ]


class FakeSearch(ReportMixin, BaseEstimator):
    def __init__(self, n_trials=None):
        self.n_trials = n_trials

    def fit(self, X, y):
        self.leaderboard_ = board()
        self.ensemble_ = SimpleNamespace(members=members())
        self.best_score_ = -0.2
        self.expected_score_ = -0.21
        self.metric_name_ = "neg_log_loss"
        self.fit_report_ = {"search": 11.0, "total": 12.34}
        return self
