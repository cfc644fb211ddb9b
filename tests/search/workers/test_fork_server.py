"""Workers that are forked from a process which has loaded the libraries."""

import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from automodel.search.workers import fork_server
from automodel.search.workers.processes import ProcessPool
from tests.conftest import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked"),
    pytest.mark.usefixtures("nothing_left"),
]


def facts():
    """Return the id of this process, that of its parent, and what it has loaded."""
    return os.getpid(), os.getppid(), set(sys.modules)


def values(pool, call, n_calls, **options):
    """Return what a call returns in so many processes at once."""
    for key in range(n_calls):
        pool.submit(key, call, **options)
    found = {}
    while outcomes := pool.wait():
        found |= {outcome.key: outcome for outcome in outcomes}
    assert [outcome.error for outcome in found.values()] == [""] * n_calls
    return [found[key].value for key in range(n_calls)]


def test_workers_have_the_libraries_from_one_server():
    with ProcessPool(2) as pool:
        (pid, server, modules), (other, same, _) = values(pool, facts, 2)
    assert pid != other
    assert server == same != os.getpid()
    assert set(fork_server.LOADED) <= modules
    assert "torch" not in modules


def test_a_slow_library_is_loaded_once_for_all():
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    with ProcessPool(2) as pool:
        ((earlier, _, _),) = values(pool, facts, 1)
        (pid, _, modules), (_, _, others) = values(pool, facts, 2, library="torch")
        assert pid != earlier  # which has made way
        assert "torch" in modules & others
        assert values(pool, net, 2, library="torch") == [1.0, 1.0]


def net():
    """Train and use a net, in all threads that torch has."""
    import torch

    X = torch.ones(400, 300, requires_grad=True)
    (X @ X.T).sum().backward()
    return float((X.grad > 0).double().mean())


def test_a_memory_limit_counts_no_library_that_others_need():
    with ProcessPool(1, memory_limit=10**10) as pool:
        values(pool, facts, 1, library="torch")
        ((_, _, modules),) = values(pool, facts, 1)
    assert "torch" not in modules


def draw():
    return np.random.rand(4)  # noqa: NPY002


def test_processes_draw_different_numbers():
    with ProcessPool(2) as pool:
        first, second = values(pool, draw, 2)
    assert not np.allclose(first, second)


def end_server():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def test_the_next_call_has_a_new_server():
    with ProcessPool(2) as pool:
        ((_, server, _),) = values(pool, facts, 1)
        pool.submit("end", end_server)
        (outcome,) = pool.wait()
        assert outcome.cause == "died"
        ((_, another, _),) = values(pool, facts, 1)
    assert server != another


def test_an_interrupt_is_for_the_process_of_the_search_alone():
    with ProcessPool(1) as pool:
        ((pid, server, _),) = values(pool, facts, 1)
        os.kill(server, signal.SIGINT)
        os.kill(pid, signal.SIGINT)
        assert values(pool, os.getpid, 1) == [pid]


@pytest.mark.parametrize("has_run", [False, True])
def test_the_server_ends_with_the_pool(has_run):
    pool = ProcessPool(1)
    pool.submit("key", os.getpid)
    if has_run:
        pool.wait()
    server = pool._starter._server.pid
    pool.close()
    assert wait_until(lambda: not Path(f"/proc/{server}").exists())


THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


def test_a_server_with_threads_forks_nothing(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(THREAD)
    earlier = os.environ.get("PYTHONPATH", "")
    with monkeypatch.context() as patch, ProcessPool(2) as pool:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), earlier]))
        found = values(pool, facts, 2)
    assert {parent for _, parent, _ in found} == {os.getpid()}


def test_a_worker_starts_afresh_where_the_server_dies_before(monkeypatch):
    monkeypatch.setattr(fork_server, "START", "import sys; sys.exit(1)")
    with ProcessPool(1) as pool:
        ((_, parent, _),) = values(pool, facts, 1)
    assert parent == os.getpid()
