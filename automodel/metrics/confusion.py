"""Scores of labels from confusion matrices, ten times faster than scikit-learn's.

Probabilities of two classes are scored at the best threshold. At a threshold of one
half, models of a rare class never predict it, and all have the same score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from automodel.metrics.functions import (
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
from automodel.metrics.scorers import parts_of

# Accuracy is best at one half, and the others at a threshold of 0 or 1.
NEVER_THRESHOLD = (accuracy_score, precision_score, recall_score)
AT_THE_EDGE = ("positive_likelihood_ratio", "negative_likelihood_ratio")  # private

Formula = Callable[..., Any]
TINY = 1e-9  # distance of the outer thresholds from 0 and 1


def needs_threshold(scorer: Any) -> bool:
    """Tell whether a scorer reads labels and depends on their threshold."""
    parts = parts_of(scorer)
    if parts is None or not parts.reads_labels:
        return False
    average = parts.options.get("average")
    if parts.function is recall_score:  # its macro average is balanced accuracy
        return average == "macro"
    is_accuracy = average == "micro"
    if is_accuracy or getattr(parts.function, "__name__", "") in AT_THE_EDGE:
        return False
    return parts.function not in NEVER_THRESHOLD


def formula_of(scorer: Any, classes: np.ndarray | None) -> Formula | None:
    """Return a score as a function of confusion matrices.

    Parameters
    ----------
    scorer : callable
        A scorer of scikit-learn.
    classes : ndarray of shape (n_classes,) or None
        The labels, in the order of the matrices.

    Returns
    -------
    callable or None
        Maps an array of shape (..., n_classes, n_classes), with true classes in rows,
        to an array of shape (...,). None if there is no formula for this scorer.
    """
    parts = parts_of(scorer)
    if (
        parts is None
        or not needs_threshold(scorer)
        or parts.sign != 1
        or classes is None
    ):
        return None
    function, options = parts.function, dict(parts.options)
    if function in _OF_ALL:
        return None if options else _OF_ALL[function]
    if function not in _OF_EACH:
        return None
    each: Formula = _OF_EACH[function]
    if function in (f1_score, fbeta_score):
        each = partial(each, beta=options.pop("beta", 1.0))
    average, label = options.pop("average", "binary"), options.pop("pos_label", 1)
    if options:
        return None
    if average in _AVERAGES:
        return partial(_AVERAGES[average], each)
    positions = np.flatnonzero(np.asarray(classes) == label)
    if average != "binary" or len(classes) != 2 or not len(positions):
        return None
    return partial(_of_one, each, positions[0])


@dataclass(frozen=True)
class AtBestThreshold:
    """The largest value of a score of two classes over all thresholds.

    Parameters
    ----------
    formula : callable
        The score as a function of confusion matrices.
    """

    formula: Formula

    def __call__(self, y_true, probability, sample_weight=None) -> float:
        """Return the score, or NaN if a class is missing."""
        _, confusions = confusions_above(y_true, probability, sample_weight)
        if not confusions[0].sum(axis=-1).all():
            return np.nan
        found = confusions[:, 1, 1]
        worthy = np.append(True, np.diff(found) > 0)  # others only add false positives
        return float(self.formula(confusions[worthy]).max())


@dataclass(frozen=True)
class AtLikeliest:
    """The score of the most likely class of each row.

    Parameters
    ----------
    formula : callable
        The score as a function of confusion matrices.
    """

    formula: Formula

    def __call__(self, y_true, proba, sample_weight=None) -> float:
        """Return the score."""
        labels = proba.argmax(axis=1)
        confusion = confusion_of(y_true, labels, proba.shape[1], sample_weight)
        return float(self.formula(confusion))


@dataclass(frozen=True)
class ScoreOfConfusion:
    """A score of labels as a function of a confusion matrix, if it has no formula.

    Parameters
    ----------
    scorer : callable
        A scorer of scikit-learn that reads labels and takes sample weights.
    classes : ndarray of shape (n_classes,)
        The labels, in the order of the matrix.
    """

    scorer: Any
    classes: np.ndarray

    def __call__(self, confusion: np.ndarray) -> float:
        """Return the score, each cell of the matrix being a row with a weight."""
        parts = parts_of(self.scorer)
        assert parts is not None  # such as a scorer that needs a threshold has
        truth, answer = np.nonzero(confusion)
        return parts.sign * parts.function(
            self.classes[truth],
            self.classes[answer],
            sample_weight=confusion[truth, answer],
            **parts.options,
        )


def confusion_of(y_true, labels, n_classes, sample_weight=None) -> np.ndarray:
    """Return the confusion matrix, with true classes in rows."""
    counts = np.bincount(y_true * n_classes + labels, sample_weight, n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.float64)


def confusions_above(y_true, probability, sample_weight=None):
    """Return all distinct thresholds, and the confusion matrix at each of them.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
        1 for rows of the positive class.
    probability : ndarray of shape (n_samples,)
        Probability of the positive class.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    thresholds : ndarray of shape (n_thresholds,)
        In descending order. No row is above the first one, and all rows are above the
        last one.
    confusions : ndarray of shape (n_thresholds, 2, 2)
        Confusion matrices, as `confusion_of` returns them.
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
    cells = np.stack([fp[-1] - fp, fp, tp[-1] - tp, tp], axis=-1)
    return thresholds, cells.reshape(-1, 2, 2)


def ratio(part, whole):
    """Divide, with 0 where the divisor is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole != 0)


def _parts(confusions):
    """Return the true positives, the rows and the predictions of each class."""
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    return hits, confusions.sum(axis=-1), confusions.sum(axis=-2)


def _recall(confusions):
    hits, truth, _ = _parts(confusions)
    return ratio(hits, truth)


def _balanced_accuracy(confusions):
    _, truth, _ = _parts(confusions)
    return _mean(_recall(confusions), truth > 0)


def _matthews(confusions):
    hits, truth, answers = _parts(confusions)
    total = truth.sum(axis=-1)
    scale = (total**2 - (truth**2).sum(-1)) * (total**2 - (answers**2).sum(-1))
    covariance = hits.sum(axis=-1) * total - (truth * answers).sum(axis=-1)
    return ratio(covariance, np.sqrt(np.maximum(scale, 0.0)))


def _kappa(confusions):
    hits, truth, answers = _parts(confusions)
    total, by_chance = truth.sum(axis=-1), (truth * answers).sum(axis=-1)
    return ratio(hits.sum(axis=-1) * total - by_chance, total**2 - by_chance)


def _fbeta(confusions, beta):
    hits, truth, answers = _parts(confusions)
    return fbeta(hits, truth, answers, beta)


def fbeta(hits, truth, answers, beta):
    """Return the F-beta score of one class, or of each."""
    return ratio((1 + beta**2) * hits, beta**2 * truth + answers)


def _jaccard(confusions):
    return jaccard(*_parts(confusions))


def jaccard(hits, truth, answers):
    """Return the Jaccard index of one class, or of each."""
    return ratio(hits, truth + answers - hits)


def _of_one(each, position, confusions):
    return each(confusions)[..., position]


def _macro(each, confusions):
    _, truth, answers = _parts(confusions)
    return _mean(each(confusions), truth + answers > 0)


def _weighted(each, confusions):
    _, truth, _ = _parts(confusions)
    return _mean(each(confusions), truth)


def _mean(values, weight):
    return ratio((values * weight).sum(axis=-1), weight.sum(axis=-1))


_OF_ALL: dict[Any, Formula] = {
    balanced_accuracy_score: _balanced_accuracy,
    matthews_corrcoef: _matthews,
    cohen_kappa_score: _kappa,
}
_OF_EACH: dict[Any, Formula] = {
    f1_score: _fbeta,
    fbeta_score: _fbeta,
    jaccard_score: _jaccard,
    recall_score: _recall,
}
_AVERAGES: dict[Any, Formula] = {"macro": _macro, "weighted": _weighted}
