"""Budget: the seconds and the trials that a fit may use, and what it used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Budget:
    """One deadline for everything that `fit` does, counted from its call.

    Parameters
    ----------
    seconds : float or None
        Wall-clock seconds; None for no limit.
    n_trials : int or None
        Trials to ask for; None for no limit.
    clock : callable, default=time.monotonic
        Returns the moment in seconds.
    """

    def __init__(
        self,
        seconds: float | None,
        n_trials: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.seconds = seconds
        self.n_trials = n_trials
        self.clock = clock
        self.start = clock()
        self._end = None if seconds is None else self.start + seconds
        self.used: dict[str, float] = {}

    @property
    def deadline(self) -> float | None:
        """The moment at which `fit` has to return."""
        return self._end

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return math.inf if self.deadline is None else self.deadline - self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the call of `fit`."""
        return self.clock() - self.start

    def end_within(self, seconds: float) -> None:
        """Bring the deadline forward, after an interrupt."""
        self._end = self.clock() + min(seconds, self.seconds_left)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Book the time of the block under `name`."""
        start = self.clock()
        try:
            yield
        finally:
            self.used[name] = self.used.get(name, 0.0) + self.clock() - start
