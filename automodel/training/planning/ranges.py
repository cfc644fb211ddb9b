"""Range: an estimate with a band around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Range:
    """An estimate: the likely value, and an 80 % band around it.

    Parameters
    ----------
    low, likely, high : float
        The 10th, 50th and 90th percentiles. They may be infinite, as for something
        that does not happen within the time budget.
    """

    low: float
    likely: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Range:
        """Return the range of the values of several simulated fits."""
        ordered = sorted(float(value) for value in values)
        ranks = (len(ordered) - 1) * np.array([0.1, 0.5, 0.9])
        return cls(*(ordered[round(rank)] for rank in ranks))

    def __add__(self, other: Range) -> Range:
        """Return the range of a sum of two figures that rise and fall together."""
        return Range(
            self.low + other.low, self.likely + other.likely, self.high + other.high
        )

    def __mul__(self, factor: float) -> Range:
        """Return the range in another unit."""
        return Range(self.low * factor, self.likely * factor, self.high * factor)
