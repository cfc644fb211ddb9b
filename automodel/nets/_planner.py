"""How far a training is, and how many steps it can take in the time it has."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from automodel.exceptions import DeadlineReached


class StopTraining(Exception):
    """End training; the weights stay as they are."""


def check_time(seconds_left: Callable[[], float] | None) -> None:
    """Raise `DeadlineReached` if no seconds are left; None stands for no limit."""
    if seconds_left is not None and seconds_left() <= 0:
        raise DeadlineReached


class StepPlanner:
    """Say how far training is, and plan for fewer steps where time is short.

    The learning rate follows it, so a schedule completes inside a time limit that
    allows fewer steps than planned. Without a limit no clock is read.

    Parameters
    ----------
    n_steps : int
        Steps planned.
    seconds_left : callable, default=None
        Returns the seconds until training has to end.
    step_plan : list of (int, int), default=None
        Revisions of an earlier training, to repeat it without a clock.

    Attributes
    ----------
    taken : int
        Steps so far.
    step_plan : list of (int, int)
        Revisions: after how many steps, and how many there are to be in all.
    """

    reserve = 0.05  # share of the time that storing and predicting may take
    first_look = 8  # steps, from which their time tells how many there can be
    look_growth = 1.15  # growth of the steps from one look at the clock to the next
    tolerance = 0.02  # change of the steps in all that is none

    def __init__(
        self,
        n_steps: int,
        seconds_left: Callable[[], float] | None = None,
        step_plan: Sequence[Sequence[int]] | None = None,
    ):
        self.n_steps = n_steps
        self.taken = 0
        self.step_plan: list[tuple[int, int]] = []
        self._given = deque(step_plan or ())
        self._end = n_steps
        self._bend = 0, 0.0  # step and progress since which progress is straight
        limit = math.inf if seconds_left is None else seconds_left()
        self._seconds_left = seconds_left if math.isfinite(limit) else None
        self._limit = limit
        self._next_look = self.first_look

    def advance(self) -> float:
        """Return the progress and count a step; training is over at 1."""
        while self._given and self._given[0][0] == self.taken:
            self._revise(self._given.popleft()[1])
        if self._seconds_left is not None:
            self._look(self._seconds_left() - self.reserve * self._limit)
        if self.taken >= self._end:
            return 1.0
        self.taken += 1
        return self._progress(self.taken - 0.5)

    def stop(self) -> None:
        """End training after the steps so far."""
        self._revise(self.taken)

    def _look(self, left: float) -> None:
        if left <= 0:
            self.stop()
        elif self.taken >= self._next_look:
            self._next_look = math.ceil(self.look_growth * self.taken)
            spent = (1 - self.reserve) * self._limit - left
            affordable = int(self.taken * (1 + left / max(spent, 1e-9)))
            end = min(self.n_steps, affordable)
            if abs(end - self._end) > self.tolerance * self._end:
                self._revise(end)

    def _revise(self, end: int) -> None:
        self.step_plan.append((self.taken, end))
        self._bend = self.taken, self._progress(self.taken)
        self._end = end

    @property
    def progress(self) -> float:
        """How far training is, from 0 to 1."""
        return self._progress(self.taken)

    def _progress(self, step: float) -> float:
        start, progress = self._bend
        left = max(self._end - start, 1)
        return progress + (1 - progress) * (step - start) / left


class SlowStepPlanner(StepPlanner):
    """A `StepPlanner` for steps of a second, of which none may outlast the time."""

    first_look = 3

    def __init__(self, n_steps, seconds_left=None, step_plan=None):
        super().__init__(n_steps, seconds_left, step_plan)
        self._longest, self._before = 0.0, self._limit

    def _look(self, left):
        if self.taken:
            self._longest = max(self._longest, self._before - left)
        self._before = left
        super()._look(left - self._longest)
