"""A training plan and its cost as text for terminals, and as HTML for notebooks."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from automodel.reporting.quantities import count, duration, rounded, size
from automodel.reporting.text_tables import STYLE, html_table, text_table

if TYPE_CHECKING:
    from automodel.training.planning.plan_cost import PlanCost
    from automodel.training.planning.ranges import Range
    from automodel.training.planning.training_plan import TrainingPlan

WIDTH = 100
MOST_ADVICE = 500  # characters
FIGURES = ("a fit", "likely", "80 % of simulated fits")
FAMILIES = ("trials of", "likely", "low", "high")
ADVICE = ("change", "whole fit", "trials", "memory", "advice")
NUMBERS = ("likely", "low", "high")


def text_of_plan(plan: TrainingPlan) -> str:
    """Return a plan in lines of at most 100 characters.

    Parameters
    ----------
    plan : TrainingPlan
        What `plan` of an estimator has returned.

    Returns
    -------
    str
        A text with the time, the memory, the trials of each family, what is left out,
        and what another machine or budget would change.
    """
    lines = [*_headline(plan), "", *text_table(_figures(plan), FIGURES, ())]
    if plan.n_trials:
        lines += ["", *text_table(_families(plan), FAMILIES, NUMBERS)]
    advice = [advice.text for advice in plan.advice]
    for part in (_left_out(plan), advice, [*plan.notes, _basis(plan)]):
        if part:
            lines += ["", *part]
    return "\n".join(
        wrapped
        for line in lines
        for wrapped in textwrap.wrap(
            line, WIDTH, subsequent_indent="  ", replace_whitespace=False
        )
        or [""]
    )


def html_of_plan(plan: TrainingPlan) -> str:
    """Return a plan as HTML without scripts or external files.

    Parameters
    ----------
    plan : TrainingPlan
        What `plan` of an estimator has returned.

    Returns
    -------
    str
        HTML with the same content as the text.
    """
    notes = "<br>".join(escape(line) for line in (*_left_out(plan), *plan.notes))
    parts = [
        f'<div class="automodel-report"><style>{STYLE}</style>',
        f"<p>{'<br>'.join(map(escape, _headline(plan)))}</p>",
        html_table(_figures(plan), FIGURES, ()),
        _details(
            "Trials of each family", html_table(_families(plan), FAMILIES, NUMBERS)
        ),
        _details("Advice", html_table(_advice(plan), ADVICE, (), MOST_ADVICE)),
        f"<p>{notes}</p>" if notes else "",
        f"<p>{escape(_basis(plan))}</p></div>",
    ]
    return "".join(parts)


def cost_lines(cost: PlanCost) -> list[str]:
    """Return the figures of a cost in lines; of none if no rate was given."""
    units = {"Money": cost.money, "Energy (kWh)": cost.energy, "CO2 (g)": cost.co2}
    known = {name: values for name, values in units.items() if values is not None}
    if not known:
        return ["The cost is not known, since no rate was given."]
    records = [
        {"cost": name, **_cells(values, rounded)} for name, values in known.items()
    ]
    return text_table(records, ("cost", *FIGURES[1:]), ())


def band(values: Range, show: Callable[[float], str]) -> str:
    """Return the lower and the upper end of a range; one value if they look alike."""
    low, high = show(values.low), show(values.high)
    return low if low == high else f"{low} to {high}"


def _headline(plan: TrainingPlan) -> tuple[str, str]:
    machine = plan.machine
    limits = []
    if plan.time_budget is not None:
        limits.append(f"a time budget of {duration(plan.time_budget, 3)}")
    if plan.max_trials is not None:
        limits.append(f"at most {_plural(plan.max_trials, 'trial')}")
    cores = _plural(machine.n_cores, "core")
    gpu = "a GPU" if machine.gpu else "no GPU"
    return (
        f"Plan of a fit with {' and '.join(limits)}",
        f"{_plural(plan.n_jobs, 'trial')} at a time on {cores}, with "
        f"{size(machine.memory)} of memory and {gpu}",
    )


def _figures(plan: TrainingPlan) -> list[dict[str, str]]:
    rows = {
        "whole fit": _cells(plan.seconds, duration),
        "first model after": _cells(plan.seconds_to_first_model, duration),
        "search ends by itself after": _convergence(plan),
        "trials": _cells(plan.total_trials, count),
        "memory of all processes": _cells(plan.peak_memory, size),
        "memory of the process of fit": _cell(plan.memory_parent),
        "memory of the largest worker": _cell(plan.memory_worker),
        "time to predict a row": _cells(plan.seconds_per_row, duration),
    }
    if not plan.memory_worker:
        del rows["memory of the largest worker"]
    return [{FIGURES[0]: name, **cells} for name, cells in rows.items()]


def _cells(values: Range, show: Callable[[float], str]) -> dict[str, str]:
    return dict(
        zip(FIGURES[1:], (show(values.likely), band(values, show)), strict=True)
    )


def _cell(n_bytes: float) -> dict[str, str]:
    return {FIGURES[1]: size(n_bytes), FIGURES[2]: ""}


def _convergence(plan: TrainingPlan) -> dict[str, str]:
    """Return when the search ends by itself, which it often does not."""
    values, never = plan.seconds_to_convergence, "not before its limit"

    def show(seconds: float) -> str:
        return duration(seconds) if math.isfinite(seconds) else never

    if math.isfinite(values.high) or math.isinf(values.low):
        return _cells(values, show)
    ends = f"{show(values.low)} or {never}"
    return {FIGURES[1]: show(values.likely), FIGURES[2]: ends}


def _families(plan: TrainingPlan) -> list[dict[str, str]]:
    ordered = sorted(plan.n_trials.items(), key=lambda item: -item[1].likely)
    return [
        {
            "trials of": family,
            "likely": count(values.likely),
            "low": count(values.low),
            "high": count(values.high),
        }
        for family, values in ordered
        if values.high
    ]


def _left_out(plan: TrainingPlan) -> list[str]:
    """Return a line for each reason, with the families that it is the reason of."""
    families: dict[str, list[str]] = {}
    for family, reason in plan.left_out.items():
        text = " ".join(reason.split()).removeprefix("left out: ")
        families.setdefault(text, []).append(family)
    return [
        f"Left out: {', '.join(names)} ({reason})" for reason, names in families.items()
    ]


def _advice(plan: TrainingPlan) -> list[dict[str, str]]:
    return [
        {
            "change": advice.change,
            "whole fit": duration(advice.seconds.likely),
            "trials": count(advice.n_trials.likely),
            "memory": size(advice.peak_memory.likely),
            "advice": advice.text,
        }
        for advice in plan.advice
    ]


def _basis(plan: TrainingPlan) -> str:
    """Say what the figures rest on, and how far they can be trusted."""
    return (
        f"These are estimates from {duration(plan.probe_seconds)} of measurements on "
        "this machine. Scores are simulated as well, so the trials of single families "
        "are the least certain, and other programs that run at the same time are not "
        "foreseen."
    )


def _details(title: str, table: str) -> str:
    return f"<details open><summary>{title}</summary>{table}</details>"


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
