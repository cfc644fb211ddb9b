"""Calls that may never answer."""

import sys
import threading

import pytest

from automodel.search.timeout import within


def test_a_call_that_answers_is_a_plain_one():
    assert within(lambda: 3, 10.0) == 3
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 / 0, 10.0)


def test_a_call_that_does_not_answer_is_not_waited_for():
    with pytest.raises(TimeoutError, match="no answer within 0.05 s"):
        within(threading.Event().wait, 0.05)


def test_a_call_that_would_end_the_process_is_an_error():
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        within(lambda: sys.exit(3), 10.0)
