"""TrainingPlan: what a fit will take in time and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from automodel.training.planning.machine import Machine


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


@dataclass(frozen=True)
class Advice:
    """What another machine, or another time budget, would change.

    Parameters
    ----------
    change : str
        What is changed: "half the cores", "twice the cores", "half the budget", "twice
        the budget", or "a GPU".
    text : str
        A sentence that says whether it is worthwhile.
    seconds : Range
        Seconds of the whole fit after the change.
    n_trials : Range
        Trials of all families after the change.
    peak_memory : Range
        Bytes of memory after the change.
    """

    change: str
    text: str
    seconds: Range
    n_trials: Range
    peak_memory: Range


@dataclass(frozen=True)
class TrainingPlan:
    """What a fit will take in time and memory, as `plan` of an estimator returns it.

    Attributes
    ----------
    machine : Machine
        The hardware that the plan is for.
    n_jobs : int
        Number of trials that run at a time.
    time_budget : float or None
        The `time_budget` of the estimator, in seconds.
    max_trials : int or None
        The `n_trials` of the estimator.
    seconds : Range
        Seconds of the whole fit.
    seconds_to_first_model : Range
        Seconds until the first trial has ended.
    seconds_to_convergence : Range
        Seconds until the search ends by itself, because its score no longer improves;
        infinite if it does not within the budget.
    n_trials : dict of str to Range
        Trials of each family that is searched.
    total_trials : Range
        Trials of all families.
    peak_memory : Range
        Bytes of memory that the process of `fit` and its workers hold together at
        most.
    memory_parent : float
        Likely share of the process of `fit`, in bytes.
    memory_worker : float
        Likely peak of the largest worker, in bytes; 0 if trials run in the process of
        `fit`.
    memory_limit : int or None
        The `memory_limit` of the estimator, in bytes.
    seconds_per_row : Range
        Seconds that the fitted ensemble takes to predict a row, within a large batch.
    left_out : dict of str to str
        The families that are not searched, or get no trial, and the reason.
    advice : tuple of Advice
        What other machines and budgets would change.
    notes : tuple of str
        What else the user should know, such as families that state no cost and were
        measured.
    probe_seconds : float
        Seconds that the probes took.
    """

    machine: Machine
    n_jobs: int
    time_budget: float | None
    max_trials: int | None
    seconds: Range
    seconds_to_first_model: Range
    seconds_to_convergence: Range
    n_trials: dict[str, Range]
    total_trials: Range
    peak_memory: Range
    memory_parent: float
    memory_worker: float
    memory_limit: int | None
    seconds_per_row: Range
    left_out: dict[str, str]
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    probe_seconds: float = 0.0
    _plan_on: Callable[[Machine], TrainingPlan] | None = field(
        default=None, repr=False, compare=False
    )

    def on(self, machine: Machine) -> TrainingPlan:
        """Plan the same fit for another machine, without new probes.

        The seconds of a core are taken to be those of this machine. If `n_jobs` of the
        estimator is negative, trials run on all cores of the other machine, or on all
        but some. Otherwise, as many trials run at a time as on this machine, unless
        the other one has fewer cores.

        Parameters
        ----------
        machine : Machine
            The other machine.

        Returns
        -------
        TrainingPlan
            The plan for that machine.

        Raises
        ------
        RuntimeError
            If this plan was pickled, since the probes are not part of a pickle.
        """
        if self._plan_on is None:
            raise RuntimeError(
                "This plan was loaded from a file, which does not hold its probes. "
                "Call 'plan' of the estimator again."
            )
        return self._plan_on(machine)

    def __getstate__(self):
        return {**self.__dict__, "_plan_on": None}
