"""PooledScorer: calls a scorer with predictions that were made before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from automodel.metrics.fast_scores import TINY
from automodel.metrics.functions import roc_auc_score
from automodel.metrics.scorers import ScorerParts, parts_of, takes
from automodel.targets.base import Target


@dataclass(frozen=True)
class PooledScorer:
    """A scorer that is called with predictions in place of an estimator.

    The scorer gets an estimator that returns the predictions, and the row numbers as X.

    Parameters
    ----------
    scorer : callable
        A scorer of scikit-learn, or any callable `scorer(estimator, X, y)`.
    target : Target
        What is scored. y and predictions are given as the target encodes them.
    """

    scorer: Any
    target: Target

    @cached_property
    def takes_weight(self) -> bool:
        """Whether the score has sample weights."""
        return takes(self.scorer, "sample_weight")

    @cached_property
    def _parts_told_labels(self) -> ScorerParts | None:
        """The parts of a score of probabilities that has a `labels` parameter."""
        parts = parts_of(self.scorer)
        if parts is None or not parts.reads_probabilities:
            return None
        return parts if takes(self.scorer, "labels") else None

    def __call__(
        self,
        y_true: Any,
        prediction: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Return the score."""
        weight = {}
        if sample_weight is not None and self.takes_weight:
            weight = {"sample_weight": sample_weight}
        truth, classes = self.target.restore(y_true), self.target.classes
        if classes is not None:
            prediction = _with_sum_one(prediction.astype(np.float64))
        parts = self._parts_told_labels
        if classes is None or len(classes) == 2 or parts is None:
            rows = np.arange(len(truth)).reshape(-1, 1)
            return self.scorer(self.target.answers(prediction), rows, truth, **weight)
        known = np.arange(len(classes))
        if parts.function is roc_auc_score:  # not defined for a class without rows
            known = np.unique(y_true)
        proba = _with_sum_one(prediction[:, known] + TINY)
        options = {"labels": classes[known], **parts.options, **weight}
        return parts.sign * parts.function(truth, proba, **options)


def _with_sum_one(proba: np.ndarray) -> np.ndarray:
    return proba / proba.sum(axis=1, keepdims=True)
