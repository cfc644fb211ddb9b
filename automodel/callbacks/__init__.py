"""Callbacks of a search, which are called with an Optuna study and a trial."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from automodel.exceptions import FitWarning, describe_error


@contextmanager
def running(
    callbacks: Sequence[Any], time_budget: float | None, n_trials: int | None
) -> Iterator[None]:
    """Set up the callbacks before the search, and tear them down in any case.

    An error of a teardown becomes a warning, so that a finished fit is not lost.
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
    except Exception as error:  # noqa: BLE001  the user's code may raise anything
        warnings.warn(
            f"The callback {type(callback).__name__} could not be closed: "
            f"{describe_error(error)}",
            FitWarning,
            stacklevel=2,
        )
