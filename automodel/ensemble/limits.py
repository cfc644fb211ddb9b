"""Limits: what the models of an ensemble may cost together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-9


@dataclass(frozen=True)
class Limits:
    """What models cost, and what is left for an ensemble of some of them.

    Parameters
    ----------
    costs : ndarray of shape (n_models, n_limits)
        Costs of each model, as shares of the limits.
    left : ndarray of shape (n_limits,)
        What is left of each limit.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.ensemble.limits import Limits
    >>> limits = Limits(np.array([[0.6], [0.5], [0.3]]), np.ones(1))
    >>> limits.affordable(np.array([True, False, False]))
    array([ True, False,  True])
    """

    costs: np.ndarray
    left: np.ndarray

    @classmethod
    def none(cls, n_models: int) -> Limits:
        """Return what allows any ensemble of so many models."""
        return cls(np.zeros((n_models, 0)), np.zeros(0))

    def affordable(self, is_used: np.ndarray | None = None) -> np.ndarray:
        """Tell which models an ensemble of some of them may use.

        Those that it uses already may be used again. If it uses none and none is within
        the limits, the cheapest is affordable, since there has to be one.
        """
        if is_used is None:
            is_used = np.zeros(len(self.costs), dtype=bool)
        left = np.maximum(self.left - self.costs[is_used].sum(axis=0), 0.0)
        found = (self.costs <= left + ROUNDING).all(axis=1) | is_used
        if not found.any():
            found[np.argmin(self.costs.max(axis=1))] = True
        return found

    def after(self, is_used: np.ndarray) -> Limits:
        """Return the limits once these models are paid for, and cost nothing more."""
        left = self.left - self.costs[is_used].sum(axis=0)
        return Limits(np.where(is_used[:, None], 0.0, self.costs), left)

    def take(self, models) -> Limits:
        """Return the same for some of the models, or in another order."""
        return Limits(self.costs[models], self.left)
