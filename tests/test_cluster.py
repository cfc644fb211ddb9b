"""The search on the engines that joblib can use: threads, Dask and Ray."""

import importlib.util
import os

import joblib
import numpy as np
import pandas as pd
import pytest

from automodel import AutoClassifier
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
    """A trial sleeps for .2 s at least: on no machine are there more in time."""
    family = StubFamily(modes=["sleep"], seconds=0.2)
    params = PARAMS | {"families": [family], "n_trials": 1000, "time_budget": 4.0}
    with joblib.parallel_config(backend=backend):
        search = AutoClassifier(**params, n_jobs=2).fit(X, LABELS)
    assert 1 <= len(board(search)) <= 40


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
