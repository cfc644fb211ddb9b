"""The clock that a fit reads, and moments on it at which something has to end."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Protocol

from automodel.exceptions import DeadlineReached


class Clock(Protocol):
    """What tells the time. All processes of a machine share one."""

    def now(self) -> float:
        """Return the moment, in seconds that only ever increase."""

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass."""


class SystemClock:
    """The monotonic clock of the system."""

    def now(self) -> float:
        """Return the moment, in seconds since some start of the system's own."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, order=True)
class Deadline:
    """A moment at which something has to end; the earliest of several is their `min`.

    Parameters
    ----------
    moment : float, default=inf
        The moment, in the seconds of the clock; infinite for none.
    clock : Clock, default=SYSTEM_CLOCK
        Tells when it has come.

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
        """Return the moment after so many seconds from now; None for no deadline."""
        if seconds is None or seconds == math.inf:
            return cls(clock=clock)
        return cls(clock.now() + seconds, clock)

    @property
    def exists(self) -> bool:
        """Whether there is such a moment. Without one nothing depends on the clock."""
        return self.moment < math.inf

    @property
    def seconds_left(self) -> float:
        """Seconds until the moment, negative after it; infinite without one."""
        return self.moment - self.clock.now() if self.exists else math.inf

    @property
    def is_over(self) -> bool:
        """Whether the moment has come."""
        return self.exists and self.clock.now() >= self.moment

    def check(self) -> None:
        """Raise `DeadlineReached` if the moment has come."""
        if self.is_over:
            raise DeadlineReached

    def share(self, share: float) -> Deadline:
        """Return the moment at which a share of the time left is over."""
        if not self.exists:
            return self
        return Deadline.after(share * self.seconds_left, self.clock)

    def within(self, seconds: float | None) -> Deadline:
        """Return this deadline, or the one after so many seconds if that is earlier."""
        if seconds is None:
            return self
        return Deadline(min(self.moment, self.clock.now() + seconds), self.clock)

    def later(self, seconds: float) -> Deadline:
        """Return the moment so many seconds after this one; before it, if negative."""
        return Deadline(self.moment + seconds, self.clock)


NO_DEADLINE = Deadline()


def wall_time() -> float:
    """Return the seconds since 1970, the clock of modification times of files."""
    return time.time()
