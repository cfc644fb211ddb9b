"""The choice of class weights by which probabilities become labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.metrics.confusion import confusion_of, confusions_above
from automodel.metrics.scorers import score_or_nan
from automodel.sampling.clusters import bootstrap
from automodel.targets.classes import labels_of

N_BAGS = 10
MOST_CELLS = 1_000_000  # rows times classes that are used
N_THRESHOLDS = 50  # for each class
LEAST_SHARE = 1e-4  # of a class, and of a threshold
FACTORS = 2.0 ** np.array([-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0])
N_PASSES = 2


def weights_of_labels(
    formula: Callable[[np.ndarray], float],
    y: np.ndarray,
    proba: np.ndarray,
    sample_weight: np.ndarray | None = None,
    *,
    groups: np.ndarray | None = None,
    deadline: Deadline = NO_DEADLINE,
    random_state: int = 0,
) -> np.ndarray:
    """Choose weights of the classes, by which probabilities become labels.

    The best weights are found on bootstraps of the rows, and their geometric mean is
    taken. They are used only if they score better than equal weights, on average, on
    the rows outside of the bootstraps.

    Parameters
    ----------
    formula : callable
        The score of a confusion matrix.
    y : ndarray of shape (n_samples,)
        Class numbers.
    proba : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities. Rows of NaN are ignored.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    groups : ndarray of shape (n_samples,), default=None
        Rows of one group are drawn together.
    deadline : Deadline, default=NO_DEADLINE
        Moment at which the search for better weights ends.
    random_state : int, default=0
        Seed of the bootstraps.

    Returns
    -------
    ndarray of shape (n_classes,)
        Weights with a geometric mean of 1.
    """
    n_classes = proba.shape[1]
    equal = np.ones(n_classes)
    rng = np.random.default_rng(random_state)
    known = known_rows(proba, rng)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    gains, logs = [], []
    for drawn, out in bags(known, groups, rng, deadline):
        if len(np.unique(y[drawn])) < 2:
            continue
        best = _best_weights(formula, y[drawn], proba[drawn], weight[drawn], deadline)
        score = _scorer(formula, y[out], proba[out], weight[out])
        gains.append(score(best) - score(equal))
        logs.append(np.log(best))
    if not np.mean(gains or [0.0]) > 0:  # nor where it is NaN
        return equal
    mean = np.mean(logs, axis=0)
    return np.exp(mean - mean.mean())


def known_rows(proba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows that have a prediction, or a sample of them if they are many."""
    known = np.flatnonzero(np.isfinite(proba[:, 0]))
    return rng.permutation(known)[: max(MOST_CELLS // proba.shape[1], 1)]


def bags(
    known: np.ndarray,
    groups: np.ndarray | None,
    rng: np.random.Generator,
    deadline: Deadline,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of each bootstrap of the known rows, and the other rows."""
    part = None if groups is None else groups[known]
    for _ in range(N_BAGS):
        if deadline.is_over:
            break
        drawn = known[bootstrap(rng, len(known), len(known), part)]
        out = np.setdiff1d(known, drawn)
        if len(out):
            yield drawn, out


def _best_weights(formula, y, proba, weight, deadline) -> np.ndarray:
    if proba.shape[1] == 2:
        return _best_threshold(formula, y, proba[:, 1], weight)
    score = _scorer(formula, y, proba, weight)
    shares = np.bincount(y, weight, proba.shape[1])
    balanced = 1 / np.maximum(shares / shares.sum(), LEAST_SHARE)
    starts = np.ones(len(shares)), balanced
    start = starts[_best([score(weights) for weights in starts])]
    return _ascended(score, start, deadline)


def _best_threshold(formula, y, probability, weight) -> np.ndarray:
    """Return the best of some thresholds, at quantiles of the rows of each class."""
    thresholds, confusions = confusions_above(y, probability, weight)
    steps = np.linspace(0, 1, N_THRESHOLDS)
    above = confusions[:, :, 1].T
    found = [np.searchsorted(part, steps * part[-1]) for part in above]
    chosen = np.unique(np.concatenate(found))
    inner = chosen[(chosen > 0) & (chosen < len(thresholds) - 1)]
    if not len(inner):
        return np.ones(2)
    scores = [score_or_nan(formula, confusion) for confusion in confusions[inner]]
    threshold = thresholds[inner[_best(scores)]]
    threshold = np.clip(threshold, LEAST_SHARE, 1 - LEAST_SHARE)
    return np.array([threshold, 1 - threshold])


def _ascended(score, weights, deadline) -> np.ndarray:
    """Change one weight at a time while the score rises."""
    best = score(weights)
    for _ in range(N_PASSES):
        before = best
        for column in range(len(weights)):
            if deadline.is_over:
                return weights
            kept = weights
            for factor in FACTORS:
                changed = weights.copy()
                changed[column] *= factor
                value = score(changed)
                if value > best:
                    best, kept = value, changed
            weights = kept
        if best == before:
            break
    return weights


def _scorer(formula, y, proba, weight) -> Callable[[np.ndarray], float]:
    """Return a function that scores some rows, given the weights of the classes."""

    def score(weights):
        labels = labels_of(proba, weights)
        confusion = confusion_of(y, labels, proba.shape[1], weight)
        return score_or_nan(formula, confusion)

    return score


def _best(scores: list[float]) -> int:
    return int(np.argmax(np.nan_to_num(scores, nan=-np.inf)))
