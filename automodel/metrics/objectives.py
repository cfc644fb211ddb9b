"""The objective that models learn for a scorer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from automodel.metrics.functions import (
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
    explained_variance_score,
    max_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_squared_log_error,
    mean_tweedie_deviance,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
    root_mean_squared_log_error,
)
from automodel.metrics.scorers import ScorerParts, parts_of
from automodel.targets.objective import Objective
from automodel.targets.several_values import scaled_root_mean_squared_error

LEAST_QUANTILE = 1e-3  # a model cannot learn 0 or 1


def objective_of(scorer: Any) -> Objective:
    """Return the objective of a scorer, by default squared errors.

    For the coefficient of determination, the explained variance and the maximum error,
    models learn squared errors. For the median absolute error, they learn absolute
    errors, and for each D2 score, the loss that it is made of.

    Examples
    --------
    >>> from sklearn.metrics import get_scorer, make_scorer, mean_pinball_loss
    >>> from automodel.metrics.objectives import objective_of
    >>> objective_of(get_scorer("neg_median_absolute_error")).loss
    'absolute_error'
    >>> tenth = make_scorer(mean_pinball_loss, alpha=0.1, greater_is_better=False)
    >>> objective_of(tenth).quantile
    0.1
    """
    parts = parts_of(scorer)
    if parts is None or not _is_known(parts):
        return Objective()
    return _OBJECTIVES[parts.function](parts)


def is_own_loss(scorer: Any) -> bool:
    """Tell whether a score is best where the mean loss of the objective is least."""
    parts = parts_of(scorer)
    if parts is None or not _is_known(parts):
        return False
    return parts.function not in _NEAR_LOSSES


def scores_columns_alike(scorer: Any) -> bool:
    """Tell whether errors are measured in standard deviations of their column."""
    parts = parts_of(scorer)
    return (
        parts is not None
        and parts.function in (scaled_root_mean_squared_error, r2_score)
        and "multioutput" not in parts.options
    )


def _is_known(parts: ScorerParts) -> bool:
    """Tell whether a score has an objective and the usual sign."""
    function = parts.function
    if not isinstance(function, Hashable) or function not in _OBJECTIVES:
        return False
    return parts.sign == (1 if function in _GAINS else -1)


def _squares(parts: ScorerParts) -> Objective:
    return Objective()


def _absolute(parts: ScorerParts) -> Objective:
    return Objective("absolute_error")


def _relative(parts: ScorerParts) -> Objective:
    return Objective("absolute_error", is_relative=True)


def _pinball(parts: ScorerParts) -> Objective:
    quantile = float(parts.options.get("alpha", 0.5))
    quantile = min(max(quantile, LEAST_QUANTILE), 1 - LEAST_QUANTILE)
    if quantile == 0.5:
        return Objective("absolute_error")
    return Objective("quantile", quantile=quantile)


def _log_squares(parts: ScorerParts) -> Objective:
    return Objective(is_log=True, domain=(-1.0, False))


def _poisson(parts: ScorerParts) -> Objective:
    return Objective("poisson", power=1.0, domain=(0.0, True))


def _gamma(parts: ScorerParts) -> Objective:
    return Objective("gamma", power=2.0, domain=(0.0, False))


def _tweedie(parts: ScorerParts) -> Objective:
    power = float(parts.options.get("power", 0.0))
    if power == 0:
        return Objective()
    if power < 0:  # which no library learns
        return Objective(power=power)
    if power == 1:
        return _poisson(parts)
    if power < 2:
        return Objective("tweedie", power=power, domain=(0.0, True))
    return replace(_gamma(parts), power=power)  # models learn the nearest one


_OBJECTIVES: dict[Callable[..., Any], Callable[[ScorerParts], Objective]] = {
    mean_squared_error: _squares,
    root_mean_squared_error: _squares,
    r2_score: _squares,
    explained_variance_score: _squares,
    max_error: _squares,
    mean_absolute_error: _absolute,
    median_absolute_error: _absolute,
    d2_absolute_error_score: _absolute,
    mean_absolute_percentage_error: _relative,
    mean_pinball_loss: _pinball,
    d2_pinball_score: _pinball,
    mean_squared_log_error: _log_squares,
    root_mean_squared_log_error: _log_squares,
    scaled_root_mean_squared_error: _squares,
    mean_poisson_deviance: _poisson,
    mean_gamma_deviance: _gamma,
    mean_tweedie_deviance: _tweedie,
    d2_tweedie_score: _tweedie,
}
_GAINS = (
    r2_score,
    explained_variance_score,
    d2_absolute_error_score,
    d2_pinball_score,
    d2_tweedie_score,
)
_NEAR_LOSSES = (explained_variance_score, max_error, median_absolute_error)
