import threading

import pytest

from automodel.callbacks.sender import Sender


def test_calls_are_made_in_order_and_the_last_one_last():
    made, sender = [], Sender("test")
    for i in range(50):
        sender.send(lambda i=i: made.append(i))
    sender.close(lambda: made.append("last"))
    assert sender.wait(60.0)
    assert made == [*range(50), "last"]
    assert (sender.error, sender.n_dropped) == ("", 0)


def test_nobody_waits_for_a_call_that_hangs():
    goes_on, begun = threading.Event(), threading.Event()
    sender = Sender("test", most_waiting=2)
    sender.send(lambda: (begun.set(), goes_on.wait()))
    assert begun.wait(60.0)
    made = []
    for i in range(5):
        sender.send(lambda i=i: made.append(i))
    assert sender.n_dropped == 3
    sender.close(lambda: made.append("last"))
    assert not sender.wait(0.0)
    goes_on.set()
    assert sender.wait(60.0)
    assert made == [0, 1, "last"]


def test_after_an_error_only_the_last_call_is_made():
    made, is_sent, sender = [], threading.Event(), Sender("test")

    def fail():
        is_sent.wait()
        raise OSError("no server")

    sender.send(fail)
    for _ in range(3):
        sender.send(lambda: made.append("other"))
    is_sent.set()
    sender.close(lambda: made.append("last"))
    assert sender.wait(60.0)
    assert made == ["last"]
    assert (sender.error, sender.n_dropped) == ("OSError: no server", 4)


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_an_error_of_the_last_call_is_kept(error):
    sender = Sender("test")

    def fail():
        raise error("at the end")

    sender.close(fail)
    assert sender.wait(60.0)
    assert sender.error == f"{error.__name__}: at the end"


def test_the_thread_is_a_daemon_and_ends():
    before = threading.active_count()
    sender = Sender("test")
    assert sender._thread.daemon
    sender.close(lambda: None)
    assert sender.wait(60.0)
    assert threading.active_count() == before
