"""The search on the engines that joblib can use: threads, Dask and Ray."""

import importlib.util
import os
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest

from automodel import AutoClassifier
from automodel.exceptions import FitWarning
from automodel.search.workers import engines
from tests.conftest import CHEAP, NosyFamily, StubFamily, make_frame, make_signal

X = make_frame()
LABELS = np.where(make_signal(X) > 0.3, "yes", "no")
FAMILIES = ["linear", "knn", "extra_trees"]
PARAMS = CHEAP | {"families": FAMILIES, "n_trials": 9, "cv": 2}


def need(module):
    """Skip without a library; fail where the tests are told that it is there."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("AUTOMODEL_TEST_SERVERS"):
            pytest.fail(f"{module} is not installed")
        pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="module")
def dask_cluster():
    need("distributed")
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        yield "dask"


@pytest.fixture(scope="module")
def ray_cluster():
    need("ray")
    import ray
    from ray.util.joblib import register_ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TQDM_PATCH_PRINT", "0")  # it would replace `print` for good
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        register_ray()
        yield "ray"
        ray.shutdown()


@pytest.fixture(
    params=[
        "threading",
        "multiprocessing",
        pytest.param("dask", marks=pytest.mark.slow),
        pytest.param("ray", marks=pytest.mark.slow),
    ]
)
def backend(request):
    """Return the name of a backend whose workers are up."""
    if request.param in ("dask", "ray"):
        return request.getfixturevalue(f"{request.param}_cluster")
    return request.param


def board(estimator):
    return estimator.leaderboard_.drop(columns="seconds")


def agree(one, many):
    pd.testing.assert_frame_equal(board(one), board(many))
    np.testing.assert_array_equal(one.predict_proba(X), many.predict_proba(X))


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_a_backend_gives_the_model_of_one_process(backend):
    with joblib.parallel_config(backend=backend):
        many = AutoClassifier(**PARAMS, n_jobs=2).fit(X, LABELS)
    agree(AutoClassifier(**PARAMS).fit(X, LABELS), many)


def test_a_time_budget_is_obeyed(backend):
    """A trial sleeps for .2 s at least, and the last .35 s are not for trials."""
    family = StubFamily(modes=["sleep"], seconds=0.2)
    params = PARAMS | {"families": [family], "n_trials": 1000, "time_budget": 4.0}
    with joblib.parallel_config(backend=backend):
        search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert 1 <= len(board(search)) <= 38


def test_a_storage_goes_along(backend, tmp_path):
    AutoClassifier(**PARAMS | {"n_trials": 2}, storage=tmp_path).fit(X, LABELS)
    with joblib.parallel_config(backend=backend):
        many = AutoClassifier(**PARAMS, storage=tmp_path, n_jobs=2).fit(X, LABELS)
    agree(AutoClassifier(**PARAMS).fit(X, LABELS), many)


@pytest.mark.slow
def test_trials_run_on_the_workers_of_dask(dask_cluster, tmp_path):
    from distributed import default_client

    family = NosyFamily(tmp_path / "pids", n_workers=2)
    params = PARAMS | {"families": [family], "n_trials": 6, "refit": False}
    with joblib.parallel_config(backend="dask"):
        search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert search.failures_.empty
    assert {pid for pid, _ in family.seen()} == family.workers()
    assert family.workers() == set(default_client().run(os.getpid).values())
    agree(AutoClassifier(**params).fit(X, LABELS), search)


@pytest.mark.slow
def test_trials_run_on_the_workers_of_ray(ray_cluster, tmp_path):
    family = NosyFamily(tmp_path / "pids", n_workers=2)
    params = PARAMS | {"families": [family], "n_trials": 6, "refit": False}
    with joblib.parallel_config(backend="ray"):
        search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert search.failures_.empty
    assert {pid for pid, _ in family.seen()} == family.workers()
    assert len(family.workers()) == 2
    agree(AutoClassifier(**params).fit(X, LABELS), search)


def fit_with(backend, mode, **params):
    """Fit one trial in three of which does what it is told."""
    family = StubFamily(trials=[(0.9, "plain"), (0.8, mode), (0.7, "plain")])
    params = CHEAP | {"families": [family], "n_trials": 3} | params
    with joblib.parallel_config(backend=backend):
        search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    return search.leaderboard_.sort_index()["status"].tolist()


def check_faults(backend):
    """Lose workers of a cluster that serves nothing else."""
    with pytest.warns(FitWarning, match="Trials lost: 1"):
        assert fit_with(backend, "exit") == ["complete", "failed", "complete"]
    found = fit_with(backend, "hang", time_budget=10.0)
    assert found == ["complete", "stopped", "complete"]


@pytest.mark.slow
def test_workers_of_dask_that_die_or_hang_cost_their_trial():
    need("distributed")
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster):
        check_faults("dask")


@pytest.mark.slow
def test_options_of_the_backend_of_ray_are_kept(ray_cluster):
    options = {"num_cpus": 0.5, "max_restarts": 1}
    with joblib.parallel_config(backend="ray", ray_remote_args=options):
        search = AutoClassifier(**CHEAP, n_jobs=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error", FitWarning)
            search.fit(X, LABELS)
    assert set(board(search)["status"]) == {"complete"}


@pytest.mark.slow
def test_workers_of_ray_that_die_or_hang_cost_their_trial(ray_cluster):
    check_faults("ray")


@pytest.mark.slow
def test_a_cluster_without_workers_is_given_up(monkeypatch):
    need("distributed")
    from distributed import Client, LocalCluster

    monkeypatch.setattr(engines, "GONE_SECONDS", 2.0)
    monkeypatch.setattr(engines, "ASK_SECONDS", 0.5)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster):
        family = StubFamily(modes=["sleep"], seconds=0.5)
        params = CHEAP | {"families": [family], "n_trials": 6, "refit": False}
        search = AutoClassifier(
            **params, n_jobs=2, callbacks=[lambda *told: cluster.scale(0)]
        )
        with (
            joblib.parallel_config(backend="dask"),
            pytest.warns(FitWarning, match="the search went on in this process"),
        ):
            search.fit(X, LABELS)
    assert set(board(search)["status"]) <= {"complete", "pruned"}
