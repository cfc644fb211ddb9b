"""Scorers of the user that have no value for some of the rows."""

import sys

import numpy as np
import pytest
from sklearn.metrics import log_loss, make_scorer, mean_squared_error

from automodel import AutoClassifier, AutoRegressor
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")


def leave():
    sys.exit(5)


FAULTS = {
    "ZeroDivisionError": lambda: 1 / 0,
    "IndexError": lambda: [][0],
    "KeyError": lambda: {}["a"],
    "SystemExit": leave,
    "nan": lambda: np.nan,
    "inf": lambda: np.inf,
    "-inf": lambda: -np.inf,
    "array": lambda: np.zeros(3),
    "str": lambda: "good",
}


class Scorer:
    """A score that only the whole target has, and no fold or bootstrap."""

    def __init__(self, fault):
        self.fault = fault

    def __call__(self, estimator, X, y):
        is_classifier = hasattr(estimator, "predict_proba")
        if sorted(y) != sorted(LABELS if is_classifier else VALUES):
            return FAULTS[self.fault]()
        if is_classifier:
            return -log_loss(y, estimator.predict_proba(X))
        return -mean_squared_error(y, estimator.predict(X))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_score_that_some_rows_lack_ends_no_fit(kind, fault):
    y = LABELS if kind is AutoClassifier else VALUES
    trials = [(0.9, "plain"), (0.3, "plain"), (0.6, "plain")]
    params = CHEAP | {"families": [StubFamily(trials=trials), "linear"], "n_trials": 5}
    search = kind(**params, scoring=Scorer(fault)).fit(X, y)
    assert set(search.leaderboard_["status"]) <= {"complete", "pruned"}
    assert len(search.ensemble_.members)
    assert np.isfinite(search.best_score_)


def agreement(y_true, y_pred, sample_weight=None):
    """The share of right answers, for no class alone."""
    if len(set(y_true)) < 2 or len(set(y_pred)) < 2:
        raise KeyError("a class is missing")
    return np.average(y_true == y_pred, weights=sample_weight)


def test_a_score_of_labels_may_raise_anything_at_a_threshold():
    trials = [(0.9, "plain"), (0.3, "plain")]
    params = CHEAP | {"families": [StubFamily(trials=trials)], "n_trials": 2}
    search = AutoClassifier(**params, scoring=make_scorer(agreement)).fit(X, LABELS)
    assert search.best_score_ > 0.5


class Grumpy:
    """A scorer that does not like answers that are all alike."""

    def __call__(self, estimator, X, y):
        answers = estimator.predict_proba(X)
        if np.ptp(answers[:, 0]) == 0:
            raise RuntimeError("no correlation with a constant")
        return -log_loss(y, answers)


def test_the_baseline_needs_no_score():
    params = CHEAP | {"families": [StubFamily(trials=[(0.9, "plain")])], "n_trials": 1}
    search = AutoClassifier(**params, scoring=Grumpy()).fit(X, LABELS)
    assert np.isfinite(search.best_score_)


def test_a_scorer_that_no_prediction_suits_is_refused_before_a_model_is_trained():
    search = AutoClassifier(**CHEAP, scoring=lambda estimator, X, y: 1 / 0)
    with pytest.raises(ValueError, match="cannot score .* target: division by zero"):
        search.fit(X, LABELS)
