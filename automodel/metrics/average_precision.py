"""Mean average precision of boxes, as COCO computes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from automodel.targets.box_checks import read_boxes, with_classes
from automodel.targets.boxes import Boxes

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # those of COCO
RECALLS = np.linspace(0.0, 1.0, 101)  # at which the precision is averaged
MOST_IOU = 1.0 - 1e-10  # beyond which boxes count as equal
NEARLY = 1.0 - 1e-9  # of a limit, which rounding may miss
MOST_PAIRS = 2**18  # of predicted and true boxes that are compared at once


def mean_average_precision(
    y_true: Any,
    y_pred: Any,
    *,
    iou_thresholds: Any = None,
    max_detections: int = 100,
) -> float:
    """Return the mean average precision of predicted boxes, as COCO defines it.

    For each class and threshold, the predicted boxes of all images are matched in the
    order of their scores. A box matches the true box of its class and image with the
    greatest intersection over union (IoU) among those that have no match yet, if the
    IoU reaches the threshold. The average precision is the mean of the precision at 101
    values of recall, and the score is its mean over classes and thresholds. The result
    equals that of pycocotools [1]_.

    Parameters
    ----------
    y_true : sequence of dict
        For each image its ``boxes`` of shape (n_boxes, 4), as x1, y1, x2, y2, and
        ``labels`` of shape (n_boxes,), which are integers or strings. Boxes that are
        ``ignored``, of shape (n_boxes,), need not be found. A predicted box that
        matches one counts neither for nor against the model, as for the crowds of COCO:
        the share of its own area that an ignored box covers replaces the IoU.
    y_pred : sequence of dict
        ``boxes``, ``labels`` and ``scores`` of each image, in the same order.
    iou_thresholds : float or sequence of float, default=None
        Least IoU of a match. None means 0.5, 0.55, ..., 0.95.
    max_detections : int, default=100
        Number of predicted boxes of each class and image that count: those with the
        highest scores.

    Returns
    -------
    float
        The score, from 0 to 1. Classes without true boxes are left out; the score is
        NaN if there are no others.

    Raises
    ------
    TypeError, ValueError
        If boxes have another form, if the numbers of images differ, or if labels are
        integers in one sequence and strings in the other.

    References
    ----------
    .. [1] Lin et al. (2014), Microsoft COCO: Common Objects in Context;
       https://github.com/cocodataset/cocoapi

    Examples
    --------
    >>> from automodel.metrics import mean_average_precision
    >>> y_true = [{"boxes": [[0, 0, 10, 10]], "labels": ["cat"]}]
    >>> y_pred = [{"boxes": [[0, 0, 10, 8]], "labels": ["cat"], "scores": [0.9]}]
    >>> mean_average_precision(y_true, y_pred, iou_thresholds=0.5)
    1.0
    >>> round(mean_average_precision(y_true, y_pred), 2)
    0.7
    """
    truth, predicted, _ = _read(y_true, y_pred)
    return mean_precision_of_boxes(truth, predicted, iou_thresholds, max_detections)


def average_precision_per_class(
    y_true: Any,
    y_pred: Any,
    *,
    iou_thresholds: Any = None,
    max_detections: int = 100,
) -> dict[Any, float]:
    """Return the average precision of each class that has true boxes.

    Parameters
    ----------
    y_true, y_pred, iou_thresholds, max_detections
        As in `mean_average_precision`.

    Returns
    -------
    dict
        The mean over the thresholds for each label, in sorted order.

    Examples
    --------
    >>> from automodel.metrics import average_precision_per_class
    >>> boxes = [[0, 0, 10, 10], [5, 5, 9, 9]]
    >>> y_true = [{"boxes": boxes, "labels": ["cat", "dog"]}]
    >>> y_pred = [{"boxes": boxes[:1], "labels": ["cat"], "scores": [0.9]}]
    >>> average_precision_per_class(y_true, y_pred)
    {'cat': 1.0, 'dog': 0.0}
    """
    truth, predicted, labels = _read(y_true, y_pred)
    precisions = average_precisions(truth, predicted, iou_thresholds, max_detections)
    means = zip(labels.tolist(), precisions.mean(axis=1).tolist(), strict=False)
    return {label: mean for label, mean in means if not np.isnan(mean)}


def mean_precision_of_boxes(
    truth: Boxes,
    predicted: Boxes,
    iou_thresholds: Any = None,
    max_detections: int = 100,
) -> float:
    """Return `mean_average_precision` of `Boxes`; NaN if no class has true boxes."""
    precisions = average_precisions(truth, predicted, iou_thresholds, max_detections)
    exists = ~np.isnan(precisions[:, 0])
    return float(precisions[exists].mean()) if exists.any() else float("nan")


def average_precisions(
    truth: Boxes,
    predicted: Boxes,
    iou_thresholds: Any = None,
    max_detections: int = 100,
) -> np.ndarray:
    """Return the average precision of each class at each threshold.

    Parameters
    ----------
    truth, predicted : Boxes
        Boxes of the same images, of which the predicted ones have scores.
    iou_thresholds, max_detections
        As in `mean_average_precision`.

    Returns
    -------
    ndarray of shape (n_classes, n_thresholds)
        NaN for a class that has no true box which counts. There are as many classes as
        the truth has.
    """
    if len(truth) != len(predicted):
        raise ValueError(
            f"There are true boxes of {len(truth)} images, but predicted ones of "
            f"{len(predicted)}."
        )
    thresholds = _thresholds(iou_thresholds)
    counted = np.bincount(truth.classes[~truth.ignored])
    n_classes = int(truth.classes.max(initial=-1)) + 1
    result = np.full((n_classes, len(thresholds)), np.nan)
    found = _found(truth, predicted, n_classes, max_detections)
    is_true, is_ignored = _matched(found, truth, thresholds)
    order = np.lexsort((-found.scores, found.classes))  # stable: images stay in order
    starts = np.searchsorted(found.classes[order], np.arange(n_classes + 1))
    for own in np.flatnonzero(counted):
        boxes = order[starts[own] : starts[own + 1]]
        result[own] = _precisions(is_true[boxes], is_ignored[boxes], counted[own])
    return result


@dataclass(frozen=True)
class _Found:
    """Predicted boxes that count, by image and class, those of high scores first.

    `rank` is the position of a box among those of its image and class, of which the
    true boxes are at `first:last` in `order`.
    """

    coordinates: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    rank: np.ndarray
    first: np.ndarray
    last: np.ndarray
    order: np.ndarray


def _thresholds(given: Any) -> np.ndarray:
    if given is None:
        return IOU_THRESHOLDS
    thresholds = np.atleast_1d(np.asarray(given, dtype=np.float64))
    are_valid = (thresholds > 0) & (thresholds <= 1)
    if thresholds.ndim != 1 or not len(thresholds) or not are_valid.all():
        raise ValueError(
            "iou_thresholds must be a number above 0 and up to 1, or a sequence of "
            f"such numbers. Got {given!r} instead."
        )
    return np.minimum(thresholds, MOST_IOU)


def _read(y_true: Any, y_pred: Any) -> tuple[Boxes, Boxes, np.ndarray]:
    truth, labels = read_boxes(y_true, "y_true")
    predicted, others = read_boxes(y_pred, "y_pred", is_predicted=True)
    if len(labels) and len(others) and labels.dtype.kind != others.dtype.kind:
        raise ValueError(
            f"The labels of y_true, such as {labels[0]!r}, and those of y_pred, such "
            f"as {others[0]!r}, are of different types."
        )
    both = len(labels) and len(others)
    every = np.union1d(labels, others) if both else max(labels, others, key=len)
    truth = with_classes(truth, labels, every)
    predicted = with_classes(predicted, others, every)
    return truth, predicted, every


def _found(truth: Boxes, predicted: Boxes, n_classes: int, most: int) -> _Found:
    """Sort the predicted boxes, and find the true ones that each may match."""
    assert predicted.scores is not None, "only predicted boxes have scores"
    keys = predicted.images * n_classes + predicted.classes
    boxes = np.lexsort((-predicted.scores, keys))
    boxes = boxes[predicted.classes[boxes] < n_classes]  # others have no true boxes
    keys = keys[boxes]
    rank = np.arange(len(keys)) - np.searchsorted(keys, keys)
    boxes, keys, rank = boxes[rank < most], keys[rank < most], rank[rank < most]
    true_keys = truth.images * n_classes + truth.classes
    order = np.argsort(true_keys, kind="stable")
    true_keys = true_keys[order]
    return _Found(
        coordinates=predicted.coordinates[boxes],
        classes=predicted.classes[boxes],
        scores=predicted.scores[boxes],
        rank=rank,
        first=np.searchsorted(true_keys, keys, "left"),
        last=np.searchsorted(true_keys, keys, "right"),
        order=order,
    )


def _matched(
    found: _Found, truth: Boxes, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which boxes match a true one, and which an ignored one, at each threshold.

    The boxes of one rank, which are of different images or classes, are matched at
    once, after those of all higher scores.
    """
    is_true = np.zeros((len(found.rank), len(thresholds)), dtype=bool)
    is_ignored = np.zeros_like(is_true)
    is_taken = np.zeros((len(truth.classes), len(thresholds)), dtype=bool)
    own, other, iou = _pairs(found, truth, float(thresholds.min()))
    by_rank = np.lexsort((-other, -iou, truth.ignored[other], own, found.rank[own]))
    own, other, iou = own[by_rank], other[by_rank], iou[by_rank]
    for first, last in _runs(found.rank[own]):
        boxes, others = own[first:last], other[first:last]
        reaches = iou[first:last, None] >= thresholds
        may_match = reaches & (~is_taken[others] | truth.ignored[others, None])
        starts = np.flatnonzero(np.diff(boxes, prepend=-1))
        # The best pair of a box comes first, and ignored boxes after all others.
        pairs = np.where(may_match, np.arange(len(boxes))[:, None], len(boxes))
        best = np.minimum.reduceat(pairs, starts, axis=0)
        box, threshold = np.nonzero(best < len(boxes))
        match, box = others[best[box, threshold]], boxes[starts[box]]
        is_taken[match, threshold] = True
        is_true[box, threshold] = ~truth.ignored[match]
        is_ignored[box, threshold] = truth.ignored[match]
    return is_true, is_ignored


def _pairs(
    found: _Found, truth: Boxes, least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of a predicted and a true box whose IoU is high enough."""
    left, _, right, _ = sides = found.coordinates.T.astype(np.float64)
    true_left, _, true_right, _ = true_sides = truth.coordinates.T.astype(np.float64)
    # The IoU is at most the share of the width of a box that the other one covers.
    least_width = NEARLY * least * (right - left)
    counts, parts = found.last - found.first, []
    for boxes in _parts(counts):
        n_others = counts[boxes]
        own = np.repeat(np.arange(boxes.start, boxes.stop), n_others)
        moved = np.repeat(found.first[boxes] - np.cumsum(n_others) + n_others, n_others)
        other = found.order[moved + np.arange(len(own))]
        width = np.minimum(right[own], true_right[other])
        width -= np.maximum(left[own], true_left[other])
        may_match = width >= least_width[own]
        own, other = own[may_match], other[may_match]
        iou = _overlaps(sides[:, own], true_sides[:, other], truth.ignored[other])
        is_high = iou >= least
        parts.append((own[is_high], other[is_high], iou[is_high]))
    own, other, iou = (np.concatenate(values) for values in zip(*parts, strict=True))
    return own, other, iou


def _parts(counts: np.ndarray) -> Iterator[slice]:
    """Yield slices of boxes, at least one, that have few pairs each."""
    totals = np.cumsum(counts)
    n_parts = 1 + int(totals[-1:].sum()) // MOST_PAIRS
    limits = np.searchsorted(totals, MOST_PAIRS * np.arange(1, n_parts)).tolist()
    for start, stop in zip([0, *limits], [*limits, len(counts)], strict=True):
        yield slice(start, stop)


def _overlaps(
    boxes: np.ndarray, others: np.ndarray, are_ignored: np.ndarray
) -> np.ndarray:
    """Return the IoU of pairs; of ignored ones the share of the box that is covered.

    Parameters
    ----------
    boxes, others : ndarray of shape (4, n_pairs)
        Predicted and true boxes.
    are_ignored : ndarray of bool of shape (n_pairs,)
        Which of the true boxes are ignored.
    """
    low, high = np.maximum(boxes[:2], others[:2]), np.minimum(boxes[2:], others[2:])
    width, height = np.maximum(high - low, 0.0)
    shared = width * height
    area = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    true_area = (others[2] - others[0]) * (others[3] - others[1])
    union = area + true_area - shared
    whole = np.where(are_ignored, area, union)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each run of equal values."""
    limits = np.flatnonzero(np.diff(values, prepend=-1, append=-1)).tolist()
    yield from zip(limits[:-1], limits[1:], strict=True)


def _precisions(is_true: np.ndarray, is_ignored: np.ndarray, n_true: int) -> np.ndarray:
    """Return the average precision of one class at each threshold.

    Parameters
    ----------
    is_true, is_ignored : ndarray of bool of shape (n_boxes, n_thresholds)
        What each box matches, in the order of the scores.
    n_true : int
        Number of true boxes that are not ignored.
    """
    hits = np.cumsum(is_true, axis=0)
    counts = np.cumsum(~is_ignored, axis=0)
    precision = hits / np.maximum(counts, 1)
    # The precision at a recall is the best that this recall or a higher one has.
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    result = np.zeros(is_true.shape[1])
    for threshold, recall in enumerate((hits / n_true).T):
        reached = np.searchsorted(recall, RECALLS)
        reached = reached[reached < len(recall)]
        result[threshold] = precision[reached, threshold].sum() / len(RECALLS)
    return result
