"""Tracker: the base class of what shows a fit elsewhere, without delaying it."""

from __future__ import annotations

import atexit
import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automodel.callbacks.sender import Sender
from automodel.clock import NO_DEADLINE, Deadline
from automodel.exceptions import FitWarning

if TYPE_CHECKING:
    import optuna

    from automodel.task import Task

RESERVED_SHARE, MOST_RESERVED = 0.05, 10.0  # of a time budget, for what comes last
MOST_SECONDS = 60.0  # to wait at the end of a fit without a time budget
LOOK_SECONDS = 1.0  # between two looks at a server that is waited for
MOST_AFTER_ERROR = 5.0  # to wait after a fit that has failed
EXIT_SECONDS = 10.0  # to wait at the end of the process


@dataclass(frozen=True)
class FitFacts:
    """What is known of a fit when its search begins.

    Parameters
    ----------
    estimator : AutoEstimator
        The estimator, which is not fitted yet.
    task : Task
        The facts about the problem.
    metric_name : str
        Name of the score, of which greater values are better.
    X, y : object
        The data of `fit`, as they were checked.
    fingerprint : callable
        Returns a dict of str that is the same for the same data and splits. It reads
        all of the data.
    deadline : Deadline
        The moment at which `fit` returns.
    """

    estimator: Any
    task: Task
    metric_name: str
    X: Any
    y: Any
    fingerprint: Callable[[], dict[str, Any]]
    deadline: Deadline = NO_DEADLINE


class TrackedFit(ABC):
    """What a tracker does about one fit.

    A thread of the fit calls the three methods one after another, and never two at a
    time. An error of one becomes a `FitWarning` when the fit ends, and trials that
    follow are not logged.
    """

    @abstractmethod
    def begin(self) -> None:
        """Open what the trials are logged to."""

    @abstractmethod
    def log_trial(self, trial: optuna.trial.FrozenTrial) -> None:
        """Log a trial that has ended."""

    @abstractmethod
    def finish(self, estimator: Any | None) -> None:
        """Log what is known at the end, and close what was opened.

        It is not called if `begin` has failed.

        Parameters
        ----------
        estimator : AutoEstimator or None
            A copy of the fitted estimator without its callbacks, or None if the fit has
            failed.
        """

    def answers(self, end: Deadline) -> bool:
        """Tell whether it makes sense to wait for what is logged.

        A fit that waits calls this from its own thread. The answer has to come before
        `end`.
        """
        return True


class Tracker(ABC):
    """Base class of the trackers, which show elsewhere what happens in a fit.

    A tracker is given to an estimator like a callback. It holds settings only, so that
    it can be cloned, pickled, and used by several fits at the same time. Everything
    that may take time happens in a thread, for which the search does not wait. At the
    end the fit waits as long as its time budget allows, of which 5 % are kept for that.
    The rest is logged after the fit, also at the end of the process, which waits for
    ten seconds.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel import AutoClassifier
    >>> from automodel.callbacks import TrackedFit, Tracker
    >>> class Families(TrackedFit):
    ...     def begin(self):
    ...         self.seen = []
    ...     def log_trial(self, trial):
    ...         self.seen.append(trial.user_attrs["family"])
    ...     def finish(self, estimator):
    ...         print(self.seen, type(estimator).__name__)
    >>> class FamiliesTracker(Tracker):
    ...     def track(self, fit):
    ...         return Families()
    >>> model = AutoClassifier(
    ...     families=["linear"],
    ...     n_trials=2,
    ...     time_budget=None,
    ...     callbacks=[FamiliesTracker()],
    ... )
    >>> model = model.fit(*load_iris(return_X_y=True))
    ['linear', 'linear'] AutoClassifier
    """

    @abstractmethod
    def track(self, fit: FitFacts) -> TrackedFit:
        """Return what logs a fit.

        This is called in the thread of the fit and must not wait for a server.

        Raises
        ------
        MissingLibraryError
            If a library is missing. An error ends the fit before any model is trained.
        """


class Tracking:
    """A fit and one of its trackers: hands over what happens, and waits at the end."""

    def __init__(self, tracker: Tracker, fit: FitFacts):
        self._name = type(tracker).__name__
        self._fit = tracker.track(fit)
        self._sender = Sender(f"automodel-{self._name}")
        self._has_begun = False
        self._sender.send(self._begin)

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Log a trial, some time later."""
        trial = copy.copy(trial)  # a callback of the user may change its own
        self._sender.send(lambda: self._fit.log_trial(trial))

    def finish(self, estimator: Any | None) -> None:
        """Log the end of the fit, some time later."""
        self._sender.close(lambda: self._finish(estimator))

    def wait(self, seconds: float) -> None:
        """Wait until the end is logged, and warn if anything is not logged by then.

        A server that does not answer any more is not waited for.
        """
        end, is_gone, is_done = Deadline.after(seconds), False, False
        try:
            while not is_done and not is_gone:
                is_done = self._sender.wait(min(end.seconds_left, LOOK_SECONDS))
                if not is_done and end.is_over:
                    break
                is_gone = not is_done and not self._fit.answers(end)
        except KeyboardInterrupt:
            pass
        error, n_dropped = self._sender.error, self._sender.n_dropped
        if error:
            self._warn(f"{n_dropped} of its calls failed or were left out. {error}")
        elif is_gone:
            self._warn("what it logs to does not answer any more.")
        elif not is_done:
            atexit.register(self._sender.wait, EXIT_SECONDS)
            self._warn("it takes longer than the fit, and goes on in the background.")
        elif n_dropped:
            self._warn(f"{n_dropped} trials were left out, since it was too slow.")

    def _begin(self) -> None:
        self._fit.begin()
        self._has_begun = True

    def _finish(self, estimator: Any | None) -> None:
        if self._has_begun:
            self._fit.finish(estimator)

    def _warn(self, what: str) -> None:
        message = f"{self._name} has not logged all of the fit: {what}"
        warnings.warn(message, FitWarning, stacklevel=5)


def seconds_reserved(time_budget: float | None) -> float:
    """Return the seconds of a time budget that are kept for the end of trackers."""
    if time_budget is None:
        return 0.0
    return min(RESERVED_SHARE * time_budget, MOST_RESERVED)


def seconds_to_wait(deadline: Deadline, has_failed: bool) -> float:
    """Return the most seconds to wait for trackers at the end of a fit."""
    if has_failed:
        return max(min(deadline.seconds_left, MOST_AFTER_ERROR), 0.0)
    return deadline.seconds_left if deadline.exists else MOST_SECONDS
