"""What a fit repeats, and what it leaves alone in its process."""

import json
import os
import pickle
import subprocess
import sys
import tempfile

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from automodel import AutoClassifier, AutoRegressor
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame()
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
TRIALS = [(0.9, "plain"), (0.4, "plain"), (1.0, "raise"), (0.7, "plain")]


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


@pytest.fixture(scope="module")
def fitted():
    """Return a classifier of four stub trials, one of them a failure."""
    return classifier(families=[StubFamily(trials=TRIALS)], n_trials=4).fit(X, LABELS)


def board(estimator):
    """Return the leaderboard without what the clock decides."""
    return estimator.leaderboard_.drop(columns="seconds")


MIXED = ["linear", "knn", "extra_trees"]


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_a_fit_repeats_exactly(kind):
    y = LABELS if kind is AutoClassifier else VALUES
    params = CHEAP | {"families": ["linear", "knn"], "n_trials": 7, "cv": 2}
    first, second = (kind(**params).fit(X, y) for _ in range(2))
    pd.testing.assert_frame_equal(board(first), board(second))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


@pytest.mark.slow
def test_a_fit_in_two_processes_repeats_one_in_one():
    params = {"families": MIXED, "n_trials": 6, "cv": 2}
    one = classifier(**params).fit(X, LABELS)
    two = classifier(**params, n_jobs=2).fit(X, LABELS)
    pd.testing.assert_frame_equal(board(one), board(two))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_another_seed_gives_another_search():
    one, two = (
        classifier(n_trials=4, random_state=seed).fit(X, LABELS) for seed in (0, 1)
    )
    assert not board(one).equals(board(two))


def test_a_generator_as_random_state_is_drawn_from_once_a_fit():
    one, two = (
        classifier(random_state=np.random.RandomState(3)).fit(X, LABELS)  # noqa: NPY002
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(board(one), board(two))


@pytest.mark.parametrize("seed", [None, 0])
def test_the_global_random_state_is_left_alone(seed):
    np.random.seed(3)  # noqa: NPY002  the global state is what is under test
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    classifier(random_state=seed, families=["linear", "knn"]).fit(X, LABELS)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_no_random_state_gives_different_splits():
    one, two = (classifier(random_state=None).fit(X, LABELS) for _ in range(2))
    assert not board(one).equals(board(two))


def test_a_fit_again_forgets_the_first():
    search = classifier()
    search.fit(X, LABELS)
    search.fit(X[["age", "income"]], np.arange(60) % 3)
    assert search.n_features_in_ == 2
    assert search.classes_.tolist() == [0, 1, 2]
    assert len(search.leaderboard_) == 2


def test_the_parameters_are_left_alone():
    sampler = optuna.samplers.RandomSampler(seed=0)
    params = {"families": ["linear"], "callbacks": [], "sampler": sampler}
    search = classifier(**params)
    before = search.get_params()
    search.fit(X, LABELS)
    assert search.get_params() == before
    assert search.sampler is sampler


# the process


# pandas is not among them: scikit-learn itself imports it where it is installed
HEAVY = ["torch", "skorch", "optuna", "lightgbm", "xgboost", "catboost", "polars"]


def test_the_import_is_light():
    code = f"""
import json, sys
from automodel import AutoClassifier, AutoRegressor
AutoClassifier(families=["linear"]).get_params()
repr(AutoRegressor())
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == []


@pytest.mark.parametrize("family", ["mlp", "packed_mlp"])
def test_a_saved_ensemble_of_nets_predicts_without_heavy_libraries(family):
    nets = classifier(families=[family], ensemble_size=10).fit(X, LABELS)
    assert nets.ensemble_.members[0].number >= 0
    stored = pickle.dumps((nets, X, nets.predict_proba(X)))
    code = f"""
import pickle, sys
nets, X, expected = pickle.load(sys.stdin.buffer)
assert abs(nets.predict_proba(X) - expected).max() < 1e-9
assert list(nets.predict(X))
assert [name for name in {HEAVY} if name in sys.modules] == []
"""
    subprocess.run([sys.executable, "-c", code], input=stored, check=True)


def test_no_file_is_written(tmp_path, monkeypatch):
    folder, temporary = tmp_path / "here", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setitem(os.environ, "TMPDIR", str(temporary))
    classifier(families=MIXED, n_trials=3).fit(X, LABELS).predict(X)
    assert sorted(tmp_path.rglob("*")) == [folder, temporary]


@pytest.mark.slow
def test_no_file_is_left_by_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    classifier(families=["linear", "knn"], n_trials=4, n_jobs=2).fit(X, LABELS)
    assert not list(tmp_path.glob("*"))


def test_nothing_is_printed(capfd):
    classifier(families=MIXED, n_trials=3).fit(X, LABELS).predict(X)
    assert capfd.readouterr() == ("", "")


def test_real_data_is_learned():
    X, y = load_diabetes(return_X_y=True)
    search = regressor(scoring="r2").fit(X, y)
    assert search.best_score_ > 0.4


UNUSED = [  # by a model of LightGBM, from loading to predicting a data frame
    "torch",
    "optuna",
    "skorch",
    "catboost",
    "xgboost",
    "matplotlib",
    "sklearn.model_selection",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.neighbors",
    "sklearn.decomposition",
    "sklearn.feature_extraction",
    "automodel.metrics",
    "automodel.search.search",
    "automodel.training",
    "automodel.nets.realmlp",
    "automodel.nets.bert",
    "automodel.families.text.bert",
]


def test_a_saved_model_loads_nothing_that_it_does_not_use():
    search = classifier(families=["lightgbm"]).fit(X, LABELS)
    assert {member.family for member in search.ensemble_.members} == {"lightgbm"}
    stored = pickle.dumps((search, X, search.predict_proba(X)))
    code = f"""
import pickle, sys
import lightgbm  # which loads some modules of scikit-learn
before = set(sys.modules)
search, X, expected = pickle.load(sys.stdin.buffer)
assert abs(search.predict_proba(X) - expected).max() == 0
assert list(search.predict(X))
assert sorted((set(sys.modules) - before) & set({UNUSED})) == []
"""
    subprocess.run([sys.executable, "-c", code], input=stored, check=True)
