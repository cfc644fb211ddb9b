"""Callbacks of a search, each called with an Optuna study and trial."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(
    callbacks: Sequence[Any], time_budget: float | None, n_trials: int | None
) -> Iterator[None]:
    """Set the callbacks up before the search, and close them in any case."""
    opened = []
    try:
        for callback in callbacks:
            if hasattr(callback, "setup"):
                callback.setup(time_budget=time_budget, n_trials=n_trials)
            opened.append(callback)
        yield
    finally:
        for callback in reversed(opened):
            if hasattr(callback, "teardown"):
                callback.teardown()
