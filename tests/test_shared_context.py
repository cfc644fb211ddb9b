"""Blocks of several threads that overlap share one change of the process."""

import threading
from contextlib import contextmanager

import pytest

from automodel.shared_context import SharedContext


@pytest.fixture
def events():
    return []


@pytest.fixture
def shared(events):
    @contextmanager
    def changed():
        events.append("opened")
        try:
            yield
        finally:
            events.append("closed")

    return SharedContext(changed)


def test_the_last_to_leave_closes_the_context(shared, events):
    inside, may_leave = threading.Event(), threading.Event()

    def work():
        with shared:
            inside.set()
            may_leave.wait(10)

    thread = threading.Thread(target=work)
    with shared:
        thread.start()
        assert inside.wait(10)
    assert events == ["opened"]
    may_leave.set()
    thread.join()
    assert events == ["opened", "closed"]


def test_a_context_is_opened_again(shared, events):
    for _ in range(2):
        with shared:
            pass
    assert events == ["opened", "closed"] * 2


def test_an_error_within_a_block_is_raised_and_closes_the_context(shared, events):
    with pytest.raises(KeyError), shared:
        raise KeyError
    assert events == ["opened", "closed"]


def test_a_context_that_cannot_be_opened_is_tried_again(events):
    @contextmanager
    def broken():
        if not events:
            events.append("failed")
            raise OSError
        yield

    shared = SharedContext(broken)
    with pytest.raises(OSError), shared:
        pass
    with shared:
        events.append("inside")
    assert events == ["failed", "inside"]
