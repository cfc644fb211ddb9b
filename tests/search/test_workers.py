"""Where trials run, and which of them may start now."""

import os
import time
from functools import partial

import joblib
import pytest

from automodel.evaluation import Candidate
from automodel.search import workers as module
from automodel.search.backends import BackendWorkers
from automodel.search.processes import ProcessPool
from automodel.search.work import Refit
from automodel.search.workers import OwnProcesses, Workers, open_workers, slow_library
from tests.conftest import StubFamily


@pytest.mark.parametrize(
    ("n_jobs", "memory_limit", "kind"),
    [(1, None, Workers), (2, None, OwnProcesses), (1, 10**9, OwnProcesses)],
)
def test_the_place_is_chosen_by_the_jobs(n_jobs, memory_limit, kind):
    workers = open_workers(n_jobs, None, memory_limit)
    assert type(workers) is kind
    assert workers.n_jobs == n_jobs


def test_an_active_backend_is_used():
    with joblib.parallel_config(backend="threading"):
        workers = open_workers(2, None)
        assert isinstance(workers, BackendWorkers)
        assert not workers.are_isolated
    with joblib.parallel_config(backend="multiprocessing"):
        assert open_workers(2, None).are_isolated


def test_the_jobs_of_the_active_backend_count():
    with joblib.parallel_config(n_jobs=2):
        assert isinstance(open_workers(None, None), OwnProcesses)


def places():
    yield Workers(2, None)
    yield OwnProcesses(2, None)
    with joblib.parallel_config(backend="threading"):
        yield open_workers(2, None)


def test_a_step_follows_the_refits_once():
    for place in places():
        steps = []
        with place as workers:
            assert workers.refit([], partial(steps.append, "then")) == []
        assert steps == ["then"]


@pytest.mark.slow
def test_a_step_runs_beside_the_last_refit(monkeypatch):
    monkeypatch.setattr(module, "refit", slow_second)
    orders = [
        Refit(number, Candidate(StubFamily("stub"), {}), None) for number in (0, 1)
    ]
    moments = []
    with OwnProcesses(2, None) as workers:
        found = workers.refit(orders, lambda: moments.append(time.time()))
    assert found[0] < moments[0] < found[1]


def slow_second(order, data, keep_model):
    """Return when a refit ends."""
    time.sleep(5.0 * order.number)
    return time.time()


def test_a_slow_library_is_named():
    slow, fast = StubFamily("slow"), StubFamily("fast")
    slow.requires, slow.start_seconds = ("torch", "skorch"), 4.0
    assert (slow_library(slow), slow_library(fast)) == ("torch", "")
    assert Workers(1, None).accepts(slow)


@pytest.mark.slow
def test_calls_of_one_library_go_to_one_process():
    with ProcessPool(2) as pool:
        assert pool.has_idle("torch")
        pids = set()
        for key in range(3):
            pool.submit(key, os.getpid, library="torch")
            pids |= {outcome.value for outcome in pool.wait()}
        assert len(pids) == 1
        pool.submit("plain", os.getpid)
        (other,) = pool.wait()
        assert other.value not in pids
        pool.submit("long", partial(time.sleep, 1.0), library="torch")
        assert not pool.has_idle("torch")
        assert pool.has_idle("another")
        pool.wait()
        assert pool.has_idle("torch")
