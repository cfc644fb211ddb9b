"""What a fitted estimator keeps for its report, besides the models."""

import pickle
from datetime import datetime

import numpy as np
import pytest

from automodel import AutoClassifier, __version__
from tests.conftest import StubFamily


@pytest.fixture(scope="module")
def model():
    X = np.arange(40.0)[:, None] % 7
    y = (X[:, 0] > 3).astype(int)
    trials = [(0.9, "sleep"), (0.5, "plain"), (0.7, "raise"), (0.6, "plain")]
    family = StubFamily(trials=trials, seconds=0.05)
    return AutoClassifier(
        families=[family], cv=2, n_trials=4, time_budget=None, random_state=0
    ).fit(X, y)


def moments(model):
    (trials,) = model._trials.values()
    names = "datetime_start", "datetime_complete"
    return [tuple(datetime.fromisoformat(t[n]) for n in names) for t in trials]


def test_trials_of_one_round_start_one_after_the_other(model):
    found = moments(model)
    assert all(start <= end for start, end in found)
    assert all(a[1] <= b[0] for a, b in zip(found, found[1:], strict=False))


def test_trials_are_within_the_fit(model):
    began = datetime.fromisoformat(model._provenance["began"])
    ends = [(end - began).total_seconds() for _, end in moments(model)]
    assert ends[0] > 0 and ends[-1] < model.fit_report_["total"]


def test_trials_of_this_process_say_so(model):
    (trials,) = model._trials.values()
    assert [trial["user_attrs"]["worker"] for trial in trials] == [0] * 4


def test_the_baseline_and_the_versions_are_known(model):
    known = pickle.loads(pickle.dumps(model))._provenance
    assert known["versions"]["automodel"] == __version__
    assert "scikit-learn" in known["versions"]
    assert known["baseline_score"] == pytest.approx(-0.682, abs=0.02)
