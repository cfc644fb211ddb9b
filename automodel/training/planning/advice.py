"""Advice: what other machines and budgets would change in a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from automodel.training.planning.simulation import Conditions
from automodel.training.planning.training_plan import Advice, TrainingPlan

WORTHWHILE = 1.15  # times more trials, or less time

Plan = Callable[[Conditions], TrainingPlan]


def advice_for(
    plan: TrainingPlan, conditions: Conditions, plan_under: Plan
) -> tuple[Advice, ...]:
    """Plan the same fit under other conditions, and say what they change."""
    advice = []
    for change, other in _others(conditions):
        result = plan_under(other)
        text = _text(change, plan, result)
        advice.append(
            Advice(
                change, text, result.seconds, result.total_trials, result.peak_memory
            )
        )
    return tuple(advice)


def _others(own: Conditions) -> Iterator[tuple[str, Conditions]]:
    machine = own.machine
    if own.n_jobs > 1:
        n_cores = max(machine.n_cores // 2, 1)
        fewer = replace(machine, n_cores=n_cores)
        yield "half the cores", replace(own, n_jobs=own.n_jobs // 2, machine=fewer)
    more = replace(machine, n_cores=max(machine.n_cores, 2 * own.n_jobs))
    yield "twice the cores", replace(own, n_jobs=2 * own.n_jobs, machine=more)
    for name, factor in (("half", 0.5), ("twice", 2.0)):
        seconds, n_trials = own.time_budget, own.n_trials
        if seconds is not None:
            other = replace(own, time_budget=factor * seconds)
        else:
            assert n_trials is not None
            other = replace(own, n_trials=max(int(factor * n_trials), 1))
        yield f"{name} the budget", other


def _text(change: str, plan: TrainingPlan, other: TrainingPlan) -> str:
    """Say in a sentence or two what a change brings."""
    if change.endswith("cores"):
        start = f"With {change} (n_jobs={other.n_jobs})"
    elif other.time_budget is None:
        start = f"With {change} (n_trials={other.max_trials})"
    else:
        start = f"With {change} (time_budget={other.time_budget:g})"
    trials = (
        f"{other.total_trials.likely:.0f} instead of {plan.total_trials.likely:.0f}"
    )
    seconds = f"{other.seconds.likely:.0f} s instead of {plan.seconds.likely:.0f} s"
    memory = f"{other.peak_memory.likely / 1e9:.1f} GB"
    facts = f"{start}, there are about {trials} trials in {seconds}, and the fit holds "
    return f"{facts}about {memory}. {_judgement(plan, other)}"


def _judgement(plan: TrainingPlan, other: TrainingPlan) -> str:
    """Say whether a change is worthwhile."""
    n_trials, seconds = plan.total_trials.likely, plan.seconds.likely
    more = other.total_trials.likely / max(n_trials, 1)
    faster = seconds / max(other.seconds.likely, 1e-9)
    has_converged = math.isfinite(plan.seconds_to_convergence.likely)
    if more >= WORTHWHILE and not has_converged:
        return "That is worthwhile: the score still improves when the time is up."
    if more >= WORTHWHILE:
        return "That hardly pays: the score no longer improves much by then."
    if faster >= WORTHWHILE and more > 1 / WORTHWHILE:
        return "That is worthwhile: the same trials take less time."
    if faster >= WORTHWHILE and math.isfinite(other.seconds_to_convergence.likely):
        return "That costs little: the score has stopped improving by then."
    if faster >= WORTHWHILE or more <= 1 / WORTHWHILE:
        return "That has a price: the score would still have improved."
    return "That changes little."
