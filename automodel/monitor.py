"""Monitor: how a model that trains in steps communicates with its search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from sklearn.base import BaseEstimator

from automodel.clock import NO_DEADLINE, Clock, Deadline
from automodel.exceptions import TrialPruned

MIN_FOLD_SECONDS = 0.3  # always left for training, however slow the encoding is
SLOTS_PER_FOLD = 16  # reports of one fold: steps 1, 2, 4, ..., then the fold's end

Steps = int | list[int]  # of one model, or of the model of each column of the target


class Monitor:
    """Connect a model that trains in steps with its search.

    The model asks the monitor for its time and its validation part, and reports its
    progress and its number of steps.

    Parameters
    ----------
    deadline : Deadline, default=NO_DEADLINE
        Deadline of the training.
    n_iterations : int or list of int, default=None
        Steps to train if there is no validation part, for all columns of the target or
        for each of them. None leaves the number to the family.
    valid : tuple of (X, y, sample_weight), default=None
        Encoded validation part, with labels as the estimator knows them.
    score : callable, default=None
        Function that is called as `score(estimator)` and returns the score on the
        validation part; greater is better.
    should_prune : callable, default=None
        Function that is called as `should_prune(reports)` after each report; `reports`
        maps slots to values.
    fold : int, default=0
        Number of the fold in training.
    step_plan : list, default=None
        The `step_plan_used` of an earlier training, to repeat it without a clock.
    groups : ndarray of shape (n_samples,), default=None
        Group of each training row. A family that holds out rows must keep the rows of a
        group together.
    has_own_loss : bool, default=True
        Whether the model learns the loss of the objective. If it learns another loss,
        its reports are not comparable, and only the ends of the folds are reported.

    Attributes
    ----------
    X_valid, y_valid, sample_weight_valid
        The validation part, or None.
    steps_used : int, list of int or None
        Number of steps of the returned model, which the family sets. It is a list if
        each column of the target has its own model, with 0 for a column that was not
        trained. A family that `chooses_rounds` sets the number of steps that is best on
        the validation part.
    steps_trained : int, list of int or None
        Number of all steps of the model, which a family that `chooses_rounds` sets.
    steps_cut : int or None
        Number of trained steps if the clock ended the training. It is set by a family
        that stops early on rows that it holds out and then drops later steps. None if
        the schedule or the patience ended the training.
    step_plan_used : list
        What a family needs to repeat the training, in values that JSON can hold. It is
        set by a family whose model depends on how the steps were cut to the time.
    n_columns : int
        Number of columns of the target that have their own models, of which this
        training is one; 1 if a single model learns all columns.
    """

    def __init__(
        self,
        deadline: Deadline = NO_DEADLINE,
        *,
        n_iterations: Steps | None = None,
        valid: tuple | None = None,
        score: Callable[[BaseEstimator], float] | None = None,
        should_prune: Callable[[dict[int, float]], bool] | None = None,
        reports: dict[int, float] | None = None,
        fold: int = 0,
        step_plan: list | None = None,
        groups: np.ndarray | None = None,
        has_own_loss: bool = True,
    ):
        self.deadline = deadline
        self.n_iterations = n_iterations
        self.X_valid, self.y_valid, self.sample_weight_valid = valid or (None,) * 3
        self.groups = groups
        self.steps_used: Steps | None = None
        self.steps_trained: Steps | None = None
        self.steps_cut: int | None = None
        self.step_plan = step_plan
        self.step_plan_used: list = []
        self.reports = {} if reports is None else reports
        self.n_columns = 1
        self._score = score
        self._should_prune = should_prune
        self._has_own_loss = has_own_loss
        self._first_slot = fold * SLOTS_PER_FOLD
        self._last_slot = -1

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part for early stopping."""
        return self.X_valid is not None

    @property
    def clock(self) -> Clock:
        """Clock of the deadline, to measure how long a step takes."""
        return self.deadline.clock

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.deadline.seconds_left

    @property
    def expired(self) -> bool:
        """Whether time is up, so that the model should be returned as it is."""
        return self.seconds_left <= 0

    def planned(self, steps: Iterable[int]) -> Iterator[int]:
        """Yield the given steps, or those of `step_plan` if there is one.

        The steps may depend on the time left. They are stored in `step_plan_used`.
        """
        for step in self.step_plan or steps:
            self.step_plan_used.append(step)
            yield step

    @property
    def pace(self) -> list | None:
        """The former name of `step_plan`."""
        _warn_of_name("pace", "step_plan")
        return self.step_plan

    @property
    def pace_used(self) -> list:
        """The former name of `step_plan_used`."""
        _warn_of_name("pace_used", "step_plan_used")
        return self.step_plan_used

    @pace_used.setter
    def pace_used(self, steps: list) -> None:
        """Set `step_plan_used` by its former name."""
        _warn_of_name("pace_used", "step_plan_used")
        self.step_plan_used = steps

    def paced(self, steps: Iterable[int]) -> Iterator[int]:
        """Call `planned` by its former name."""
        _warn_of_name("paced", "planned")
        return self.planned(steps)

    def check_time(self) -> None:
        """Raise `DeadlineReached` if time is up; for use before a model is usable."""
        self.deadline.check()

    def score(self, estimator: BaseEstimator) -> float:
        """Score the estimator on the validation part with the search's metric."""
        return math.nan if self._score is None else self._score(estimator)

    def is_due(self, step: int) -> bool:
        """Tell whether a report at this step (1, 2, ...) would be used."""
        is_read = self._should_prune is not None and self._has_own_loss
        return is_read and _slot(step) > self._last_slot

    def report(self, step: int, value: float) -> None:
        """Report a value after `step` steps, where greater is better.

        Reports are used at steps 1, 2, 4, 8 and so on, if there is a pruner. All values
        of a family must be of the same kind.

        Raises
        ------
        TrialPruned
            If the pruner stops the trial.
        """
        if self.is_due(step):
            self._last_slot = _slot(step)
            self._tell(self._last_slot, value)

    def report_fold(self, value: float) -> None:
        """Report the mean score of the folds so far, at the end of a fold."""
        self._tell(SLOTS_PER_FOLD - 1, value)

    def _tell(self, slot: int, value: float) -> None:
        if self._should_prune is None:
            return
        self.reports[self._first_slot + slot] = float(value)
        if self._should_prune(self.reports):
            raise TrialPruned


class TrialTime:
    """Divide the time for training among the folds of a trial.

    Imports and encoding do not count, because an encoding serves many trials.
    """

    def __init__(self, deadline: Deadline, time_limit: float | None, n_folds: int):
        self.deadline = deadline
        self._left = time_limit
        self._n_folds = n_folds
        self._start = 0.0

    def start_fold(self) -> Deadline:
        """Return the deadline for the training of a fold."""
        self._start = self.deadline.clock.now()
        if self._left is None:
            return self.deadline
        return self.deadline.within(max(self._left / self._n_folds, MIN_FOLD_SECONDS))

    def end_fold(self) -> None:
        """Subtract the time that the fold took."""
        if self._left is not None:
            self._left -= self.deadline.clock.now() - self._start
        self._n_folds -= 1


def mean_steps(steps: Sequence[Steps]) -> np.ndarray:
    """Return the mean steps of several models, rounded, for each column if it has some.

    Those of 0 do not count: a column that had one value in a fold was not trained.
    """
    mean = np.ma.masked_equal(steps, 0).mean(axis=0)
    return np.rint(np.ma.filled(mean, 0))


def _warn_of_name(former: str, name: str) -> None:
    warnings.warn(
        f"Monitor.{former} has moved to Monitor.{name}, and its former name will be "
        "removed in the next release.",
        FutureWarning,
        stacklevel=3,
    )


def _slot(step: int) -> int:
    return min(int(step).bit_length() - 1, SLOTS_PER_FOLD - 2)
