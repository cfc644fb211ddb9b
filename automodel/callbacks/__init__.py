"""Callbacks of a search, each called with an Optuna study and trial."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from automodel.exceptions import FitWarning, describe_error


@contextmanager
def running(
    callbacks: Sequence[Any], time_budget: float | None, n_trials: int | None
) -> Iterator[None]:
    """Set the callbacks up before the search, and close them in any case.

    One that cannot be closed warns: a fit that has ended is not lost by it.
    """
    with ExitStack() as stack:
        for callback in callbacks:
            if hasattr(callback, "setup"):
                callback.setup(time_budget=time_budget, n_trials=n_trials)
            stack.callback(_close, callback)
        yield


def _close(callback: Any) -> None:
    try:
        if hasattr(callback, "teardown"):
            callback.teardown()
    except Exception as error:  # noqa: BLE001  of the user
        warnings.warn(
            f"The callback {type(callback).__name__} could not be closed: "
            f"{describe_error(error)}",
            FitWarning,
            stacklevel=2,
        )
