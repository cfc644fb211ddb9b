"""Plan a fit: run its search on a simulated clock, with what probes have measured."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import joblib

from automodel.clock import SYSTEM_CLOCK, Clock
from automodel.containment import contained
from automodel.evaluation.folds import Folds
from automodel.families import LEFT_OUT
from automodel.families.base import ModelFamily
from automodel.search.workers.processes import ProcessPool
from automodel.search.workers.scratch import make_folder
from automodel.search.workers.starting import resident_bytes
from automodel.training.choosing import perfect_score
from automodel.training.planning.advice import AdviceOnDemand, advice_for
from automodel.training.planning.cost_model import fit_costs
from automodel.training.planning.machine import Machine
from automodel.training.planning.probes import Probes, probe_families
from automodel.training.planning.simulation import (
    Conditions,
    Scene,
    SimulatedFit,
    simulate,
)
from automodel.training.planning.stand_ins import stand_in_folds
from automodel.training.planning.training_plan import Range, TrainingPlan
from automodel.training.train import TrainingSettings

SHIFTS = (0, -1, 1)  # of the costs in the simulated fits of a plan
# Of further fits, if those before have few trials together: one of them may have luck.
MORE_SHIFTS, FEW_TRIALS = (0, 0), 120
OWN_MEMORY = 3e7  # of this process, for the search itself


@dataclass(frozen=True)
class Fit:
    """The fit that is planned.

    Parameters
    ----------
    folds : Folds
        The data.
    families : sequence of ModelFamily
        What is searched.
    left_out : mapping of str to str
        The other families, and why.
    settings : TrainingSettings
        The settings of the estimator.
    time_budget : float or None
        Seconds for the whole of it.
    n_trials : int or None
        Trials of the search.
    setup_seconds : float
        What checking and reading the data have taken.
    """

    folds: Folds
    families: Sequence[ModelFamily]
    left_out: Mapping[str, str]
    settings: TrainingSettings
    time_budget: float | None
    n_trials: int | None
    setup_seconds: float


def plan_fit(
    fit: Fit,
    probe_seconds: float,
    pool: ProcessPool,
    clock: Clock = SYSTEM_CLOCK,
) -> TrainingPlan:
    """Probe the families in some processes, and plan the fit for this machine.

    Raises
    ------
    RuntimeError
        If every family fails.
    """
    folder = make_folder()
    try:
        with contained():
            probes = probe_families(
                fit.families, fit.folds, folder, probe_seconds, pool, clock
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Planner(fit, probes).plan(Machine())


class Planner:
    """Plans a fit for any machine, from the same probes.

    Parameters
    ----------
    fit : Fit
        What is planned.
    probes : Probes
        What was measured on this machine.
    """

    def __init__(self, fit: Fit, probes: Probes):
        self.fit, self.probes = fit, probes
        errors = {p.family: p.error for p in probes.of_trials if p.error}
        families = [f for f in fit.families if f.name not in errors]
        if not families:
            name, error = next(iter(errors.items()))
            raise RuntimeError(
                "Every family fails on this data, so that only a model that always "
                f"predicts the same would be fitted. The error of {name}: {error}"
            )
        self.left_out = {
            **{n: reason.removeprefix(LEFT_OUT) for n, reason in fit.left_out.items()},
            **{name: _said_of(error) for name, error in errors.items()},
        }
        perfect = perfect_score(fit.folds)
        self.scene = Scene(
            fit.folds,
            stand_in_folds(fit.folds, fit.settings.search.seed),
            families,
            fit_costs(families, fit.folds.task, probes),
            probes,
            fit.settings,
            fit.setup_seconds,
            resident_bytes(os.getpid()) + OWN_MEMORY,
            bool(Machine().gpu),
            perfect if math.isfinite(perfect) else 0.0,
        )

    def plan(self, machine: Machine) -> TrainingPlan:
        """Return the plan for a machine, with advice."""
        n_jobs = jobs_of(self.fit.settings.n_jobs, machine.n_cores)
        own = Conditions(self.fit.time_budget, self.fit.n_trials, n_jobs, machine)
        plan = self.plan_under(own, SHIFTS, MORE_SHIFTS)
        plan = replace(plan, _plan_on=self.plan, notes=self._notes(plan))
        costs = self.scene.costs.values()
        work_out = partial(advice_for, plan, own, self.plan_under, costs)
        return replace(plan, advice=AdviceOnDemand(work_out))

    def plan_under(
        self,
        conditions: Conditions,
        shifts: Sequence[int] = (0,),
        more: Sequence[int] = (),
    ) -> TrainingPlan:
        """Return the plan under some conditions, without advice.

        Its bands come from as many simulated fits as there are shifts of the costs, and
        from more of them if those have few trials, and so take little time.
        """
        with contained():
            run = partial(simulate, self.scene, conditions)
            fits = [run(shift, number) for number, shift in enumerate(shifts)]
            if sum(sum(fit.n_trials.values()) for fit in fits) <= FEW_TRIALS:
                fits += [run(shift, n) for n, shift in enumerate(more, len(fits))]
        names = [family.name for family in self.scene.families]
        of = partial(_range_of, fits)
        counts = {
            name: Range.of(fit.n_trials.get(name, 0) for fit in fits) for name in names
        }
        return TrainingPlan(
            machine=conditions.machine,
            n_jobs=conditions.n_jobs,
            time_budget=conditions.time_budget,
            max_trials=conditions.n_trials,
            seconds=of(lambda fit: fit.seconds),
            seconds_to_first_model=of(lambda fit: fit.seconds_to_first_model),
            seconds_to_convergence=of(lambda fit: fit.seconds_to_convergence),
            n_trials=counts,
            total_trials=of(lambda fit: sum(fit.n_trials.values())),
            peak_memory=of(lambda fit: fit.peak_memory),
            memory_parent=of(lambda fit: fit.memory_parent).likely,
            memory_worker=of(lambda fit: fit.memory_worker).likely,
            memory_limit=self.fit.settings.memory_limit,
            seconds_per_row=of(lambda fit: fit.seconds_per_row),
            left_out={**self.left_out, **_never_run(fits, counts, conditions)},
            probe_seconds=self.probes.seconds,
        )

    def _notes(self, plan: TrainingPlan) -> tuple[str, ...]:
        costs = self.scene.costs
        notes = []
        for name, own in costs.items():
            if not own.states_cost and own.probes:
                notes.append(f"{name} states no cost. It was measured.")
            elif not own.states_cost:
                notes.append(
                    f"{name} states no cost, and the probes had no time to measure it, "
                    "so that its figures are guesses."
                )
        stated = [n for n, own in costs.items() if own.states_cost and not own.probes]
        if stated:
            notes.append(
                f"The probes had no time for {', '.join(stated)}. Their figures follow "
                "from the costs that they state."
            )
        memory = plan.machine.memory
        if memory is not None and plan.peak_memory.likely > memory:
            notes.append(
                f"The fit does not fit in memory: it takes about "
                f"{plan.peak_memory.likely / 1e9:.1f} GB, and the machine has "
                f"{memory / 1e9:.1f} GB. Use fewer jobs, or a memory_limit."
            )
        return tuple(notes)


def jobs_of(n_jobs: int | None, n_cores: int) -> int:
    """Return how many trials run at a time on a machine with so many cores."""
    if n_jobs is None:
        return joblib.effective_n_jobs(None)
    return n_jobs if n_jobs > 0 else max(n_cores + 1 + n_jobs, 1)


def _said_of(error: str) -> str:
    if error.startswith("MemoryError"):
        return f"does not fit in memory: {error}"
    return f"its trials fail: {error}"


def _range_of(
    fits: Sequence[SimulatedFit], value: Callable[[SimulatedFit], float]
) -> Range:
    return Range.of(value(fit) for fit in fits)


def _never_run(
    fits: Sequence[SimulatedFit], counts: Mapping[str, Range], conditions: Conditions
) -> dict[str, str]:
    """Return the families that have no result in the first of the fits, and why."""
    reasons = dict.fromkeys(fits[0].too_large, "does not fit in memory")
    for name in fits[0].too_slow:
        reasons[name] = "has no trial that ends in time"
    reason = "has no time within the budget"
    if conditions.time_budget is None:
        reason = f"is not among the first {conditions.n_trials} trials"
    for name, own in counts.items():
        if not own.likely:
            reasons.setdefault(name, reason)
    return reasons
