"""Budget: the seconds and trials that a fit may use, and the time of its stages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from automodel.clock import SYSTEM_CLOCK, Clock, Deadline


class Budget:
    """One deadline for everything that `fit` does, counted from its call.

    Parameters
    ----------
    seconds : float or None
        Wall-clock seconds; None for no limit.
    n_trials : int or None
        Trials to ask for; None for no limit.
    clock : Clock, default=SYSTEM_CLOCK
        Tells the time.

    Attributes
    ----------
    deadline : Deadline
        The moment at which `fit` has to return.
    """

    def __init__(
        self,
        seconds: float | None,
        n_trials: int | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ):
        self.seconds = seconds
        self.n_trials = n_trials
        self.clock = clock
        self.start = clock.now()
        end = math.inf if seconds is None else self.start + seconds
        self.deadline = Deadline(end, clock)
        self.used: dict[str, float] = {}

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.deadline.seconds_left

    @property
    def elapsed(self) -> float:
        """Seconds since the call of `fit`."""
        return self.clock.now() - self.start

    def end_within(self, seconds: float) -> None:
        """Bring the deadline forward, after an interrupt."""
        self.deadline = self.deadline.within(seconds)

    def reserve(self, seconds: float) -> None:
        """Bring the deadline forward, to keep time for what follows the training."""
        self.deadline = self.deadline.later(-seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage `name`."""
        start = self.clock.now()
        try:
            yield
        finally:
            self.used[name] = self.used.get(name, 0.0) + self.clock.now() - start
