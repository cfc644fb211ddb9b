"""BoxFusion: combines the boxes that several detectors predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from automodel.targets.boxes import Boxes, starts_of
from automodel.targets.combiner import Combiner

MOST_CELLS = 2**16  # boxes times clusters that are compared at once, to fit the cache
TINY = 1e-12  # strength of a box without any, which has to be in some place, too


@dataclass(frozen=True)
class BoxFusion(Combiner):
    """Weighted boxes fusion: the mean of boxes that cover the same object.

    The boxes of all models are visited by image and class, in the order of score times
    weight of the model. A box joins the cluster whose mean it overlaps most, if their
    intersection over union (IoU) is above a threshold, or else starts a cluster. Each
    cluster becomes one box: the mean of its coordinates, weighted by score times weight
    [1]_. Its score is the weighted mean of the scores, times the share of the weights
    whose models agree, those that have a box in the cluster. A model with several
    boxes in a cluster counts as one, unlike in the paper (section 3), where their
    number is limited to that of the models.

    The boxes of a single model stay as they are.

    Parameters
    ----------
    weights : ndarray of shape (n_models,)
        Weight of each model; 0 for a model that is not used.
    iou_threshold : float, default=0.55
        IoU above which a box joins a cluster.
    max_boxes : int, default=100
        Number of boxes of an image that are kept, those with the highest scores.

    References
    ----------
    .. [1] Solovyev, Wang, Gabruseva (2021), Weighted boxes fusion: Ensembling boxes
       from different object detection models.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.targets.box_fusion import BoxFusion
    >>> from automodel.targets.boxes import Boxes
    >>> one = Boxes.of([([[0, 0, 10, 10]], [0], [0.9])])
    >>> other = Boxes.of([([[0, 0, 10, 13], [50, 50, 60, 60]], [0, 0], [0.3, 0.6])])
    >>> fused = BoxFusion(np.array([0.5, 0.5])).predict([one, other])
    >>> fused.coordinates.tolist()
    [[0.0, 0.0, 10.0, 10.75], [50.0, 50.0, 60.0, 60.0]]
    >>> fused.scores.round(2)
    array([0.6, 0.3], dtype=float32)
    """

    weights: np.ndarray
    iou_threshold: float = 0.55
    max_boxes: int = 100

    def take(self, models) -> BoxFusion:
        """Return the same for some of the models, or in another order."""
        return replace(self, weights=self.weights[models])

    def predict(self, predictions: Sequence[Boxes]) -> Boxes:
        """Return the fused boxes, best first; those of a single model unchanged."""
        used = np.flatnonzero(self.weights > 0).tolist()
        parts = [predictions[i] for i in used]
        if len(parts) == 1:
            return parts[0]
        shares = self.weights[used] / self.weights[used].sum()
        every, models, keys = _sorted(parts, shares)
        strength = np.maximum(shares[models] * _scores(every), TINY)
        clusters = _clusters(every.coordinates, strength, keys, self.iou_threshold)
        return self._fused(every, clusters, models, shares, strength)

    def _fused(self, every, clusters, models, shares, strength) -> Boxes:
        """Return a box for each cluster, which is named by one of its positions."""
        n_boxes = len(clusters)
        agrees = np.zeros((n_boxes, len(shares)), dtype=bool)
        agrees[clusters, models] = True
        first = np.flatnonzero(agrees.any(axis=1))

        def sums(values):
            return np.bincount(clusters, values, n_boxes)[first]

        total = sums(strength)
        means = [sums(strength * side) / total for side in every.coordinates.T]
        fused = Boxes(
            np.column_stack(means),
            every.classes[first],
            starts_of(np.bincount(every.images[first], minlength=len(every))),
            scores=total / sums(shares[models]) * (agrees[first] @ shares),
            known=every.known,
        )
        return fused.best(self.max_boxes)


def _scores(boxes: Boxes) -> np.ndarray:
    assert boxes.scores is not None, "only predicted boxes have scores"
    return boxes.scores.astype(np.float64)


def _sorted(
    parts: Sequence[Boxes], shares: np.ndarray
) -> tuple[Boxes, np.ndarray, np.ndarray]:
    """Return the boxes of all models by image and class, the strongest ones first.

    Returns
    -------
    boxes : Boxes
        The boxes. An image is known if all models know it.
    models : ndarray of shape (n_boxes,)
        The model of each box.
    keys : ndarray of shape (n_boxes,)
        Sorted numbers, which are equal for boxes of the same image and class.
    """
    classes = np.concatenate([part.classes for part in parts])
    images = np.concatenate([part.images for part in parts])
    scores = np.concatenate([_scores(part) for part in parts])
    models = np.repeat(np.arange(len(parts)), [len(part.classes) for part in parts])
    keys = images * (int(classes.max(initial=0)) + 1) + classes
    order = np.lexsort((-shares[models] * scores, keys))
    boxes = Boxes(
        np.concatenate([part.coordinates for part in parts])[order],
        classes[order],
        starts_of(np.sum([part.counts for part in parts], axis=0)),
        scores=scores[order],
        known=np.all([part.known for part in parts], axis=0),
    )
    return boxes, models[order], keys[order]


def _clusters(
    coordinates: np.ndarray, strength: np.ndarray, keys: np.ndarray, threshold: float
) -> np.ndarray:
    """Return the cluster of each box, as a position among the boxes of equal key.

    Parameters
    ----------
    coordinates : ndarray of shape (n_boxes, 4)
        The boxes, in the order in which they are visited.
    strength : ndarray of shape (n_boxes,)
        Their weights in the means.
    keys : ndarray of shape (n_boxes,)
        Sorted numbers; only boxes of equal key join a cluster.
    threshold : float
        IoU above which a box joins a cluster.
    """
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sizes = np.diff(starts, append=len(keys))
    clusters = np.repeat(starts, sizes)  # right for boxes that are alone
    largest_first = np.argsort(-sizes, kind="stable")
    largest_first = largest_first[sizes[largest_first] > 1]
    begin = 0
    while begin < len(largest_first):
        n_groups = max(1, MOST_CELLS // int(sizes[largest_first[begin]]))
        groups = largest_first[begin : begin + n_groups]
        own = _Clusters(coordinates, strength, starts[groups], sizes[groups])
        own.assign(clusters, threshold)
        begin += n_groups
    return clusters


class _Clusters:
    """The clusters of several groups of boxes, in which boxes are visited at once.

    Parameters
    ----------
    coordinates, strength : ndarray
        All boxes, as in `_clusters`.
    starts, sizes : ndarray of shape (n_groups,)
        First box and number of boxes of each group, the largest group first.
    """

    def __init__(self, coordinates, strength, starts, sizes):
        self.boxes = np.ascontiguousarray(coordinates.T)
        self.strength = strength
        self.starts = starts
        self.sizes = sizes
        self.counts = np.zeros(len(starts), dtype=np.int64)  # clusters of each group
        shape = len(starts), int(sizes[0])
        self.means = np.zeros((4, *shape), dtype=np.float32)
        self.areas = np.zeros(shape, dtype=np.float32)
        self.totals = np.zeros(shape)  # strength of each cluster

    def assign(self, clusters: np.ndarray, threshold: float) -> None:
        """Write the cluster of each box; the first boxes of all groups come first."""
        for rank in range(int(self.sizes[0])):
            n_groups = int(np.searchsorted(-self.sizes, -rank))  # that have so many
            boxes = self.starts[:n_groups] + rank
            own = self._nearest(boxes, threshold)
            clusters[boxes] = self.starts[:n_groups] + own
            self._add(boxes, own)

    def _nearest(self, boxes: np.ndarray, threshold: float) -> np.ndarray:
        """Return the cluster that each box joins, which may be a new one."""
        n_groups = len(boxes)
        counts = self.counts[:n_groups]
        n_clusters = int(counts.max())
        if not n_clusters:
            return counts.copy()
        mean = self.means[:, :n_groups, :n_clusters]
        left, top, right, bottom = self.boxes[:, boxes, None]
        width = np.minimum(mean[2], right) - np.maximum(mean[0], left)
        height = np.minimum(mean[3], bottom) - np.maximum(mean[1], top)
        shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
        area = (right - left) * (bottom - top)
        union = self.areas[:n_groups, :n_clusters] + area - shared
        iou = shared / np.maximum(union, TINY)
        best = iou.argmax(axis=1)
        return np.where(iou[np.arange(n_groups), best] > threshold, best, counts)

    def _add(self, boxes: np.ndarray, own: np.ndarray) -> None:
        """Add each box to the mean of its cluster."""
        groups = np.arange(len(boxes))
        self.counts[: len(boxes)] += own == self.counts[: len(boxes)]
        self.totals[groups, own] += self.strength[boxes]
        step = self.strength[boxes] / self.totals[groups, own]
        mean = self.means[:, groups, own]
        mean += step * (self.boxes[:, boxes] - mean)
        self.means[:, groups, own] = mean
        left, top, right, bottom = mean
        self.areas[groups, own] = (right - left) * (bottom - top)
