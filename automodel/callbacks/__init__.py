"""Callbacks of a search: callables that run in its loop, and trackers that do not."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from automodel.callbacks.tracker import (
    FitFacts,
    TrackedFit,
    Tracker,
    Tracking,
    seconds_reserved,
    seconds_to_wait,
)
from automodel.exceptions import FitWarning, describe_error

__all__ = [
    "FitFacts",
    "MLflowTracker",
    "ProgressBar",
    "TensorBoardTracker",
    "TrackedFit",
    "Tracker",
    "TrialLog",
    "running",
]

_HOMES = {
    "MLflowTracker": "automodel.callbacks.mlflow_tracker",
    "ProgressBar": "automodel.callbacks.progress",
    "TensorBoardTracker": "automodel.callbacks.tensorboard_tracker",
    "TrialLog": "automodel.callbacks.trial_log",
}


class RunningCallbacks:
    """The callbacks of one fit.

    Attributes
    ----------
    called : list of callable
        What the search calls with the study and the trial when a trial has ended.
    seconds_reserved : float
        Seconds of the time budget that are kept for the end of trackers.
    """

    def __init__(self, time_budget: float | None):
        self.called: list[Callable] = []
        self.seconds_reserved = 0.0
        self._time_budget = time_budget
        self._tracked: list[Tracking] = []

    def add(self, callback: Any, fit: FitFacts) -> None:
        """Call a callback, or what a tracker returns for this fit."""
        if isinstance(callback, Tracker):
            callback = Tracking(callback, fit)
            self._tracked.append(callback)
            self.seconds_reserved = seconds_reserved(self._time_budget)
        self.called.append(callback)

    def finish(self, fit: FitFacts, estimator: Any | None) -> None:
        """Let trackers log the end of the fit, and wait for them while there is time.

        The estimator is None if the fit has failed. Another call does nothing.
        """
        tracked, self._tracked = self._tracked, []
        if estimator is not None:
            estimator = copy.copy(estimator).set_params(callbacks=())
        for tracking in tracked:
            tracking.finish(estimator)
        for tracking in tracked:
            tracking.wait(seconds_to_wait(fit.deadline, estimator is None))


@contextmanager
def running(
    callbacks: Sequence[Any],
    time_budget: float | None,
    n_trials: int | None,
    fit: FitFacts,
) -> Iterator[RunningCallbacks]:
    """Set up the callbacks before the search, and tear them down in any case.

    An error of a teardown becomes a warning, so that a finished fit is not lost.
    """
    active = RunningCallbacks(time_budget)
    with ExitStack() as stack:
        for callback in callbacks:
            if hasattr(callback, "setup"):
                callback.setup(time_budget=time_budget, n_trials=n_trials)
            stack.callback(_close, callback)
        stack.callback(active.finish, fit, None)
        for callback in [*callbacks, *_of_autologging(callbacks)]:
            active.add(callback, fit)
        yield active


def _of_autologging(callbacks: Sequence[Any]) -> list[Tracker]:
    """Return the tracker that `mlflow.autolog` asks for, unless one is given."""
    from automodel.autologging import autolog_settings

    settings = autolog_settings()
    if settings is None:
        return []
    from automodel.callbacks.mlflow_tracker import MLflowTracker

    if any(isinstance(callback, MLflowTracker) for callback in callbacks):
        return []
    tags, log_model = settings.get("extra_tags"), settings.get("log_models", True)
    return [MLflowTracker(tags=tags, log_model=log_model)]


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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
