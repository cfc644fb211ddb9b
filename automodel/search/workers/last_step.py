"""A step beside the last refits of a search."""

from __future__ import annotations

import threading
from collections.abc import Callable

from automodel.clock import Deadline

Step = Callable[[], None]


class LastStep:
    """A call in a thread, which begins when it is told to or when time gets short.

    A context manager: the end of the block waits for the call, as long as there is
    time, and an error in the block prevents a call that has not begun.

    Parameters
    ----------
    call : callable
        The step.
    deadline : Deadline
        Moment from which it is not waited for.
    seconds : float
        What it will probably take.
    """

    def __init__(self, call: Step, deadline: Deadline, seconds: float):
        self._call, self._deadline = call, deadline
        self._is_time, self._is_cancelled = threading.Event(), False
        left = self._seconds_left()
        self._patience = None if left is None else max(left - seconds, 0.0)
        # One that is not waited for must not keep the process from its end.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Have it begin now."""
        self._is_time.set()

    def __enter__(self) -> LastStep:
        return self

    def __exit__(self, kind, *exc_info) -> None:
        try:
            if kind is None:
                self._is_time.set()
                self._thread.join(self._seconds_left())
        finally:
            self._is_cancelled = True
            self._is_time.set()

    def _run(self) -> None:
        self._is_time.wait(self._patience)
        if not self._is_cancelled:
            self._call()

    def _seconds_left(self) -> float | None:
        if not self._deadline.exists:
            return None
        return min(max(self._deadline.seconds_left, 0.0), threading.TIMEOUT_MAX)
