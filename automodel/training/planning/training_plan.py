"""TrainingPlan: what a fit will take in time and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from automodel.training.planning.machine import Machine
from automodel.training.planning.plan_cost import PlanCost, cost_of
from automodel.training.planning.ranges import Range


@dataclass(frozen=True)
class Advice:
    """What another machine, or another time budget, would change.

    Parameters
    ----------
    change : str
        What is changed: "half the cores", "twice the cores", "half the budget", "twice
        the budget", "a GPU" or "no GPU".
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
    advice : sequence of Advice
        What other machines and budgets would change. It is worked out when it is read
        for the first time, by more simulated fits.
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
    advice: Sequence[Advice] = ()
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

    def cost(
        self,
        *,
        per_hour: float | None = None,
        watts: float | None = None,
        per_kwh: float | None = None,
        grams_per_kwh: float | None = None,
    ) -> PlanCost:
        """Return the money, energy and CO2 of the fit, from rates that you know.

        The rates are those of the whole machine during the fit. There are no defaults,
        since they differ between machines and places.

        Parameters
        ----------
        per_hour : float, default=None
            Price of an hour.
        watts : float, default=None
            Power that the machine draws, in watts.
        per_kwh : float, default=None
            Price of a kWh, in the same currency and in addition to `per_hour`.
        grams_per_kwh : float, default=None
            Grams of CO2 that are emitted for a kWh.

        Returns
        -------
        PlanCost
            Its `money`, `energy` and `co2` are ranges. Those whose rates are not given
            are None.

        Raises
        ------
        ValueError
            If a rate is negative or not a finite number, or if `per_kwh` or
            `grams_per_kwh` is given without `watts`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from automodel import AutoClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> search = AutoClassifier(families=["linear"], n_trials=4, time_budget=None)
        >>> plan = search.plan(X, y, probe_seconds=1.0)
        >>> cost = plan.cost(per_hour=3600.0)
        >>> cost.money.likely == plan.seconds.likely, cost.co2 is None
        (True, True)
        """
        return cost_of(
            self.seconds,
            per_hour=per_hour,
            watts=watts,
            per_kwh=per_kwh,
            grams_per_kwh=grams_per_kwh,
        )

    def __str__(self) -> str:
        from automodel.reporting.plan_summary import text_of_plan

        return text_of_plan(self)

    def _repr_html_(self) -> str:
        from automodel.reporting.plan_summary import html_of_plan

        return html_of_plan(self)

    def __getstate__(self):
        return {**self.__dict__, "_plan_on": None}
