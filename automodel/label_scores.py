"""Scores of two classes at the threshold that suits them best.

A score of labels depends on the probability above which a row gets the positive label.
At one half, models of a rare class all answer with the other class and look alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    fbeta_score,
    jaccard_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

# One half is best for accuracy; for the others a threshold at the edge is.
NEVER_TUNED = (accuracy_score, precision_score, recall_score)

Formula = Callable[..., Any]
TINY = 1e-9  # by which the outer thresholds are above and below all


def is_tuned(scorer: Any) -> bool:
    """Tell whether a scorer reads labels whose threshold is worth a choice."""
    if getattr(scorer, "_response_method", None) != "predict":
        return False
    if scorer._score_func is recall_score:  # the mean over classes is balanced accuracy
        return scorer._kwargs.get("average") == "macro"
    return scorer._score_func not in NEVER_TUNED


def formula_of(scorer: Any, classes: np.ndarray | None) -> Formula | None:
    """Return the score of two classes as a function of (tn, fp, fn, tp).

    Parameters
    ----------
    scorer : callable
        A scorer of scikit-learn.
    classes : ndarray of shape (2,) or None
        The labels; the second is the positive one of the counts.

    Returns
    -------
    callable or None
        Takes four arrays of counts of one shape; None if none is known.
    """
    if not is_tuned(scorer) or scorer._sign != 1:
        return None
    function, options = scorer._score_func, dict(scorer._kwargs)
    if function in _OF_BOTH:
        return None if options else _OF_BOTH[function]
    if function is recall_score:
        return _balanced_accuracy
    if function not in _OF_ONE:
        return None
    one: Formula = _OF_ONE[function]
    if function is not jaccard_score:
        one = partial(one, beta=options.pop("beta", 1.0))
    average, label = options.pop("average", "binary"), options.pop("pos_label", 1)
    if options:
        return None
    if average in _AVERAGES:
        return partial(_AVERAGES[average], one)
    if average != "binary" or classes is None or label not in list(classes):
        return None
    return one if classes[1] == label else partial(_of_first, one)


@dataclass(frozen=True)
class AtBestThreshold:
    """The largest value of a score over all thresholds.

    Parameters
    ----------
    formula : callable
        Of (tn, fp, fn, tp).
    """

    formula: Formula

    def __call__(self, y_true, probability, sample_weight=None) -> float:
        """Return the score; NaN where a class is missing."""
        _, counts = counts_above(y_true, probability, sample_weight)
        tn, fp, fn, tp = counts
        if fn[0] == 0 or tn[0] == 0:
            return np.nan
        return float(self.formula(*counts).max())


def counts_above(y_true, probability, sample_weight=None):
    """Return all thresholds that differ, and what each leads to.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
        1 for positive rows.
    probability : ndarray of shape (n_samples,)
        Of the positive class.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    thresholds : ndarray of shape (n_thresholds,)
        Falling: above the first is no row, above the last are all.
    counts : tuple of four ndarrays of shape (n_thresholds,)
        Weights of true negatives, false positives, false negatives, true positives.
    """
    order = np.argsort(-probability)
    probability = probability[order].astype(np.float64)
    positive = (y_true == 1)[order].astype(np.float64)
    weight = np.ones(len(order)) if sample_weight is None else sample_weight[order]
    last = np.append(np.flatnonzero(np.diff(probability)), len(order) - 1)
    tp = np.append(0.0, np.cumsum(weight * positive)[last])
    fp = np.append(0.0, np.cumsum(weight * (1 - positive))[last])
    values = np.concatenate([[1.0 + TINY], probability[last], [-TINY]])
    thresholds = (values[:-1] + values[1:]) / 2
    return thresholds, (fp[-1] - fp, fp, tp[-1] - tp, tp)


def _ratio(part, whole):
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)


def _balanced_accuracy(tn, fp, fn, tp):
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def _matthews(tn, fp, fn, tp):
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return _ratio(tp * tn - fp * fn, scale)


def _kappa(tn, fp, fn, tp):
    by_chance = (tp + fp) * (fp + tn) + (tp + fn) * (fn + tn)
    return _ratio(2 * (tp * tn - fn * fp), by_chance)


def _fbeta(tn, fp, fn, tp, beta):
    hits = (1 + beta**2) * tp
    return _ratio(hits, hits + beta**2 * fn + fp)


def _jaccard(tn, fp, fn, tp):
    return _ratio(tp, tp + fp + fn)


def _of_first(one, tn, fp, fn, tp):
    """Score the other class as the positive one."""
    return one(tp, fn, fp, tn)


def _macro(one, tn, fp, fn, tp):
    return (one(tn, fp, fn, tp) + one(tp, fn, fp, tn)) / 2


def _weighted(one, tn, fp, fn, tp):
    total = tn + fp + fn + tp
    of_second, of_first = one(tn, fp, fn, tp), one(tp, fn, fp, tn)
    return ((tp + fn) * of_second + (tn + fp) * of_first) / total


_OF_BOTH: dict[Any, Formula] = {
    balanced_accuracy_score: _balanced_accuracy,
    matthews_corrcoef: _matthews,
    cohen_kappa_score: _kappa,
}
_OF_ONE: dict[Any, Formula] = {
    f1_score: _fbeta,
    fbeta_score: _fbeta,
    jaccard_score: _jaccard,
}
_AVERAGES: dict[Any, Formula] = {"macro": _macro, "weighted": _weighted}
