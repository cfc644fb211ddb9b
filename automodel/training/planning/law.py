"""Law: how a quantity grows with the rows, from a statement and from measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Belief:
    """What is known of a law before anything is measured.

    Parameters
    ----------
    offset, of_offset : float
        Mean and standard deviation of the logarithm of value / statement for all rows.
    slope, of_slope : float
        Mean and standard deviation of the power of the rows by which this ratio grows.
    of_value : float
        Standard deviation of the logarithm of a measurement.
    """

    offset: float
    of_offset: float
    slope: float = 0.0
    of_slope: float = 0.12
    of_value: float = 0.15

    def log_ratio(self, share: float) -> float:
        """Return the mean of the logarithm of value / statement."""
        return self.offset + self.slope * math.log(share)


@dataclass(frozen=True)
class Law:
    """The logarithm of value / statement, as a line over the logarithm of the rows.

    Parameters
    ----------
    mean : ndarray of shape (2,)
        Offset and slope.
    covariance : ndarray of shape (2, 2)
        Their covariance.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fitted(
        cls,
        belief: Belief,
        shares: Sequence[float] = (),
        stated: Sequence[float] = (),
        values: Sequence[float] = (),
    ) -> Law:
        """Return the law after some measurements.

        Parameters
        ----------
        belief : Belief
            What was known before.
        shares : sequence of float
            Rows of each measurement, relative to all rows.
        stated, values : sequence of float
            What was stated, and what was measured.
        """
        mean = np.array([belief.offset, belief.slope])
        precision = np.diag([belief.of_offset**-2, belief.of_slope**-2])
        if not len(values):
            return cls(mean, np.linalg.inv(precision))
        design = np.column_stack([np.ones(len(shares)), np.log(shares)])
        errors = np.log(values) - np.log(stated) - design @ mean
        weighted = design.T / belief.of_value**2
        covariance = np.linalg.inv(precision + weighted @ design)
        return cls(mean + covariance @ weighted @ errors, covariance)

    def log_ratio(self, share: float) -> float:
        """Return the mean of the logarithm of value / statement."""
        return float(self._terms(share) @ self.mean)

    def deviation(self, share: float) -> float:
        """Return the standard deviation of the same logarithm."""
        terms = self._terms(share)
        return math.sqrt(terms @ self.covariance @ terms)

    def _terms(self, share: float) -> np.ndarray:
        return np.array([1.0, math.log(share)])
