"""Scores of pooled predictions, ten times faster than scikit-learn's scorers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from automodel.metrics.functions import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_squared_log_error,
    mean_tweedie_deviance,
    r2_score,
    root_mean_squared_error,
    root_mean_squared_log_error,
)
from automodel.metrics.objectives import is_own_loss, objective_of
from automodel.metrics.scorers import parts_of
from automodel.targets.objective import Objective
from automodel.targets.several_values import scaled_root_mean_squared_error

TINY = 1e-15


class Fast(NamedTuple):
    """A fast form of a score.

    `score(y_true, part, sample_weight)` takes the part of a prediction that
    `decisive(y_true, prediction)` returns, or the whole prediction if that is None. If
    the score `is_mean_of_columns`, the models of each column of a target can be chosen
    by themselves.
    """

    score: Callable[..., float]
    decisive: Callable[..., np.ndarray] | None = None
    is_mean_of_columns: bool = False

    def of_column(self, column: int) -> Fast:
        """Return the score of one column, if the score is a mean over the columns."""
        score = self.score
        if isinstance(score, MeanOfColumns):
            score = replace(score, factors=score.factors[[column]])
        return self._replace(score=score)


def neg_log_loss(y_true, proba, sample_weight=None):
    """Return the mean log probability of the class of each row."""
    return _mean_log(y_true, _own_probability(y_true, proba), sample_weight)


def _own_probability(y_true, proba):
    total = proba.sum(axis=1, dtype=np.float64)
    return proba[np.arange(len(y_true)), y_true].astype(np.float64) / total


def _mean_log(y_true, own, sample_weight):
    return np.average(np.log(np.clip(own, TINY, 1.0)), weights=sample_weight)


def positive_probability(y_true, proba):
    """Return the probability of the second class."""
    return proba[:, 1]


def roc_auc(y_true, score, sample_weight):
    """Return the area under the ROC curve of two classes."""
    positive = y_true == 1
    if sample_weight is None:
        return _share_above(np.sort(score[positive]), np.sort(score[~positive]))
    order, group = np.unique(score, return_inverse=True)
    weight_positive = np.bincount(group, sample_weight * positive, len(order))
    weight_negative = np.bincount(group, sample_weight * ~positive, len(order))
    below = np.cumsum(weight_negative) - weight_negative
    total = weight_positive.sum() * weight_negative.sum()
    if total == 0:
        return np.nan
    return (weight_positive * (below + weight_negative / 2)).sum() / total


def _share_above(positive, negative):
    """Return the share of pairs of scores that are in order. Ties count half."""
    if min(len(positive), len(negative)) == 0:
        return np.nan
    if len(positive) > len(negative):  # fewer scores are looked up
        return 1.0 - _share_above(negative, positive)
    below = np.searchsorted(negative, positive, "left").sum()
    not_above = np.searchsorted(negative, positive, "right").sum()
    return (below + not_above) / (2.0 * len(positive) * len(negative))


def _accuracy(y_true, proba, sample_weight):
    return np.average(proba.argmax(axis=1) == y_true, weights=sample_weight)


def neg_root_mean_squared_error(y_true, prediction, sample_weight=None):
    """Return the negative root mean squared error."""
    return _root_mean_loss(Objective(), y_true, prediction, sample_weight)


def _as_column(y_true, prediction):
    return prediction.reshape(-1)


def _mean_loss(objective: Objective, y_true, prediction, sample_weight):
    losses = objective.losses(y_true, np.reshape(prediction, -1))
    if objective.is_relative:
        size = np.abs(np.asarray(y_true, np.float64))
        losses = losses / np.maximum(size, np.finfo(np.float64).eps)
    return -np.average(losses, weights=sample_weight)


def _mean_absolute_loss(objective: Objective, y_true, prediction, sample_weight):
    # The absolute error is twice the pinball loss of the median.
    return 2.0 * _mean_loss(objective, y_true, prediction, sample_weight)


def _root_mean_loss(objective: Objective, y_true, prediction, sample_weight):
    return -np.sqrt(-_mean_loss(objective, y_true, prediction, sample_weight))


def fast_score_of_values(scorer) -> Fast | None:
    """Return the fast form of a score that is a mean loss or its root, or None."""
    parts = parts_of(scorer)
    if parts is None or not is_own_loss(scorer) or parts.function not in _OF_MEANS:
        return None
    mean = _OF_MEANS[parts.function]
    objective = objective_of(scorer)
    if parts.function is mean_tweedie_deviance and not objective.is_deviance:
        return None  # no model learns this power
    return Fast(partial(mean, objective), _as_column)


def fast_score_of_columns(scorer, target) -> Fast | None:
    """Return the fast form of a score that is a mean over columns, or None.

    Parameters
    ----------
    scorer : callable
        A scorer of scikit-learn, or the default of the target.
    target : ValuesTarget
        Holds the scales of the columns.
    """
    parts = parts_of(scorer)
    if parts is None or not is_own_loss(scorer) or objective_of(scorer).is_relative:
        return None
    if parts.function is scaled_root_mean_squared_error:
        factors = (target.deviations / parts.options["deviations"]) ** 2
        return _of_columns(MeanOfColumns(target.objective, factors, has_root=True))
    if "multioutput" in parts.options:
        return None
    if parts.function is r2_score and not parts.options:
        return _of_columns(_mean_r2)
    if parts.function not in _OF_MEANS:
        return None
    objective, mean = target.objective, _OF_MEANS[parts.function]
    factors = target.deviations ** (1 if objective.is_quantile else 2)
    if mean is _mean_absolute_loss:
        factors = 2.0 * factors
    return _of_columns(MeanOfColumns(objective, factors, mean is _root_mean_loss))


def _of_columns(score: Callable[..., float]) -> Fast:
    return Fast(score, is_mean_of_columns=True)


def _mean_r2(y_true, prediction, sample_weight=None):
    """Return the mean of the coefficients of determination, as scikit-learn has it."""
    return r2_score(y_true, prediction, sample_weight=sample_weight)


@dataclass(frozen=True)
class MeanOfColumns:
    """The negative mean over columns of their mean losses, or of the roots of these.

    Parameters
    ----------
    objective : Objective
        The loss.
    factors : ndarray of shape (n_columns,)
        Factors that convert mean losses of the scaled columns to units of the user.
    has_root : bool
        Whether the square root of each mean loss is taken.
    """

    objective: Objective
    factors: np.ndarray
    has_root: bool

    def __call__(self, y_true, prediction, sample_weight=None) -> float:
        """Return the score."""
        losses = self.objective.losses(y_true, prediction)
        means = self.factors * np.average(losses, axis=0, weights=sample_weight)
        return -float(np.mean(np.sqrt(means) if self.has_root else means))


# An ensemble scores thousands of mixtures.
FAST_SCORES: dict[str, Fast] = {
    "neg_log_loss": Fast(_mean_log, _own_probability),
    "roc_auc": Fast(roc_auc, positive_probability),
    "accuracy": Fast(_accuracy),
}
_OF_MEANS: dict[Callable[..., Any], Callable[..., float]] = {
    mean_squared_error: _mean_loss,
    root_mean_squared_error: _root_mean_loss,
    mean_absolute_error: _mean_absolute_loss,
    mean_absolute_percentage_error: _mean_absolute_loss,
    mean_pinball_loss: _mean_loss,
    mean_squared_log_error: _mean_loss,
    root_mean_squared_log_error: _root_mean_loss,
    mean_poisson_deviance: _mean_loss,
    mean_gamma_deviance: _mean_loss,
    mean_tweedie_deviance: _mean_loss,
}
