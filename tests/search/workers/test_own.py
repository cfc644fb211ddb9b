"""Where trials run, and which of them may start now."""

import os
import sys
import threading
import time
from functools import partial
from types import ModuleType

import cloudpickle
import joblib
import numpy as np
import pytest

from automodel import mapped
from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.search.models import ModelFolder, load_models
from automodel.search.workers import call, engines, pickling
from automodel.search.workers import own as module
from automodel.search.workers.backends import BackendWorkers
from automodel.search.workers.base import Workers
from automodel.search.workers.open import open_workers
from automodel.search.workers.own import OwnProcesses, slow_library
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.starting import Starter
from automodel.search.workers.work import Refit, WorkItem
from tests.conftest import FakeClock, StubFamily
from tests.evaluation.test_folds import make_folds


def test_no_trial_hangs_while_an_output_grows_that_trials_share(tmp_path):
    clock, moments = FakeClock(), []
    item = WorkItem(0, Candidate(StubFamily(), {}), Deadline(1e6, clock), 100.0)
    workers = OwnProcesses(2, make_folds())
    workers._outputs = tmp_path
    workers._in_flight[0] = call.Call(0, item)
    workers._pool.put_off = lambda key, deadline: moments.append(deadline.moment)
    for n_bytes, now in ((0, 10.0), (5, 20.0), (5, 30.0), (7, 1e6)):
        clock.moment = now
        (tmp_path / "one.draft").write_bytes(bytes(n_bytes))
        workers._excuse()
    limit = module.HANG_FACTOR * 100.0 + module.HANG_SECONDS
    assert moments == [20.0 + limit, 1e6 + call.GRACE_SECONDS]


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


def test_a_slow_library_is_named():
    slow, fast = StubFamily("slow"), StubFamily("fast")
    slow.requires, slow.start_seconds = ("torch", "skorch"), 4.0
    assert (slow_library(slow, None), slow_library(fast, None)) == ("torch", "")
    assert Workers(1, None).accepts(slow)


@pytest.mark.slow
def test_calls_of_one_library_go_to_one_process():
    with ProcessPool(2) as pool:
        assert pool.has_idle("slow")
        pids = set()
        for key in range(3):
            pool.submit(key, os.getpid, library="slow")
            pids |= {outcome.value for outcome in pool.wait()}
        assert len(pids) == 1
        pool.submit("plain", os.getpid)
        (other,) = pool.wait()
        assert other.value not in pids
        pool.submit("long", partial(time.sleep, 1.0), library="slow")
        assert not pool.has_idle("slow")
        assert pool.has_idle("another")
        pool.wait()
        assert pool.has_idle("slow")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_models_of_trials_are_in_files_until_the_end(n_jobs):
    with open_workers(n_jobs, make_folds()) as workers:
        path = workers.model_folder(7)(0, "a model")
        assert path.exists()
    assert not path.parent.exists()


def test_what_cannot_be_pickled_stays_in_memory(tmp_path):
    lock = threading.Lock()
    assert ModelFolder(tmp_path, 7)(0, lock) is lock
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cost", "most_bytes", "pid"),
    [(0.1, 2**20, "own"), (100.0, 2**20, "other"), (0.1, 10, "other")],
)
def test_only_a_cheap_trial_of_few_data_runs_here(monkeypatch, cost, most_bytes, pid):
    monkeypatch.setattr(module, "MOST_HERE", most_bytes)
    family = StubFamily("stub")
    family.starts_search, family.cost = True, lambda params, task: cost
    for name in ("call.work", "base.run_item"):
        monkeypatch.setattr(f"automodel.search.workers.{name}", where_it_runs)
    item = WorkItem(0, Candidate(family, {}))
    with OwnProcesses(1, make_folds()) as workers:
        ((_, found),) = workers.run([item])
    assert (found.seconds == os.getpid()) == (pid == "own")
    assert found.worker == (0 if pid == "own" else 1)


def where_it_runs(item, *arguments):
    return Evaluation(item.candidate, "complete", seconds=os.getpid())


def run_all(workers, items):
    with workers as opened:
        return [found for _, found in opened.run(items)], opened.problem


def test_trials_run_here_where_the_data_cannot_be_sent():
    folds = make_folds()
    folds.locked = threading.Lock()
    items = [WorkItem(n, Candidate(StubFamily(), {})) for n in range(2)]
    workers = OwnProcesses(2, folds, 10**9)
    found, problem = run_all(workers, items)
    assert [evaluation.status for evaluation in found] == ["complete"] * 2
    assert "the data could not be sent to workers. TypeError" in problem
    assert "memory_limit was not kept" in problem
    assert not workers.are_isolated


def test_the_data_hold_by_value_what_workers_cannot_import(monkeypatch):
    plugin = ModuleType("plugin_of_a_test")
    exec("def twice(x):\n    return 2 * x", plugin.__dict__)
    monkeypatch.setitem(sys.modules, "plugin_of_a_test", plugin)
    pickling._modules_only_here.cache_clear()
    folds = make_folds()
    folds.twice = plugin.twice
    with OwnProcesses(2, folds) as workers:
        monkeypatch.delitem(sys.modules, "plugin_of_a_test")
        assert mapped.load(workers._data).twice(4) == 8


@pytest.mark.skipif(sys.platform == "win32", reason="removes no file that is mapped")
def test_this_process_keeps_no_copy_of_the_data():
    folds, same = make_folds(), make_folds()
    with OwnProcesses(2, folds):
        assert folds.encodings.rows is folds.rows
        for array in (folds.rows.numeric, folds.splits[0][0]):
            assert not array.flags.owndata
            assert not array.flags.writeable
    np.testing.assert_array_equal(folds.rows.numeric, same.rows.numeric)
    np.testing.assert_array_equal(folds.rows.codes, same.rows.codes)


def test_a_full_disk_keeps_no_part_of_the_data(monkeypatch):
    def fill(value, path):
        path.write_bytes(bytes(100))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.mapped, "dump", fill)
    with OwnProcesses(2, make_folds()) as workers:
        assert not (workers._folder / "folds").exists()
        assert "No space left" in workers.problem
        assert "memory_limit" not in workers.problem


def test_a_refit_that_is_late_does_not_begin_where_no_process_starts(monkeypatch):
    def fail(*arguments):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Starter, "start", fail)
    candidate, deadline = Candidate(StubFamily(), {}), Deadline.after(60.0)
    orders = [Refit(0, candidate, None, deadline, seconds=s) for s in (0.0, 90.0)]
    with OwnProcesses(2, make_folds()) as workers:
        on_time, late = workers.refit(orders)
    assert on_time is not None
    assert late is None


def test_trials_run_here_where_no_process_starts(monkeypatch):
    def fail(*arguments):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Starter, "start", fail)
    items = [WorkItem(n, Candidate(StubFamily(), {})) for n in range(3)]
    found, problem = run_all(OwnProcesses(2, make_folds(), 10**9), items)
    assert [evaluation.status for evaluation in found] == ["complete"] * 3
    assert "no worker could be started" in problem
    assert "memory_limit was not kept" in problem
    with OwnProcesses(2, make_folds(), 10**9) as workers:
        orders = [Refit(0, Candidate(StubFamily(), {}), None)]
        assert load_models(workers.refit(orders))[0].fold == -1


@pytest.mark.slow
def test_a_worker_that_does_not_start_leaves_its_trials_to_the_others(monkeypatch):
    """In this process nothing would keep the limits of the trials."""
    start, started = Starter.start, []

    def start_one(*arguments):
        if started:
            raise OSError(11, "Resource temporarily unavailable")
        started.append(start(*arguments))
        return started[0]

    monkeypatch.setattr(Starter, "start", start_one)
    monkeypatch.setattr(call, "work", where_it_runs)
    items = [WorkItem(n, Candidate(StubFamily(), {})) for n in range(4)]
    workers = OwnProcesses(3, make_folds(), 10**9)
    found, problem = run_all(workers, items)
    assert {evaluation.seconds for evaluation in found} == {started[0].pid}
    assert len(found) == 4
    assert workers.n_jobs == 1
    assert "could be started: 1. BlockingIOError" in problem


@pytest.mark.slow
def test_a_refit_may_end_far_from_now():
    order = Refit(0, Candidate(StubFamily(), {}), None, Deadline.after(1e12))
    with OwnProcesses(1, make_folds()) as workers:
        (found,) = workers.refit([order])
    assert found is not None


def test_another_machine_has_its_own_clock():
    item = WorkItem(0, None, deadline=Deadline(10.0, FakeClock()))
    message = engines._message(seconds_left, item, None)
    assert 5.0 < cloudpickle.loads(engines.answer(message, None)) <= 10.0


def seconds_left(item, data, keep_model):
    return item.deadline.seconds_left
