"""Monitor: the one line between a model that trains in steps and its search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from sklearn.base import BaseEstimator

from automodel.clock import NO_DEADLINE, Clock, Deadline
from automodel.exceptions import TrialPruned

MIN_FOLD_SECONDS = 0.3  # for training, so that a slow encoding leaves some
SLOTS_PER_FOLD = 16  # reports of one fold: steps 1, 2, 4, ..., then the fold's end

Steps = int | list[int]  # of one model, or of that of each column of the target


class Monitor:
    """The one line between a model that trains in steps and its search.

    Parameters
    ----------
    deadline : Deadline, default=NO_DEADLINE
        Moment at which training has to end.
    n_iterations : int or list of int, default=None
        Steps to train when there is no validation part, of all columns of the target or
        of each; None for the family's own.
    valid : tuple of (X, y, sample_weight), default=None
        Encoded validation part, labels as the estimator knows them.
    score : callable, default=None
        `score(estimator)` on the validation part, greater is better.
    should_prune : callable, default=None
        `should_prune(reports)`, asked after each report; `reports` maps slots to
        values.
    fold : int, default=0
        Number of the fold in training.
    step_plan : list, default=None
        The `step_plan_used` of an earlier training, to repeat it without a clock.
    groups : ndarray of shape (n_samples,), default=None
        Group of each training row. Rows of one group must not be parted where a family
        holds out rows of its own.
    has_own_loss : bool, default=True
        Whether the loss that is learned is that of the objective. Reports of another
        one could not be compared, and are left to the ends of the folds.

    Attributes
    ----------
    X_valid, y_valid, sample_weight_valid
        The validation part, or None.
    steps_used : int, list of int or None
        To be set by the family: steps that the returned model is made of, in a list if
        each column of the target has a model of its own, with 0 for a column that was
        not trained. Where a family `chooses_rounds`, those that are best on the
        validation part.
    steps_trained : int, list of int or None
        To be set by a family that `chooses_rounds`: all those that the model has.
    steps_cut : int or None
        To be set by a family that drops steps which early stopping on rows of its own
        found to be too many: the steps that it trained, if the clock ended them. None
        if its schedule or its patience did.
    step_plan_used : list
        To be set by a family whose model depends on how the steps were cut to the
        time: what it needs to train the same again, in values that JSON can hold.
    n_columns : int
        Columns of the target that each have a model of their own, of which this trains
        one; 1 where a model learns all of them.
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
        """Whether there is a validation part to stop early on."""
        return self.X_valid is not None

    @property
    def clock(self) -> Clock:
        """What tells how long a step takes."""
        return self.deadline.clock

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.deadline.seconds_left

    @property
    def expired(self) -> bool:
        """Whether to stop now and return the model as it is."""
        return self.seconds_left <= 0

    def planned(self, steps: Iterable[int]) -> Iterator[int]:
        """Yield steps that depend on the time left, or those of an earlier training.

        They are noted in `step_plan_used`.
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
        """Raise `DeadlineReached` if expired, where no model is usable yet."""
        self.deadline.check()

    def score(self, estimator: BaseEstimator) -> float:
        """Score the estimator on the validation part with the search's metric."""
        return math.nan if self._score is None else self._score(estimator)

    def is_due(self, step: int) -> bool:
        """Tell whether a report at this step (1, 2, ...) would be read."""
        is_read = self._should_prune is not None and self._has_own_loss
        return is_read and _slot(step) > self._last_slot

    def report(self, step: int, value: float) -> None:
        """Report a value, greater is better, after `step` steps.

        Read at steps 1, 2, 4, 8 and so on; all values of one family must be of
        one kind. Does nothing where no one prunes.

        Raises
        ------
        TrialPruned
            If the candidate is worse than its family's earlier ones.
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
    """Shares the time for training among the folds of a trial.

    Imports and encoding are left out: what is encoded serves many trials.
    """

    def __init__(self, deadline: Deadline, time_limit: float | None, n_folds: int):
        self.deadline = deadline
        self._left = time_limit
        self._n_folds = n_folds
        self._start = 0.0

    def start_fold(self) -> Deadline:
        """Return the moment at which the training of a fold has to end."""
        self._start = self.deadline.clock.now()
        if self._left is None:
            return self.deadline
        return self.deadline.within(max(self._left / self._n_folds, MIN_FOLD_SECONDS))

    def end_fold(self) -> None:
        """Book the time that the fold took."""
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
