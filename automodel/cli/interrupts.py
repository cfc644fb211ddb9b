"""Signals that end a fit early, after which its model is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible(model: Any) -> Iterator[tuple[list[str], list[int]]]:
    """Let SIGTERM end a fit as Ctrl-C does, and let the model be saved after either.

    Yields
    ------
    list of str
        The signals that ended the fit.
    list of int
        The signals that arrived after the fit. The second one interrupts the saving.
    """
    came: list[str] = []
    held: list[int] = []

    def interrupt(number, frame):
        if not hasattr(model, "ensemble_"):
            came.append("SIGTERM" if number == signal.SIGTERM else "Ctrl-C")
            raise KeyboardInterrupt
        held.append(number)
        if len(held) > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield came, held  # only the main thread may set handlers
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield came, held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Reminder:
    """Repeat an interrupt after a trial whose library has swallowed it.

    Exceptions cannot leave the callbacks that boosting libraries call from native code.
    """

    def __init__(self, interrupts: list[str]):
        self.interrupts = interrupts

    def __call__(self, study, trial) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.interrupts:
            raise KeyboardInterrupt
