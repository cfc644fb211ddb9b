"""Training in two phases: first the heads alone, then all layers, inside a time limit.

The steps of the first phase are several times as fast.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

FULL_STEP = 2.5  # steps with a frozen backbone that one of all layers takes as long as
LEAST_FULL_EPOCHS = 0.5  # with fewer, the time is better spent on the heads
RESERVE = 0.05  # share of the time that storing and predicting may take
FIRST_LOOK = 3  # steps, from which their time tells how many there can be
LOOK_GROWTH = 1.15  # growth of the steps from one look at the clock to the next
TOLERANCE = 0.02  # change of the steps in all that is none


class PhasePlanner:
    """Say how far each phase is, and plan for fewer steps where time is short.

    As with `StepPlanner`, the schedule of a phase completes inside a time limit that
    allows fewer steps than planned, and no clock is read without a limit. No step may
    outlast the time. All steps of the first phase come before the second one, which is
    left out if it would be very short.

    Parameters
    ----------
    n_frozen, n_full : int
        Steps planned for each phase.
    n_batches : int
        Steps of an epoch.
    seconds_left : callable, default=None
        Returns the seconds until training has to end.
    step_plan : sequence of (int, int, int), default=None
        Revisions of an earlier training, to repeat it without a clock.
    n_after : float, default=0.0
        Time that predictions take after the training, in steps of the first phase.

    Attributes
    ----------
    taken : int
        Steps so far.
    step_plan : list of (int, int, int)
        Revisions: after how many steps, how many there are to be in all, and how many
        of them in the first phase.
    """

    def __init__(
        self,
        n_frozen: int,
        n_full: int,
        n_batches: int,
        seconds_left: Callable[[], float] | None = None,
        step_plan: Sequence[Sequence[int]] | None = None,
        n_after: float = 0.0,
    ):
        self.n_frozen, self.n_full = n_frozen, n_full
        self.n_batches = n_batches
        self.n_after = n_after
        self.taken = 0
        self.step_plan: list[tuple[int, int, int]] = []
        self._given = deque(step_plan or ())
        self._end, self._frozen_end = n_frozen + n_full, n_frozen
        self._bend = 0, 0.0  # step and progress since which progress is straight
        limit = math.inf if seconds_left is None else seconds_left()
        self._seconds_left = seconds_left if math.isfinite(limit) else None
        self._reserve = RESERVE * limit if self._seconds_left else 0.0
        self._before = limit - self._reserve
        self._is_open = False  # whether there is a step whose time is not noted
        self._spent, self._counted = [0.0, 0.0], [0, 0]
        self._longest = [0.0, 0.0]
        self._first_pass = 0.0  # seconds of a frozen step in the first epoch
        self._next_look = FIRST_LOOK

    def advance(self) -> float:
        """Count a step and return the progress of its phase; training is over at 1."""
        while self._given and self._given[0][0] == self.taken:
            _, end, frozen_end = self._given.popleft()
            self._revise(end, frozen_end)
        left = self.note()
        if self._seconds_left is not None:
            self._look(left)
        if self.taken >= self._end:
            return 1.0
        if self.taken == self._frozen_end:  # the second phase begins
            self._bend = self.taken, 0.0
            self._next_look = self.taken + FIRST_LOOK
        self.taken += 1
        self._is_open = True
        return self._progress(self.taken - 0.5)

    def note(self) -> float:
        """Note how long the last step has taken, and return the seconds left.

        What comes before the next call, such as a report, is no part of a step.
        """
        if self._seconds_left is None:
            return math.inf
        left = self._seconds_left() - self._reserve
        seconds, self._before = self._before - left, left
        if self._is_open:
            phase = 0 if self.is_frozen else 1
            self._spent[phase] += seconds
            self._counted[phase] += 1
            self._longest[phase] = max(self._longest[phase], seconds)
            if self.taken <= self.n_batches and not phase:
                self._first_pass = self._spent[0] / self._counted[0]
        self._is_open = False
        return left

    def stop(self) -> None:
        """End training after the steps so far."""
        self._revise(self.taken, min(self.taken, self._frozen_end))

    @property
    def is_frozen(self) -> bool:
        """Whether the step that was counted last is one of the first phase."""
        return self.taken <= self._frozen_end

    @property
    def progress(self) -> float:
        """How far the whole training is, from 0 to 1, by the time that steps take."""
        n_frozen = min(self.taken, self._frozen_end)
        done = n_frozen + FULL_STEP * (self.taken - n_frozen)
        planned = self._frozen_end + FULL_STEP * (self._end - self._frozen_end)
        return done / planned if planned else 1.0

    def _progress(self, step: float) -> float:
        start, progress = self._bend
        end = self._frozen_end if self.is_frozen else self._end
        return progress + (1 - progress) * (step - start) / max(end - start, 1)

    def _look(self, left: float) -> None:
        frozen, full = self._seconds()
        left -= self.n_after * frozen
        if left <= 0 or (self.taken and left < self._next_seconds()):
            self.stop()
        elif self.taken >= self._next_look:
            self._next_look = math.ceil(LOOK_GROWTH * self.taken)
            end, frozen_end = self._affordable(left, max(frozen, 1e-9), full)
            if abs(end - self._end) > TOLERANCE * self._end:
                self._revise(end, frozen_end)

    def _seconds(self) -> tuple[float, float]:
        """Return the mean seconds of a step of each phase, as far as is known."""
        frozen, full = (
            spent / max(n, 1)
            for spent, n in zip(self._spent, self._counted, strict=True)
        )
        if not self._counted[1]:
            full = FULL_STEP * self._first_pass
        return frozen if self._counted[0] else full / FULL_STEP, full

    def _next_seconds(self) -> float:
        """Return about how long the next step may take."""
        if self.taken < self._frozen_end:
            return self._longest[0]
        return self._longest[1] if self._counted[1] else self._seconds()[1]

    def _affordable(self, left: float, frozen: float, full: float) -> tuple[int, int]:
        """Return how many steps there can be in all, and in the first phase."""
        planned = self.n_frozen + self.n_full
        full = max(full, 1e-9)
        if self.taken > self._frozen_end:
            return min(self.taken + int(left / full), planned), self._frozen_end
        n_left = self.n_frozen - self.taken
        n_full = int((left - n_left * frozen) / full)
        if n_full >= min(self.n_full, LEAST_FULL_EPOCHS * self.n_batches):
            return min(self.n_frozen + n_full, planned), self.n_frozen
        end = self.taken + min(n_left, int(left / frozen))
        return end, end

    def _revise(self, end: int, frozen_end: int) -> None:
        self.step_plan.append((self.taken, end, frozen_end))
        if self.taken:
            self._bend = self.taken, self._progress(self.taken)
        self._end, self._frozen_end = end, frozen_end
