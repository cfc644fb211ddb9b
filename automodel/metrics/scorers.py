"""ScorerParts: what a scorer of scikit-learn is made of.

`"r2"`, `get_scorer("r2")` and `make_scorer(r2_score)` are the same score. Anything that
depends on the score, such as the loss of the models, is decided by its parts. No other
file reads private attributes of scorers.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names

from automodel.metrics.functions import as_defined


@dataclass(frozen=True)
class ScorerParts:
    """What a scorer of scikit-learn is made of.

    Parameters
    ----------
    function : callable
        The function that scores, such as `sklearn.metrics.r2_score`.
    sign : int
        1 if greater is better, -1 for a loss.
    options : dict
        Keyword arguments of the function that differ from its defaults.
    reads_labels : bool
        Whether the function takes the output of `predict`.
    reads_probabilities : bool
        Whether the function can take the output of `predict_proba`.
    """

    function: Callable[..., Any]
    sign: int
    options: dict[str, Any]
    reads_labels: bool
    reads_probabilities: bool = field(compare=False)


def parts_of(scorer: Any) -> ScorerParts | None:
    """Return the parts of a scorer, or None if it is not one of scikit-learn."""
    function = getattr(scorer, "_score_func", None)
    if function is None or not hasattr(scorer, "_sign"):
        return None
    function = as_defined(function)
    response = getattr(scorer, "_response_method", "predict")
    return ScorerParts(
        function,
        scorer._sign,
        _given_options(function, getattr(scorer, "_kwargs", {})),
        response == "predict",
        "predict_proba" in ([response] if isinstance(response, str) else response),
    )


def name_of(scorer: Any) -> str:
    """Return the name of a scorer in scikit-learn, or else that of its function."""
    parts = parts_of(scorer)
    function = scorer if parts is None else parts.function
    own_name: str = getattr(function, "__name__", type(scorer).__name__)
    return known_name(scorer) or own_name


def known_name(scorer: Any) -> str | None:
    """Return the name of a scorer in scikit-learn, or None if it has none."""
    parts = parts_of(scorer)
    if parts is None:
        return None
    return next(
        (name for name, known in _known_parts().items() if parts == known), None
    )


def scorer_named(
    name: str, own: Mapping[str, Callable[..., float]] = MappingProxyType({})
) -> Callable[..., float]:
    """Return the scorer of this name, one of a target's own or of scikit-learn.

    Parameters
    ----------
    name : str
        The name.
    own : mapping of str to callable, default={}
        The scorers of the target that scikit-learn does not have.

    Raises
    ------
    ValueError
        If there is none. The message suggests the most similar name.
    """
    if name in own:
        return own[name]
    names = get_scorer_names()
    if name in names:
        return get_scorer(name)
    near = difflib.get_close_matches(name, [*own, *names], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if own:
        known = " or ".join(map(repr, own))
        raise ValueError(
            f"scoring={name!r} is not a scorer of this target.{hint} Use {known}, or a "
            "callable."
        )
    raise ValueError(
        f"scoring={name!r} is not a scorer of scikit-learn.{hint} "
        "sklearn.metrics.get_scorer_names() lists them."
    )


def takes(scorer: Any, parameter: str) -> bool:
    """Tell whether the function of a scorer, or a callable, has a parameter."""
    parts = parts_of(scorer)
    return parameter in _parameters(scorer if parts is None else parts.function)


@cache
def _known_parts() -> dict[str, ScorerParts]:
    found = {name: parts_of(get_scorer(name)) for name in get_scorer_names()}
    return {name: parts for name, parts in found.items() if parts is not None}


def _given_options(function, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that have an effect and differ from the defaults."""
    parameters = _parameters(function)
    given = {
        name: value
        for name, value in options.items()
        if name not in parameters or not _is_same(parameters[name].default, value)
    }
    if given.get("average", "binary") != "binary":
        given.pop("pos_label", None)  # which is then ignored
    return given


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function, or none if it has no signature."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a compiled function
        return {}


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def score_or_nan(score: Callable[..., Any], *data: Any) -> float:
    """Return a score of some rows, or NaN if they cannot be scored.

    A scorer is checked on all rows before the search. For the rows of a fold or of a
    bootstrap, the scorer of a user may raise any error.

    Parameters
    ----------
    score : callable
        A function that scores, such as a method of `Metric`.
    *data
        The arguments of the function.
    """
    try:
        value = float(score(*data))
    except (Exception, SystemExit):  # noqa: BLE001  foreign code
        return math.nan
    return value if math.isfinite(value) else math.nan
