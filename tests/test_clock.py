import math
import os
import pickle
import time

import pytest

from automodel.clock import (
    NO_DEADLINE,
    SYSTEM_CLOCK,
    Deadline,
    SystemClock,
    wall_time,
)
from automodel.exceptions import DeadlineReached
from tests.conftest import FakeClock


def test_a_deadline_comes_with_its_clock():
    clock = FakeClock(100.0)
    deadline = Deadline.after(10.0, clock)
    assert (deadline.moment, deadline.seconds_left) == (110.0, 10.0)
    deadline.check()
    clock.wait(9.0)
    assert not deadline.is_over
    clock.wait(1.0)
    assert deadline.is_over
    with pytest.raises(DeadlineReached):
        deadline.check()


@pytest.mark.parametrize("seconds", [None, math.inf])
def test_without_a_deadline_the_clock_is_not_read(seconds):
    clock = FakeClock(step=1.0)
    deadline = Deadline.after(seconds, clock)
    for same in (deadline, deadline.share(0.0), deadline.later(-5.0)):
        assert not same.exists
        assert not same.is_over
        assert same.seconds_left == math.inf
        same.check()
    assert clock.moment == 0.0


def test_a_share_is_one_of_the_time_left():
    clock = FakeClock(100.0)
    half = Deadline(120.0, clock).share(0.5)
    assert half.moment == 110.0
    clock.wait(5.0)
    assert half.seconds_left == 5.0


@pytest.mark.parametrize(
    ("seconds", "moment"), [(None, 120.0), (5.0, 105.0), (50.0, 120.0)]
)
def test_a_limit_can_only_bring_a_deadline_forward(seconds, moment):
    assert Deadline(120.0, FakeClock(100.0)).within(seconds).moment == moment


def test_a_limit_is_a_deadline_where_there_was_none():
    clock = FakeClock(100.0)
    deadline = Deadline(clock=clock).within(5.0)
    assert (deadline.moment, deadline.clock) == (105.0, clock)


def test_the_earliest_of_several_deadlines_is_their_minimum():
    early, late = Deadline(1.0, FakeClock()), Deadline(2.0, FakeClock())
    assert min(NO_DEADLINE, late, early) is early


def test_a_deadline_is_the_same_in_another_process():
    deadline = Deadline.after(60.0)
    copy = pickle.loads(pickle.dumps(deadline))
    assert copy == deadline
    assert isinstance(copy.clock, SystemClock)
    assert 0 < copy.seconds_left <= 60.0


def test_the_clock_of_the_system_is_monotonic(monkeypatch):
    moments, waited = iter([1.0, 2.0]), []
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    monkeypatch.setattr(time, "sleep", waited.append)
    assert [SYSTEM_CLOCK.now(), SYSTEM_CLOCK.now()] == [1.0, 2.0]
    SYSTEM_CLOCK.wait(0.5)
    assert waited == [0.5]


def test_the_wall_clock_is_that_of_files(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (1e9, 1e9))
    assert path.stat().st_mtime == wall_time()
