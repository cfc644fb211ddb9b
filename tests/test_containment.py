"""What a fit changes in its process is restored, whoever else is still at work."""

import threading
import warnings
from contextvars import copy_context

import pytest

from automodel.containment import contained


def hang(entered, may_leave):
    with contained():
        entered.set()
        may_leave.wait()


@pytest.fixture
def threads():
    """Return what starts a thread that stays in a block of its own."""
    started = []

    def start(call):
        entered, may_leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=call, args=(hang, entered, may_leave))
        thread.start()
        entered.wait()
        started.append((thread, may_leave))

    yield start
    for thread, may_leave in started:
        may_leave.set()
        thread.join()


def is_quiet():
    return bool(warnings.filters) and warnings.filters[0][:3:2] == ("ignore", Warning)


def test_a_thread_of_a_fit_that_never_leaves_keeps_nothing_contained(threads):
    with contained():
        threads(copy_context().run)
        assert is_quiet()
    assert not is_quiet()


def test_the_last_of_two_fits_restores(threads):
    with contained():
        threads(lambda call, *arguments: call(*arguments))
    assert is_quiet()
