"""Scores of several labels per row, and the choice of thresholds for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy
from sklearn.metrics import make_scorer

from automodel.clock import NO_DEADLINE, Deadline
from automodel.metrics.confusion import confusions_above, fbeta, jaccard, ratio
from automodel.metrics.fast_scores import TINY, Fast, roc_auc
from automodel.metrics.functions import (
    d2_log_loss_score,
    f1_score,
    fbeta_score,
    jaccard_score,
    log_loss,
)
from automodel.metrics.scorers import known_name, parts_of
from automodel.metrics.threshold import bags, known_rows

LEAST_THRESHOLD = 1e-4
COMMON_THRESHOLDS = np.linspace(0.05, 0.95, 19)  # of the labels of one row


def labels_log_loss(y_true, y_proba, sample_weight=None):
    """Return the mean log loss of the labels.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels)
        Indicator matrix of the labels.
    y_proba : array-like of shape (n_samples, n_labels)
        Probabilities of the labels.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    """
    y_true = np.asarray(y_true)
    proba = np.clip(np.asarray(y_proba, np.float64), TINY, 1.0 - TINY)
    losses = -(xlogy(y_true, proba) + xlog1py(1 - y_true, -proba))
    return np.average(losses.mean(axis=1), weights=sample_weight)


NEG_LOG_LOSS = make_scorer(
    labels_log_loss, response_method="predict_proba", greater_is_better=False
)


def scorer_of_labels(scorer: Any) -> Any:
    """Return a scorer that is correct for indicator matrices.

    Raises
    ------
    ValueError
        If scikit-learn would treat the labels as classes, and only warn.
    """
    parts = parts_of(scorer)
    if parts is None:
        return scorer
    if parts.function is d2_log_loss_score:
        raise ValueError(
            "scoring='d2_log_loss_score' is not defined for several labels per row. "
            "Use 'neg_log_loss'."
        )
    return NEG_LOG_LOSS if parts.function is log_loss else scorer


@dataclass(frozen=True)
class LabelFormula:
    """A score of indicator matrices that is an average of F-scores or Jaccard indices.

    Parameters
    ----------
    each : callable
        The score of one label, as a function of the number of true positives, of
        positive rows and of positive predictions.
    average : {"macro", "weighted", "micro", "samples"}
        The average, as in scikit-learn.
    """

    each: Callable[..., np.ndarray]
    average: str

    @property
    def is_separable(self) -> bool:
        """Whether the best threshold of a label is independent of the other labels."""
        return self.average in ("macro", "weighted")

    def __call__(self, y_true, answers, sample_weight=None) -> float:
        """Return the score of an indicator matrix."""
        answers = np.asarray(answers, dtype=np.float64)
        parts = y_true * answers, y_true, answers
        if self.average == "samples":
            values = self.each(*(part.sum(axis=1) for part in parts))
            return float(np.average(values, weights=sample_weight))
        weight = np.ones(len(y_true)) if sample_weight is None else sample_weight
        hits, truth, found = (weight @ part for part in parts)
        if self.average == "micro":
            return float(self.each(hits.sum(), truth.sum(), found.sum()))
        return self.averaged(self.each(hits, truth, found), truth)

    def averaged(self, values, truth) -> float:
        """Return the average of the scores of the labels."""
        if self.average == "macro":
            return float(np.mean(values))
        return float(ratio((values * truth).sum(), truth.sum()))

    def over_thresholds(self, y_true, probability, weight):
        """Return the distinct thresholds of one label, and the score at each."""
        thresholds, confusions = confusions_above(y_true, probability, weight)
        hits, found = confusions[:, 1, 1], confusions[:, :, 1].sum(axis=1)
        return thresholds, self.each(hits, confusions[:, 1].sum(axis=1), found)


@dataclass(frozen=True)
class AtBestThresholds:
    """The largest value of a score of labels over the thresholds of the labels.

    If the score is not an average over the labels, all labels have the same threshold.
    """

    formula: LabelFormula

    def __call__(self, y_true, proba, sample_weight=None) -> float:
        """Return the score."""
        formula = self.formula
        if not formula.is_separable:
            return _best_common(formula, y_true, proba, sample_weight)[1]
        weight = np.ones(len(y_true)) if sample_weight is None else sample_weight
        scores = [
            formula.over_thresholds(y, p, weight)[1].max()
            for y, p in zip(y_true.T, proba.T, strict=True)
        ]
        return formula.averaged(np.array(scores), weight @ y_true)


def forms_of_labels(scorer: Any) -> tuple[LabelFormula | None, Fast | None]:
    """Return the formula and the fast form of a scorer, or None for each."""
    parts = parts_of(scorer)
    if parts is None:
        return None, None
    if parts == parts_of(NEG_LOG_LOSS):
        return None, Fast(_mean_log, _own_probability, is_mean_of_columns=True)
    known = known_name(scorer)
    if known in _FAST:
        return None, _FAST[known]
    formula = _formula_of(parts)
    if formula is None:
        return None, None
    best = AtBestThresholds(formula)
    return formula, Fast(best, is_mean_of_columns=formula.average == "macro")


def thresholds_of_labels(
    formula: LabelFormula,
    y: np.ndarray,
    proba: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    groups: np.ndarray | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> np.ndarray:
    """Choose the probability above which each label is predicted.

    The best thresholds are found on bootstraps of the rows, and their log odds are
    averaged. They are used only if they score better than one half, on average, on the
    rows outside of the bootstraps. If the score is an average over the labels, each
    label has a threshold of its own. Otherwise all have the same one. The other
    parameters are those of `weights_of_labels`.

    Returns
    -------
    ndarray of shape (n_labels,)
        The thresholds.
    """
    n_labels = proba.shape[1]
    rng = np.random.default_rng(random_state)
    known = known_rows(proba, rng)
    half = np.full(n_labels, 0.5)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    gains, log_odds = [], []
    for drawn, out in bags(known, groups, rng, deadline):
        best = _best_thresholds(formula, y[drawn], proba[drawn], weight[drawn])
        before, after = (
            formula(y[out], proba[out] > threshold, weight[out])
            for threshold in (half, best)
        )
        gains.append(after - before)
        log_odds.append(np.log(best) - np.log1p(-best))
    if not np.mean(gains or [0.0]) > 0:
        return half
    return 1.0 / (1.0 + np.exp(-np.mean(log_odds, axis=0)))


def _best_thresholds(formula: LabelFormula, y, proba, weight) -> np.ndarray:
    if not formula.is_separable:
        common = _best_common(formula, y, proba, weight)[0]
        found = np.full(proba.shape[1], common)
    else:
        pairs = zip(y.T, proba.T, strict=True)
        found = np.array([_best_of_label(formula, *pair, weight) for pair in pairs])
    return np.clip(found, LEAST_THRESHOLD, 1.0 - LEAST_THRESHOLD)


def _best_of_label(formula: LabelFormula, y, probability, weight) -> float:
    if not (y[weight > 0] == 1).any():  # all thresholds score alike
        return 0.5
    thresholds, scores = formula.over_thresholds(y, probability, weight)
    return float(thresholds[np.argmax(scores)])


def _best_common(formula: LabelFormula, y, proba, weight) -> tuple[float, float]:
    """Return the best common threshold of all labels, and its score."""
    if formula.average == "micro":
        weight = np.ones(len(y)) if weight is None else weight
        cells = y.ravel(), proba.ravel(), np.repeat(weight, proba.shape[1])
        thresholds, scores = formula.over_thresholds(*cells)
    else:
        thresholds = COMMON_THRESHOLDS
        scores = np.array([formula(y, proba > t, weight) for t in thresholds])
    best = int(np.argmax(scores))
    return float(thresholds[best]), float(scores[best])


def _formula_of(parts) -> LabelFormula | None:
    options = dict(parts.options)
    average = options.pop("average", "binary")
    if options.get("zero_division") == 0:  # as in `ratio`
        del options["zero_division"]
    if (
        parts.function not in (f1_score, fbeta_score, jaccard_score)
        or parts.sign != 1
        or not parts.reads_labels
        or average not in ("macro", "weighted", "micro", "samples")
    ):
        return None
    each: Callable[..., np.ndarray] = jaccard
    if parts.function is not jaccard_score:
        each = partial(fbeta, beta=options.pop("beta", 1.0))
    return None if options else LabelFormula(each, average)


def _own_probability(y_true, proba):
    return np.where(y_true == 1, proba, 1.0 - proba)


def _mean_log(y_true, own, sample_weight):
    logs = np.log(np.clip(own, TINY, 1.0, dtype=np.float64))
    return np.average(logs.mean(axis=1), weights=sample_weight)


def _subset_accuracy(y_true, proba, sample_weight):
    return np.average(((proba > 0.5) == y_true).all(axis=1), weights=sample_weight)


def _mean_roc_auc(y_true, proba, sample_weight):
    """Return the mean over the labels that are not constant."""
    varies = (y_true != y_true[:1]).any(axis=0)
    if not varies.any():
        return np.nan
    pairs = zip(y_true.T[varies], proba.T[varies], strict=True)
    return np.mean([roc_auc(y, p, sample_weight) for y, p in pairs])


_MEAN_ROC_AUC = Fast(_mean_roc_auc, is_mean_of_columns=True)
_FAST = {  # scikit-learn ignores `multi_class` for several labels
    "accuracy": Fast(_subset_accuracy),
    "roc_auc": _MEAN_ROC_AUC,
    "roc_auc_ovr": _MEAN_ROC_AUC,
    "roc_auc_ovo": _MEAN_ROC_AUC,
}
