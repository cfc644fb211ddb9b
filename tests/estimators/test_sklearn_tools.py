"""The estimators in scikit-learn's tools, on a frame of strings and missing values."""

import copy
import logging
import os
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import threadpoolctl
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

from automodel import AutoClassifier, AutoRegressor
from tests.conftest import CHEAP, StubFamily, make_frame, make_signal

X = make_frame(90)
VALUES = make_signal(X)
LABELS = np.where(VALUES > 0.3, "yes", "no")
CHANCE = max(np.mean(LABELS == "yes"), np.mean(LABELS == "no"))


def classifier(**params):
    return AutoClassifier(**(CHEAP | params))


def regressor(**params):
    return AutoRegressor(**(CHEAP | params))


def accuracy(estimator):
    return np.mean(estimator.predict(X) == LABELS)


def test_cross_val_score():
    scores = cross_val_score(classifier(), X, LABELS, cv=3)
    assert scores.shape == (3,) and scores.mean() > CHANCE


def test_cross_val_score_with_a_scorer():
    scores = cross_val_score(classifier(), X, LABELS, cv=3, scoring="roc_auc")
    assert scores.mean() > 0.8


def test_cross_val_predict():
    proba = cross_val_predict(classifier(), X, LABELS, cv=3, method="predict_proba")
    assert proba.shape == (90, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_grid_search_over_its_own_parameters():
    grid = {"families": [["linear"], ["knn"]], "ensemble_size": [1, 5]}
    search = GridSearchCV(classifier(), grid, cv=2).fit(X, LABELS)
    assert set(search.best_params_) == set(grid)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert accuracy(search) > CHANCE


def test_calibration():
    search = CalibratedClassifierCV(classifier(), cv=3).fit(X, LABELS)
    assert search.classes_.tolist() == ["no", "yes"]
    assert accuracy(search) > CHANCE


def test_calibration_of_a_fitted_estimator():
    fitted = classifier().fit(X[:60], LABELS[:60])
    search = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X[60:], LABELS[60:])
    assert accuracy(search) > CHANCE


def test_tuned_threshold():
    search = TunedThresholdClassifierCV(classifier(), cv=3).fit(X, LABELS)
    assert 0 <= search.best_threshold_ <= 1
    assert accuracy(search) > CHANCE


def test_stacking():
    members = [("one", classifier()), ("two", classifier(families=["knn"]))]
    search = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, LABELS)
    assert accuracy(search) > CHANCE


def test_voting_of_classifiers():
    members = [("one", classifier()), ("two", classifier(families=["knn"]))]
    search = VotingClassifier(members, voting="soft").fit(X, LABELS)
    assert accuracy(search) > CHANCE


def test_voting_of_regressors():
    members = [("one", regressor()), ("two", regressor(families=["knn"]))]
    assert VotingRegressor(members).fit(X, VALUES).score(X, VALUES) > 0.3


def test_bagging():
    # it makes an array of X, so strings come as an array of objects
    search = BaggingClassifier(classifier(), 2, random_state=0).fit(X, LABELS)
    assert accuracy(search) > CHANCE


def test_permutation_importance():
    fitted = regressor().fit(X, VALUES)
    found = permutation_importance(fitted, X, VALUES, n_repeats=3, random_state=0)
    order = X.columns[np.argsort(-found.importances_mean)]
    assert set(order[:2]) == {"age", "city"}


@pytest.mark.parametrize("column", ["income", "city"])
def test_partial_dependence(column):
    fitted = regressor().fit(X, VALUES)
    rows = X.dropna()
    options = {"categorical_features": ["city"]} if column == "city" else {}
    found = partial_dependence(
        fitted, rows, [column], grid_resolution=5, kind="average", **options
    )
    expected = 3 if column == "city" else 5
    assert found.average.shape == (1, expected)


def test_learning_curve():
    sizes, _, scores = learning_curve(
        classifier(), X, LABELS, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert sizes.tolist() == [22, 45]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_pipeline_with_set_output(container):
    if container == "polars":
        pytest.importorskip("polars")
    numbers = X[["age", "income", "size"]]
    pipeline = make_pipeline(
        SimpleImputer(add_indicator=True),
        QuantileTransformer(n_quantiles=50),
        classifier(),
    ).set_output(transform=container)
    pipeline.fit(numbers, LABELS)
    names = pipeline[-1].feature_names_in_
    assert "missingindicator_age" in names
    assert pipeline.predict(numbers).shape == (90,)


def test_pipeline_with_strings():
    pipeline = make_pipeline(FunctionTransformer(), classifier()).fit(X, LABELS)
    assert accuracy(pipeline) > CHANCE


def test_transformed_target():
    search = TransformedTargetRegressor(regressor(), func=np.exp, inverse_func=np.log)
    search.fit(X, VALUES / 10)
    assert search.score(X, VALUES / 10) > 0.3


def test_several_outputs():
    targets = np.column_stack([VALUES, -VALUES])
    # the tool checks nothing of X, which may hold strings
    search = MultiOutputRegressor(regressor()).fit(X, targets)
    np.testing.assert_allclose(*search.predict(X).T * [[1], [-1]], atol=1e-6)


def test_one_against_the_rest():
    y = np.where(VALUES > 1, "high", LABELS)
    search = OneVsRestClassifier(classifier()).fit(X, y)
    assert search.classes_.tolist() == ["high", "no", "yes"]
    assert np.mean(search.predict(X) == y) > 0.5


def test_routed_weights_reach_fit_and_score():
    weight = np.where(np.arange(90) % 2, 1.0, 0.0)
    labels = np.where(np.arange(90) % 2, LABELS, "no")
    with sklearn.config_context(enable_metadata_routing=True):
        search = classifier().set_fit_request(sample_weight=True)
        search.set_score_request(sample_weight=True)
        routed = cross_validate(
            search,
            X,
            labels,
            cv=3,
            params={"sample_weight": weight},
            error_score="raise",
            return_estimator=True,
        )
    assert all(e.task_.is_weighted for e in routed["estimator"])
    assert routed["test_score"].mean() > CHANCE


def test_routed_groups_reach_fit(monkeypatch):
    groups = np.repeat(np.arange(30), 3)
    seen = []
    check = "automodel.estimators.base.check_groups"
    original = sys.modules["automodel.estimators.base"].check_groups
    monkeypatch.setattr(check, lambda g, X: seen.append(g) or original(g, X))
    with sklearn.config_context(enable_metadata_routing=True):
        search = classifier().set_fit_request(groups=True)
        cross_validate(
            search,
            X,
            LABELS,
            cv=GroupKFold(3),
            params={"groups": groups},
            error_score="raise",
        )
    assert [len(g) for g in seen] == [60, 60, 60]
    assert all(len(set(g)) == 20 for g in seen)


def test_clone_of_a_fitted_estimator_is_not_fitted():
    sampler = lambda seed: None  # noqa: E731  any callable is a parameter
    fitted = classifier(families=["linear", "knn"]).fit(X, LABELS)
    copied = clone(fitted.set_params(sampler=sampler))
    assert not hasattr(copied, "ensemble_")
    assert copied.sampler is sampler
    assert copied.get_params() == fitted.get_params()


def test_a_deep_copy_predicts_the_same():
    fitted = classifier().fit(X, LABELS)
    copied = copy.deepcopy(fitted)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("kind", [AutoClassifier, AutoRegressor])
def test_the_page_of_a_notebook_shows_it(kind):
    search = kind(**CHEAP)
    assert kind.__name__ in search._repr_html_()
    search.fit(X, LABELS if kind is AutoClassifier else VALUES)
    assert kind.__name__ in search._repr_html_()
    assert "linear" in repr(search)


LOAD_AND_PREDICT = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    search, X = pickle.load(file)
print(search.predict(X)[:3].tolist())
heavy = {"torch", "skorch", "optuna", "lightgbm", "xgboost", "catboost"}
print(sorted(heavy & set(sys.modules)))
"""


def test_a_pickle_predicts_in_a_fresh_process_without_heavy_libraries(tmp_path):
    fitted = classifier(families=["linear", "knn"], n_trials=4).fit(X, LABELS)
    path = tmp_path / "search.pickle"
    path.write_bytes(pickle.dumps((fitted, X[:3])))
    run = subprocess.run(
        [sys.executable, "-c", LOAD_AND_PREDICT, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines() == [str(fitted.predict(X[:3]).tolist()), "[]"]


def test_a_pickle_is_small():
    assert len(pickle.dumps(classifier().fit(X, LABELS))) < 100_000


def process_state():
    """Return what a fit must leave as it was."""
    numpy_state = np.random.get_state()  # noqa: NPY002  this is what is under test
    state = {
        "threads": sorted(
            (info["filepath"], info["num_threads"])
            for info in threadpoolctl.threadpool_info()
        ),
        "filters": list(warnings.filters),
        "optuna": logging.getLogger("optuna").level,
        "handlers": [list(logging.getLogger(n).handlers) for n in (None, "optuna")],
        "environment": dict(os.environ),
        "numpy": numpy_state[1].tolist(),
        "folder": os.getcwd(),  # noqa: PTH109
    }
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        state["torch"] = torch.get_rng_state().tolist(), torch.get_num_threads()
    return state


def fit_one(seed):
    fitted = classifier(random_state=seed, families=["linear", "knn"]).fit(X, LABELS)
    return fitted.predict_proba(X)


@pytest.mark.parametrize(
    "backend", [pytest.param("loky", marks=pytest.mark.slow), "threading"]
)
def test_several_fits_at_a_time_change_nothing_else(backend):
    import optuna  # noqa: F401  its import sets its logger up
    import torch  # noqa: F401

    fit_one(0)  # imports may set up what they need
    before = process_state()
    with joblib.parallel_config(backend=backend, n_jobs=2):
        together = joblib.Parallel()(joblib.delayed(fit_one)(seed) for seed in range(4))
    assert process_state() == before
    for seed, proba in enumerate(together):
        np.testing.assert_array_equal(proba, fit_one(seed))


class ThreadCounting(StubFamily):
    """Fails a trial that may use more than one thread."""

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        most = max(i["num_threads"] for i in threadpoolctl.threadpool_info())
        if most > 1:
            raise ValueError(f"{most} threads")
        return super().fit(
            estimator, X, y, sample_weight=sample_weight, monitor=monitor
        )


@pytest.mark.parametrize(
    "n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)], ids=["one", "two"]
)
def test_a_trial_has_one_thread(n_jobs, monkeypatch):
    for library in ("OMP", "OPENBLAS", "MKL"):  # what a worker would start with
        monkeypatch.setenv(f"{library}_NUM_THREADS", "2")
    with threadpoolctl.threadpool_limits(2):
        fitted = classifier(families=[ThreadCounting()], n_jobs=n_jobs).fit(X, LABELS)
    assert fitted.failures_.empty


def test_a_frame_survives_the_fit():
    frame = X.copy()
    classifier().fit(frame, LABELS).predict(frame)
    pd.testing.assert_frame_equal(frame, X)
