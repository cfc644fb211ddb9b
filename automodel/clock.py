"""Clocks, and deadlines on them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Protocol

from automodel.exceptions import DeadlineReached


class Clock(Protocol):
    """A monotonic clock, the same for all processes of a machine."""

    def now(self) -> float:
        """Return the current time in seconds, which never decreases."""

    def wait(self, seconds: float) -> None:
        """Return after the given seconds."""


class SystemClock:
    """The monotonic clock of the system."""

    def now(self) -> float:
        """Return the current time, in seconds since an arbitrary start."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep for the given seconds."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, order=True)
class Deadline:
    """A moment at which something has to end.

    Deadlines can be ordered; the `min` of several is the earliest.

    Parameters
    ----------
    moment : float, default=inf
        The moment, in seconds of the clock. It is infinite if there is no deadline.
    clock : Clock, default=SYSTEM_CLOCK
        The clock that is read.

    Examples
    --------
    >>> from automodel.clock import Deadline
    >>> Deadline().is_over, Deadline.after(-1.0).is_over
    (False, True)
    """

    moment: float = math.inf
    clock: Clock = field(default=SYSTEM_CLOCK, compare=False, repr=False)

    @classmethod
    def after(cls, seconds: float | None, clock: Clock = SYSTEM_CLOCK) -> Deadline:
        """Return the deadline in the given seconds from now; None means no deadline."""
        if seconds is None or seconds == math.inf:
            return cls(clock=clock)
        return cls(clock.now() + seconds, clock)

    @property
    def exists(self) -> bool:
        """Whether there is a deadline. Without one, the clock is not read."""
        return self.moment < math.inf

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, negative after it and infinite without one."""
        return self.moment - self.clock.now() if self.exists else math.inf

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.exists and self.clock.now() >= self.moment

    def check(self) -> None:
        """Raise `DeadlineReached` if the deadline has passed."""
        if self.is_over:
            raise DeadlineReached

    def share(self, share: float) -> Deadline:
        """Return the deadline after the given share of the remaining time."""
        if not self.exists:
            return self
        return Deadline.after(share * self.seconds_left, self.clock)

    def within(self, seconds: float | None) -> Deadline:
        """Return this deadline, or the one in the given seconds if that is earlier."""
        if seconds is None:
            return self
        return Deadline(min(self.moment, self.clock.now() + seconds), self.clock)

    def later(self, seconds: float) -> Deadline:
        """Return a deadline that is the given seconds later, or earlier if negative."""
        return Deadline(self.moment + seconds, self.clock)


NO_DEADLINE = Deadline()


def wall_time() -> float:
    """Return the seconds since 1970, as in the modification times of files."""
    return time.time()
