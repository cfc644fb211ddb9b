"""Advice: what other machines and budgets would change in a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from automodel.training.planning.cost_model import FamilyCosts
from automodel.training.planning.simulation import Conditions
from automodel.training.planning.training_plan import Advice, TrainingPlan

WORTHWHILE = 1.15  # times more trials, or less time
GPU_PAYS = 2.0  # times faster

Plan = Callable[[Conditions], TrainingPlan]


class AdviceOnDemand(Sequence):
    """Advice that is worked out when it is first read.

    Parameters
    ----------
    work_out : callable
        Returns the advice.
    """

    def __init__(self, work_out: Callable[[], tuple[Advice, ...]]):
        self._work_out = work_out

    @cached_property
    def _advice(self) -> tuple[Advice, ...]:
        return self._work_out()

    def __getitem__(self, index):
        return self._advice[index]

    def __len__(self) -> int:
        return len(self._advice)

    def __eq__(self, other) -> bool:
        return isinstance(other, Sequence) and self._advice == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._advice)

    def __reduce__(self):
        return tuple, (list(self._advice),)


def advice_for(
    plan: TrainingPlan,
    conditions: Conditions,
    plan_under: Plan,
    costs: Iterable[FamilyCosts],
) -> tuple[Advice, ...]:
    """Plan the same fit under other conditions, and say what they change.

    Parameters
    ----------
    plan, conditions
        The plan, and what it is for.
    plan_under : callable
        Plans the fit under other conditions.
    costs : iterable of FamilyCosts
        Those of all families.
    """
    results = [(change, plan_under(other)) for change, other in _others(conditions)]
    advice = [_advice(change, _text(change, plan, own), own) for change, own in results]
    return (*advice, _about_gpu(plan, conditions, plan_under, costs))


def _advice(change: str, text: str, other: TrainingPlan) -> Advice:
    return Advice(change, text, other.seconds, other.total_trials, other.peak_memory)


def _about_gpu(
    plan: TrainingPlan,
    conditions: Conditions,
    plan_under: Plan,
    costs: Iterable[FamilyCosts],
) -> Advice:
    """Say whether a GPU pays, from the step of a net that takes longest on a core."""
    has_gpu = bool(conditions.machine.gpu)
    change = "no GPU" if has_gpu else "a GPU"
    steps = [own.usual_step() for own in costs if plan.n_trials[own.family.name].likely]
    seconds, factor, name = max(steps, default=(0.0, 1.0, ""))
    if not seconds:
        text = f"With {change}, nothing changes, since no net is trained."
        return _advice(change, text, plan)
    text = (
        f"Of all nets, {name} has the longest steps: {1000 * seconds:.2g} ms on a "
        f"core, which a GPU takes about {factor:.2g} times as fast. "
    )
    if factor < GPU_PAYS:
        text += "A GPU does not pay, since launching such short steps takes longer."
        return _advice(change, text, plan)
    machine = replace(conditions.machine, gpu=not has_gpu)
    other = plan_under(replace(conditions, machine=machine))
    return _advice(change, f"{text}A GPU pays for it.", other)


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
