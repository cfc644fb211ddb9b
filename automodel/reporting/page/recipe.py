"""What it takes to repeat a fit: the call, the seed and the versions."""

from __future__ import annotations

import inspect
from typing import Any

from automodel.reporting.one_line import one_line
from automodel.reporting.page.honest import honest_of

NOT_REPEATED = ("callbacks", "verbose", "random_state")  # or said otherwise
MOST_CHARACTERS = 300  # of a parameter


def recipe_facts(estimator: Any) -> dict[str, Any]:
    """Return the call that made and fitted an estimator, and its surroundings.

    The random state is the seed that was drawn from it.
    """
    known = vars(estimator).get("_provenance", {})
    return {
        "call": _call(estimator),
        "seed": vars(estimator).get("_seed_"),
        "is_timed": estimator.get_params(deep=False).get("time_budget") is not None,
        "began": known.get("began", "")[:19],
        "python": known.get("python"),
        "platform": known.get("platform"),
        "versions": known.get("versions", {}),
    }


def _call(estimator: Any) -> str:
    """Return the constructor with the parameters that are not the defaults."""
    signature = inspect.signature(type(estimator).__init__).parameters
    lines = [
        f"    {name}={one_line(_shown(value), MOST_CHARACTERS)},"
        for name, value in estimator.get_params(deep=False).items()
        if name not in NOT_REPEATED and repr(value) != repr(signature[name].default)
    ]
    seed = vars(estimator).get("_seed_")
    if seed is not None:
        lines.append(f"    random_state={seed},")
    name = type(estimator).__name__
    inner = "\n".join(["(", *lines, ")"]) if lines else "()"
    return f"{name}{inner}.fit({', '.join(_arguments(estimator))})"


def _arguments(estimator: Any) -> list[str]:
    """Return the arguments that `fit` had, as far as that is known."""
    task = vars(estimator).get("task_")
    honest = honest_of(estimator)
    names = ["X", "y"]
    if task is not None and task.is_weighted:
        names.append("sample_weight=sample_weight")
    if honest is not None and honest.groups is not None:
        names.append("groups=groups")
    return names


def _shown(value: Any) -> str:
    """Return a function by its name and not by its address."""
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    return getattr(value, "__name__", None) or repr(value)
