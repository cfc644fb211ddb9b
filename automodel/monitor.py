"""Monitor: connects a model that trains in steps with the search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from sklearn.base import BaseEstimator

from automodel.clock import NO_DEADLINE, Clock, Deadline
from automodel.exceptions import TrialPruned

MIN_FOLD_SECONDS = 0.3  # for training, even if encoding has taken all the time
SLOTS_PER_FOLD = 16  # reports of a fold: after steps 1, 2, 4, ..., and at its end

Steps = int | list[int]  # of a model, or of a model for each column of the target


class Monitor:
    """Connects a model that trains in steps with the search.

    A family reads from it when training must end, and reports scores to it.

    Parameters
    ----------
    deadline : Deadline, default=NO_DEADLINE
        Moment at which training must end.
    n_iterations : int or list of int, default=None
        Number of steps to train if there is no validation part, for all columns of the
        target or for each column. None stands for the default of the family.
    valid : tuple of (X, y, sample_weight), default=None
        Encoded validation part, with labels as the estimator knows them.
    score : callable, default=None
        `score(estimator)` returns the score on the validation part. Greater is better.
    should_prune : callable, default=None
        `should_prune(reports)` is called after each report and returns whether to prune
        the trial. `reports` maps slots to values.
    reports : dict of int to float, default=None
        The reports of earlier folds, to which those of this fold are added.
    fold : int, default=0
        Number of the fold in training.
    step_plan : list, default=None
        The `step_plan_used` of an earlier training, which is repeated without a clock.
    groups : ndarray of shape (n_samples,), default=None
        Group of each training row. A family that holds out rows must keep the rows of a
        group together.
    has_own_loss : bool, default=True
        Whether the family learns the loss of the objective. The losses of models that
        learn another one cannot be compared, so that only the scores at the ends of the
        folds are reported.

    Attributes
    ----------
    X_valid, y_valid, sample_weight_valid
        The validation part, or None.
    steps_used : int, list of int or None
        Number of steps of the returned model, set by the family. It is a list if each
        column of the target has a model of its own, with 0 for a column that was not
        trained. If the family `chooses_rounds`, it is the best number of steps on the
        validation part.
    steps_trained : int, list of int or None
        Number of steps that were trained, set by a family whose models may have fewer.
    steps_cut : int or None
        Number of steps that were trained before time was up, set by a family that may
        stop early. None if training ended for another reason.
    step_plan_used : list
        What a family needs to repeat the training without a clock, set by a family
        whose steps depend on the time. Its values must be serializable as JSON.
    n_columns : int
        Number of columns of the target that have a model of their own, one of which is
        in training. 1 if a model learns all of them.
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
        """The clock that measures how long a step takes."""
        return self.deadline.clock

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, infinite without one."""
        return self.deadline.seconds_left

    @property
    def expired(self) -> bool:
        """Whether to stop now, and return the model as it is."""
        return self.seconds_left <= 0

    def planned(self, steps: Iterable[int]) -> Iterator[int]:
        """Yield the steps of an earlier training, or else the given ones.

        They are recorded in `step_plan_used`.
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
        """Raise `DeadlineReached` if time is up, before there is a usable model."""
        self.deadline.check()

    def score(self, estimator: BaseEstimator) -> float:
        """Score the estimator on the validation part with the metric of the search."""
        return math.nan if self._score is None else self._score(estimator)

    def is_due(self, step: int) -> bool:
        """Tell whether a report after this step (1, 2, ...) would be used."""
        is_read = self._should_prune is not None and self._has_own_loss
        return is_read and _slot(step) > self._last_slot

    def report(self, step: int, value: float) -> None:
        """Report a value after `step` steps. Greater is better.

        Values are used at steps 1, 2, 4, 8 and so on, and only if trials are pruned.
        They must be comparable within a family.

        Raises
        ------
        TrialPruned
            If the candidate is worse than earlier ones of its family.
        """
        if self.is_due(step):
            self._last_slot = _slot(step)
            self._tell(self._last_slot, value)

    def report_folds_only(self) -> None:
        """Ignore reports within the fold, which are of another kind than those before.

        This is for families whose trials train models of different kinds.
        """
        self._has_own_loss = False

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
    """Divides the time for training among the folds of a trial.

    Imports and encoding do not count, since encoded rows are used by many trials.
    """

    def __init__(self, deadline: Deadline, time_limit: float | None, n_folds: int):
        self.deadline = deadline
        self._left = time_limit
        self._n_folds = n_folds
        self._start = 0.0

    def start_fold(self) -> Deadline:
        """Return the moment at which the training of a fold must end."""
        self._start = self.deadline.clock.now()
        if self._left is None:
            return self.deadline
        return self.deadline.within(max(self._left / self._n_folds, MIN_FOLD_SECONDS))

    def end_fold(self) -> None:
        """Subtract the time that the fold has taken."""
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
