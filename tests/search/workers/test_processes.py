"""Processes that run one call at a time, and how each of them may end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from threading import Timer

import pytest

from automodel.clock import Deadline
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.starting import Starter, resident_bytes
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
            pool.submit(mode, FAULTS[mode], Deadline.after(2.0))
        causes = {}
        while outcomes := pool.wait():
            causes |= {outcome.key: outcome.cause for outcome in outcomes}
    assert causes == {"hang": "time", "gil": "time"}
    assert time.monotonic() - start < 60  # of the 600 that they take


def test_what_is_put_off_does_not_end():
    with ProcessPool(1) as pool:
        pool.submit("key", partial(pow, 2, 10), Deadline(0.0))
        (outcome,) = pool.wait(lambda: pool.put_off("key", Deadline()))
    assert (outcome.value, outcome.cause) == (1024, "")


def test_memory_is_bounded():
    outcome = outcome_of(FAULTS["eat"], memory_limit=400_000_000)
    assert outcome.cause == "memory"
    assert outcome.error.startswith("MemoryError: it used ")
    assert "memory_limit=0.40 GB" in outcome.error


def keep_much():
    sys.modules["much"] = b"1" * 800_000_000
    return os.getpid()


@pytest.mark.parametrize(("most_kept", "n_processes"), [(None, 1), (10**12, 1), (0, 3)])
def test_a_process_that_keeps_too_much_makes_way(most_kept, n_processes):
    pids = set()
    with ProcessPool(1, most_kept=most_kept) as pool:
        for key in range(3):
            pool.submit(key, keep_much)
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
import os
import time
from functools import partial
from pathlib import Path
from automodel.search.workers.processes import ProcessPool
from tests.conftest import FAULTS

def hold(mode):
    Path(__file__).with_name(mode).write_text(str(os.getpid()))
    FAULTS[mode]()

if __name__ == "__main__":
    pool = ProcessPool(2)
    for mode in ("hang", "gil"):
        pool.submit(mode, partial(hold, mode))
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system for the parent")
def test_workers_go_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], env=environment())
    held = [tmp_path / mode for mode in ("hang", "gil")]
    assert wait_until(lambda: all(path.exists() and path.read_text() for path in held))
    pids = [int(path.read_text()) for path in held]
    assert all(resident_bytes(pid) > 0 for pid in pids)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not any(resident_bytes(pid) for pid in pids))


class Unreadable:
    """Cannot be loaded where it is sent to."""

    def __reduce__(self):
        return int, ("not a number",)


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("there are no words")


def raise_unspeakable():
    raise Unspeakable


def test_a_result_that_cannot_be_read_is_told():
    outcome = outcome_of(Unreadable)
    assert outcome.cause == "raised"
    assert outcome.error.startswith("its result cannot be read: ValueError")


def test_an_exception_that_cannot_be_told_is_named():
    outcome = outcome_of(raise_unspeakable)
    assert (outcome.cause, outcome.error) == ("raised", "Unspeakable")


def stop_itself(after):
    """Stop this process, in another thread; it neither reads nor writes from then."""
    Timer(after, os.kill, (os.getpid(), signal.SIGSTOP)).start()


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process")
def test_a_worker_that_reads_nothing_is_ended_at_its_moment():
    much = bytes(20_000_000)
    with ProcessPool(1) as pool:
        pool.submit("stop", partial(stop_itself, 0.3))
        pool.wait()
        time.sleep(1.0)
        pool.submit("much", partial(len, much), Deadline.after(1.0))
        (outcome,) = pool.wait()
        assert (outcome.key, outcome.cause) == ("much", "time")
        pool.submit("again", partial(len, much))
        assert [outcome.value for outcome in pool.wait()] == [len(much)]


class Slow:
    """A result of two parts; the process is stopped between them."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGSTOP)
        return bytes, (0,)


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process")
def test_a_worker_that_stops_while_it_answers_is_ended_at_its_moment():
    with ProcessPool(1) as pool:
        pool.submit("slow", Slow, Deadline.after(3.0))
        (outcome,) = pool.wait()
    assert outcome.cause == "time"


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_death_is_noticed_whatever_the_worker_left_behind(tmp_path):
    def leave():
        pid = os.fork()
        if pid == 0:
            time.sleep(600)
        (tmp_path / "pid").write_text(str(pid))
        os._exit(3)

    outcome = outcome_of(leave)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert outcome.cause == "died"
    assert outcome.error == "the worker ended itself with exit code 3"


def test_a_moment_may_be_far_away():
    with ProcessPool(1) as pool:
        pool.submit("key", os.getpid, Deadline.after(1e12))
        (outcome,) = pool.wait()
    assert outcome.cause == ""


def test_a_process_that_cannot_start_is_told(monkeypatch):
    def fail(*arguments):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Starter, "start", fail)
    outcome = outcome_of(os.getpid)
    assert outcome.cause == "unstarted"
    assert "Resource temporarily unavailable" in outcome.error


def test_an_interrupt_while_a_process_starts_leaves_nothing(monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Starter, "start", interrupt)
    with pytest.raises(KeyboardInterrupt), ProcessPool(1) as pool:
        pool.submit("key", os.getpid)
    assert pool.n_idle == 1


def test_an_answer_is_not_kept():
    with ProcessPool(1) as pool:
        pool.submit("key", partial(bytes, 10**6))
        pool.wait()
        assert pool._workers[0].exchange is None


DAEMON = """
import multiprocessing
from automodel.search.workers.processes import ProcessPool

def twice(x):
    return 2 * x

def nested(x):
    from functools import partial
    with ProcessPool(1) as pool:
        pool.submit("key", partial(twice, x))
        (outcome,) = pool.wait()
    assert multiprocessing.current_process().daemon
    return outcome

if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        print(pool.apply(nested, (21,)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_daemonic_process_has_workers_too(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    script = tmp_path / "script.py"
    script.write_text(DAEMON.format(method=method))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment()
    )
    assert "value=42" in done.stdout, done.stdout + done.stderr
