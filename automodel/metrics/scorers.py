"""Scorers: what a scorer of scikit-learn is made of, however it was written.

`"r2"`, `get_scorer("r2")` and `make_scorer(r2_score)` are one score. All that depends
on the score, such as the loss of the models, goes by these parts.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names


@dataclass(frozen=True)
class ScorerParts:
    """What a scorer is made of.

    Parameters
    ----------
    function : callable
        The metric, such as `sklearn.metrics.r2_score`.
    sign : int
        1 if greater is better, -1 for a loss.
    options : dict
        Keyword arguments of the metric that differ from its defaults.
    reads_labels : bool
        Whether it scores what `predict` returns.
    reads_probabilities : bool
        Whether it scores what `predict_proba` returns, or may do so.
    """

    function: Callable[..., Any]
    sign: int
    options: dict[str, Any]
    reads_labels: bool
    reads_probabilities: bool = field(compare=False)


def parts_of(scorer: Any) -> ScorerParts | None:
    """Return the parts of a scorer; None for any other callable."""
    function = getattr(scorer, "_score_func", None)
    if function is None or not hasattr(scorer, "_sign"):
        return None
    response = getattr(scorer, "_response_method", "predict")
    return ScorerParts(
        function,
        scorer._sign,
        _given_options(function, getattr(scorer, "_kwargs", {})),
        response == "predict",
        "predict_proba" in ([response] if isinstance(response, str) else response),
    )


def name_of(scorer: Any) -> str:
    """Return the name that scikit-learn has for a scorer, or that of its function."""
    parts = parts_of(scorer)
    function = scorer if parts is None else parts.function
    own_name: str = getattr(function, "__name__", type(scorer).__name__)
    return known_name(scorer) or own_name


def known_name(scorer: Any) -> str | None:
    """Return the name that scikit-learn has for a scorer; None if it has none."""
    parts = parts_of(scorer)
    if parts is None:
        return None
    return next(
        (name for name, known in _known_parts().items() if parts == known), None
    )


def scorer_named(name: str) -> Callable[..., float]:
    """Return the scorer of a name.

    Raises
    ------
    ValueError
        If scikit-learn has none; names the one that is most alike.
    """
    names = get_scorer_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"scoring={name!r} is not a scorer of scikit-learn.{hint} "
            "sklearn.metrics.get_scorer_names() lists them."
        )
    return get_scorer(name)


def takes(scorer: Any, parameter: str) -> bool:
    """Tell whether the metric of a scorer, or a callable, has a parameter."""
    parts = parts_of(scorer)
    return parameter in _parameters(scorer if parts is None else parts.function)


@cache
def _known_parts() -> dict[str, ScorerParts]:
    found = {name: parts_of(get_scorer(name)) for name in get_scorer_names()}
    return {name: parts for name, parts in found.items() if parts is not None}


def _given_options(function, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are not the defaults, and that have a say."""
    parameters = _parameters(function)
    given = {
        name: value
        for name, value in options.items()
        if name not in parameters or not _is_same(parameters[name].default, value)
    }
    if given.get("average", "binary") != "binary":
        given.pop("pos_label", None)  # of two classes alone
    return given


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function; none where it has no signature."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled
        return {}


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def score_or_nan(score: Callable[..., Any], *data: Any) -> float:
    """Return a score of rows that a scorer was not checked on; NaN if there is none.

    A scorer of the user is made for a whole target: of a fold, a bootstrap or a class
    alone it may raise anything.

    Parameters
    ----------
    score : callable
        A method of `Metric` or `Folds` that scores.
    *data
        What it is called with.
    """
    try:
        value = float(score(*data))
    except (Exception, SystemExit):  # noqa: BLE001  foreign code
        return math.nan
    return value if math.isfinite(value) else math.nan
