"""Random boxes, and an average precision that is computed by loops."""

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)


def random_boxes(seed, n_images=12, n_classes=3, n_dense=0):
    """Return true and predicted boxes of images, with crowds, ties and empty images.

    Coordinates are integers and scores have one digit, so that many IoUs and scores are
    equal. The last class has no predictions, and the first image `n_dense` of class 0.
    """
    rng = np.random.default_rng(seed)
    y_true, y_pred = [], []
    for i in range(n_images):
        n_true = 0 if i == 1 else rng.integers(0, 9)
        true = _corners(rng, n_true)
        labels = rng.integers(0, n_classes, n_true)
        ignored = rng.random(n_true) < 0.2
        y_true.append({"boxes": true, "labels": labels, "ignored": ignored})
        copies = rng.integers(0, 3, n_true)
        near = np.repeat(true, copies, axis=0)
        near = near + rng.integers(-2, 3, near.shape)
        n_more = 0 if i == 2 else 3 + n_dense * (i == 0)
        own = np.concatenate([np.repeat(labels, copies), np.zeros(n_more, dtype=int)])
        boxes = np.concatenate([near, _corners(rng, n_more)])
        scores = rng.integers(0, 11, len(own)) / 10
        is_kept = own < n_classes - 1
        columns = {"boxes": boxes, "labels": own, "scores": scores}
        y_pred.append({name: column[is_kept] for name, column in columns.items()})
    return y_true, y_pred


def _corners(rng, n_boxes):
    corner = rng.integers(0, 30, (n_boxes, 2))
    return np.hstack([corner, corner + rng.integers(6, 15, (n_boxes, 2))])


def overlap(box, other, is_ignored=False):
    """Return the IoU of two boxes, or the share of the first that is covered."""
    left, top = np.maximum(box, other)[:2]
    right, bottom = np.minimum(box, other)[2:]
    shared = max(right - left, 0) * max(bottom - top, 0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return shared / (areas[0] if is_ignored else sum(areas) - shared)


def average_precision_by_loops(y_true, y_pred, label, threshold, most=100):
    """Return the average precision of one class at one threshold, as in COCO."""
    found, n_true = [], 0
    for true, predicted in zip(y_true, y_pred, strict=True):
        is_own = true["labels"] == label
        boxes, ignored = true["boxes"][is_own], true["ignored"][is_own]
        n_true += (~ignored).sum()
        is_own = predicted["labels"] == label
        scores = predicted["scores"][is_own]
        order = np.argsort(-scores, kind="stable")[:most]
        taken = set()
        for j in order:
            box = predicted["boxes"][is_own][j]
            overlaps = [
                (not ignored[k], overlap(box, boxes[k], ignored[k]), k)
                for k in range(len(boxes))
                if k not in taken
            ]
            overlaps = [one for one in overlaps if one[1] >= threshold]
            counts, _, k = max(overlaps, default=(False, 0, None))
            if k is None or counts:
                found.append((scores[j], k is not None))
            if counts:
                taken.add(k)
    found.sort(key=lambda one: -one[0])
    hits = np.cumsum([is_hit for _, is_hit in found])
    precision = hits / np.arange(1, len(found) + 1)
    recall = hits / n_true
    best = [precision[recall >= r].max(initial=0.0) for r in np.linspace(0, 1, 101)]
    return float(np.mean(best))
