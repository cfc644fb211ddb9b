"""Scorers of boxes, which scikit-learn does not have."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.metrics import make_scorer

from automodel.metrics.average_precision import (
    mean_average_precision,
    mean_precision_of_boxes,
)
from automodel.metrics.fast_scores import Fast
from automodel.metrics.scorers import parts_of
from automodel.targets.boxes import Boxes

BOX_SCORERS = {
    "map": make_scorer(mean_average_precision),
    "map_50": make_scorer(mean_average_precision, iou_thresholds=0.5),
}


def fast_score_of_boxes(scorer: Any) -> Fast | None:
    """Return the form of a score that takes `Boxes`; None for a score of others."""
    parts = parts_of(scorer)
    if parts is None or parts.function is not mean_average_precision:
        return None
    return Fast(partial(_score, parts.sign, parts.options))


def _score(
    sign: int, options: dict[str, Any], true: Boxes, prediction: Boxes, weight: Any
) -> float:
    return sign * mean_precision_of_boxes(true, prediction, **options)
