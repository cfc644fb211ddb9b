"""Processes that run one call at a time, and how each of them may end."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from automodel.search.processes import ProcessPool, resident_bytes
from tests.conftest import FAULTS, environment, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]


def outcome_of(call, *, memory_limit=None):
    with ProcessPool(1, memory_limit) as pool:
        pool.submit("key", call)
        (outcome,) = pool.wait()
    assert outcome.key == "key"
    return outcome


def test_a_call_returns_its_value():
    outcome = outcome_of(partial(pow, 2, 10))
    assert (outcome.value, outcome.cause, outcome.error) == (1024, "", "")
    assert outcome.seconds > 0


def test_a_function_of_a_script_is_sent_by_value():
    assert outcome_of(lambda: os.getpid()).value != os.getpid()


def test_an_exception_is_told():
    outcome = outcome_of(partial(int, "seven"))
    assert outcome.cause == "raised"
    assert outcome.error.startswith("ValueError: invalid literal")


def test_what_cannot_be_pickled_is_told():
    outcome = outcome_of(partial(next, (i for i in range(3))))
    assert outcome.cause == "raised"
    assert "cannot be sent to a worker: TypeError" in outcome.error


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("exit", "the worker ended itself with exit code 3"),
        ("segfault", "the worker was killed by SIGSEGV"),
    ],
)
def test_a_death_is_told(mode, error):
    outcome = outcome_of(FAULTS[mode])
    assert (outcome.cause, outcome.error) == ("died", error)


def test_idle_processes_can_be_ended():
    with ProcessPool(2) as pool:
        pool.submit("long", partial(time.sleep, 5.0))
        pids = []
        for key in ("before", "after"):
            pool.submit(key, os.getpid)
            (outcome,) = pool.wait()
            pids.append(outcome.value)
            pool.end_idle()
        (outcome,) = pool.wait()
    assert pids[0] != pids[1]
    assert (outcome.key, outcome.cause) == ("long", "")


def test_hangs_are_ended_at_their_moment():
    start = time.monotonic()
    with ProcessPool(2) as pool:
        for mode in ("hang", "gil"):
            pool.submit(mode, FAULTS[mode], time.monotonic() + 2.0)
        causes = {}
        while outcomes := pool.wait():
            causes |= {outcome.key: outcome.cause for outcome in outcomes}
    assert causes == {"hang": "time", "gil": "time"}
    assert time.monotonic() - start < 60  # of the 600 that they take


def test_memory_is_bounded():
    outcome = outcome_of(FAULTS["eat"], memory_limit=400_000_000)
    assert outcome.cause == "memory"
    assert outcome.error.startswith("MemoryError: it used ")
    assert "memory_limit=0.40 GB" in outcome.error


@pytest.mark.parametrize(("most_kept", "n_processes"), [(None, 1), (10**12, 1), (0, 3)])
def test_a_process_that_keeps_too_much_makes_way(most_kept, n_processes):
    pids = set()
    with ProcessPool(1, most_kept=most_kept) as pool:
        for key in range(3):
            pool.submit(key, os.getpid)
            (outcome,) = pool.wait()
            pids.add(outcome.value)
    assert len(pids) == n_processes


def test_the_others_go_on_when_one_dies():
    with ProcessPool(2) as pool:
        pool.submit("first", partial(pow, 2, 2))
        pool.submit("second", FAULTS["exit"])
        outcomes = {}
        while found := pool.wait():
            outcomes |= {outcome.key: outcome for outcome in found}
        assert outcomes["first"].value == 4
        assert outcomes["second"].cause == "died"
        pool.submit("third", partial(pow, 2, 3))
        assert [outcome.value for outcome in pool.wait()] == [8]


def test_a_process_that_was_killed_while_idle_is_replaced():
    with ProcessPool(1) as pool:
        pool.submit(0, os.getpid)
        (outcome,) = pool.wait()
        os.kill(outcome.value, signal.SIGKILL)
        time.sleep(0.2)
        pool.submit(1, os.getpid)
        (again,) = pool.wait()
    assert again.value not in (None, outcome.value)


def test_nothing_to_wait_for_is_no_wait():
    with ProcessPool(2) as pool:
        assert pool.wait() == []
        assert pool.n_idle == 2


PARENT = """
import time
from functools import partial
from pathlib import Path
from automodel.search.processes import ProcessPool
from tests.conftest import FAULTS

def hold(mode):
    Path(__file__).with_name(mode).touch()
    FAULTS[mode]()

if __name__ == "__main__":
    pool = ProcessPool(2)
    for mode in ("hang", "gil"):
        pool.submit(mode, partial(hold, mode))
    print(*(worker.process.pid for worker in pool._workers), flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for the parent")
def test_workers_go_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment()
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    held = [tmp_path / mode for mode in ("hang", "gil")]
    assert wait_until(lambda: all(path.exists() for path in held))
    assert all(resident_bytes(pid) > 0 for pid in pids)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not any(resident_bytes(pid) for pid in pids))
