"""Sender: makes calls in a thread of its own, so that nobody waits for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from automodel.exceptions import describe_error

MOST_WAITING = 1000  # calls

Call = Callable[[], object]


class Sender:
    """Makes calls one after another in a daemon thread.

    The first call that fails is the last one, apart from the one that `close` is given:
    a server that is gone would take its time for each of them.

    Parameters
    ----------
    name : str
        Name of the thread.
    most_waiting : int, default=1000
        Calls that may wait. Those that come while so many wait are dropped.

    Attributes
    ----------
    error : str
        The error of the first call that has failed; "" if none has.
    n_dropped : int
        Calls that are not made, among them those that have failed.

    Examples
    --------
    >>> from automodel.callbacks.sender import Sender
    >>> sender, received = Sender("letters"), []
    >>> for letter in "abc":
    ...     sender.send(lambda letter=letter: received.append(letter))
    >>> sender.close(lambda: received.append("end"))
    >>> sender.wait(seconds=60.0)
    True
    >>> received
    ['a', 'b', 'c', 'end']
    """

    def __init__(self, name: str, most_waiting: int = MOST_WAITING):
        self.most_waiting = most_waiting
        self.error = ""
        self.n_dropped = 0
        self._waiting: deque[Call] = deque()
        self._last: Call | None = None
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def send(self, call: Call) -> None:
        """Have a call made after those that wait, or drop it; do not wait for it."""
        with self._changed:
            if self.error or len(self._waiting) >= self.most_waiting:
                self.n_dropped += 1
                return
            self._waiting.append(call)
            self._changed.notify()

    def close(self, last: Call) -> None:
        """Have a last call made, whatever has failed before."""
        with self._changed:
            self._last, self._is_closed = last, True
            self._changed.notify()

    def wait(self, seconds: float) -> bool:
        """Wait until the last call has ended, and return whether it has.

        The thread goes on after that time, as long as the process.
        """
        self._thread.join(max(seconds, 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            self._make(call)
        if self._last is not None:
            self._make(self._last)

    def _next(self) -> Call | None:
        """Wait for a call; return None when there are no more."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _make(self, call: Call) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  a server or a disk may do anything
            with self._changed:
                self.error = self.error or describe_error(error)
                self.n_dropped += 1 + len(self._waiting)
                self._waiting.clear()
