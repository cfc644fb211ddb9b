"""BoxTarget: each image has any number of boxes, each with a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.targets.base import Target
from automodel.targets.box_checks import (
    check_boxes,
    check_has_boxes,
    read_boxes,
    with_classes,
)
from automodel.targets.box_fusion import BoxFusion
from automodel.targets.boxes import Boxes
from automodel.targets.decoded import BoxAnswers, DecodedDetector

MOST_BOXES = 100  # of an image, as in the scores of COCO
LEAST_IMAGES = 5  # of the largest stratum, for folds to spread it
LEAST_OVERLAP = 0.5  # intersection over union, of the baseline with a box that it finds


class BoxTarget(Target):
    """Target whose rows are images with any number of labelled boxes.

    Models learn and predict `Boxes`, whose classes are the positions of the sorted
    labels. A prediction has at most 100 boxes for each image, the best first.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        Labels of the boxes.

    Examples
    --------
    >>> from automodel.targets.detection import BoxTarget
    >>> y = [{"boxes": [[1, 2, 8, 9]], "labels": ["cell"]}, {"boxes": [], "labels": []}]
    >>> target = BoxTarget.of(y)
    >>> target.encode(y), target.n_outputs
    (<Boxes: 1 in 2 images>, 1)
    >>> target.decode(target.truth(target.encode(y)))[0]["labels"].tolist()
    ['cell']
    """

    kind = "detection"
    scored_as = "boxes"
    default_scoring = "map"
    holdout_from = 20  # images, which have many boxes
    repeats_up_to = 0  # a detector takes too long to learn the same folds twice
    most_combined = 3  # since each of them predicts every image

    def __init__(self, labels: np.ndarray):
        self.labels = np.asarray(labels)
        self.n_outputs = len(self.labels)

    @staticmethod
    def check(y: Any, sizes: Any = None) -> list[dict[str, np.ndarray]]:
        """Return the boxes of each image as arrays.

        Parameters
        ----------
        y : sequence of dict
            For each image its ``boxes``, ``labels`` and perhaps ``ignored``.
        sizes : tuple of ndarray of shape (n_images,), default=None
            Heights and widths of the images, in which the boxes have to be.

        Raises
        ------
        TypeError, ValueError
            If y has another form, a box is invalid, or no image has any box that
            counts. The message names the image and the box.
        """
        n_images = None if sizes is None else len(sizes[0])
        boxes, labels = check_boxes(y, n_images, sizes)
        check_has_boxes(boxes)
        return boxes.to_dicts(labels)

    @classmethod
    def of(cls, y: Any, sample_weight: np.ndarray | None = None) -> BoxTarget:
        """Return the target whose labels are those of y."""
        return cls(read_boxes(y)[1])

    def encode(self, y):
        """Return the boxes with the numbers of their labels."""
        return with_classes(*read_boxes(y), self.labels)

    def restore(self, y):
        """Return a dictionary of boxes and labels for each image."""
        return y.to_dicts(self.labels)

    def decode(self, prediction, decision=None):
        """Return a dictionary of boxes, labels and scores for each image.

        Parameters
        ----------
        prediction : Boxes
            Predicted boxes.
        decision : float, default=None
            Least score of a box that is returned; None for all boxes.
        """
        if decision is not None:
            prediction = prediction.where(prediction.scores >= decision)
        return prediction.best(MOST_BOXES).to_dicts(self.labels)

    def answers(self, prediction):
        """Return a detector that predicts these boxes."""
        return BoxAnswers(self.decode(prediction))

    def truth(self, y):
        """Return the boxes that count, with a score of 1."""
        true = y.where(~y.ignored)
        scores = np.ones(len(true.classes))
        return Boxes(true.coordinates, true.classes, true.starts, scores=scores)

    def decoded(self, estimator, columns):
        """Return the detector, which then predicts labels."""
        return DecodedDetector(estimator, self)

    def check_like(self, other):
        """Raise an error if the other target has other labels."""
        labels = getattr(other, "labels", np.array([]))
        if not np.array_equal(self.labels, labels):
            raise ValueError(
                f"y has the labels {labels}, but the ensemble was made for "
                f"{self.labels}. Call fit for these labels."
            )

    def strata(self, y):
        """Return the rarest class of each image; those without boxes are a stratum."""
        true = y.where(~y.ignored)
        pairs = np.column_stack([true.images, true.classes])
        images, classes = np.unique(pairs, axis=0).T
        n_images = np.bincount(classes, minlength=self.n_outputs)
        rank = np.argsort(np.argsort(n_images, kind="stable"))
        strata = np.full(len(y), self.n_outputs)
        np.minimum.at(strata, images, rank[classes])
        strata = np.unique(strata, return_inverse=True)[1]
        if np.bincount(strata).max() < LEAST_IMAGES:  # nothing that folds could spread
            return np.zeros(len(y), dtype=np.int64)
        return strata

    def predict(self, estimator, X, columns):
        """Return the best boxes of each image."""
        prediction = estimator.predict(X)
        if not isinstance(prediction, Boxes) or prediction.scores is None:
            raise ValueError(
                f"{type(estimator).__name__}.predict must return Boxes with scores. "
                f"Got {prediction!r} instead."
            )
        return prediction.best(MOST_BOXES)

    def for_encoders(self, y):
        """Return the number of boxes of each image."""
        return y.counts

    def baseline(self):
        """Return an estimator that predicts the typical box of each class."""
        return TypicalBoxes(self.n_outputs)

    def constant(self, y):
        """Return the baseline if there is no box to learn from, and None otherwise."""
        return self.baseline() if y.ignored.all() else None

    def is_predicted(self, prediction):
        """Tell which images have a prediction."""
        return prediction.known

    def pooled(self, n_rows, parts, dtype=np.float32):
        """Combine predictions of parts of the images.

        The boxes of an image that is in several parts are fused.
        """
        numbers, predictions = zip(*parts, strict=True)
        rows, found = np.concatenate(numbers), self.joined(predictions)
        order, count = (
            np.argsort(rows, kind="stable"),
            np.bincount(rows, minlength=n_rows),
        )
        first = np.cumsum(count) - count
        images = [np.flatnonzero(count == 0)]
        pooled = [Boxes.empty(len(images[0]), is_known=False)]
        for times in np.unique(count[count > 0]).tolist():
            images.append(np.flatnonzero(count == times))
            turns = [found[order[first[images[-1]] + turn]] for turn in range(times)]
            pooled.append(self.average(turns, [1.0 / times] * times))
        return Boxes.concatenate(pooled)[np.argsort(np.concatenate(images))]

    def joined(self, parts):
        """Join the predictions of consecutive images."""
        return Boxes.concatenate(list(parts))

    def check_prediction(self, prediction):
        """Raise ValueError if a box, a class or a score is invalid."""
        edges, scores = prediction.coordinates, prediction.scores
        if not (np.isfinite(edges).all() and np.isfinite(scores).all()):
            raise ValueError("the model predicts boxes that are not finite")
        if (edges[:, 2:] < edges[:, :2]).any():
            raise ValueError("the model predicts boxes of negative size")
        classes = prediction.classes
        if len(classes) and not 0 <= classes.min() <= classes.max() < self.n_outputs:
            raise ValueError("the model predicts classes that there are not")
        if not prediction.known.all():
            raise ValueError("the model predicts only some of the images")

    def combiner(self, weights):
        """Return the fusion of the boxes of several models."""
        return BoxFusion(weights)


class TypicalBoxes(BaseEstimator):
    """Predict the typical box of each class in every image.

    The edges of a typical box are the medians of those of the class. Its score is the
    share of the images in which it overlaps with a box of the class, and classes for
    which there is no such image are left out.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    """

    def __init__(self, n_classes):
        self.n_classes = n_classes

    def fit(self, X, y, sample_weight=None):
        """Find the typical boxes of `Boxes`."""
        true = y.where(~y.ignored)
        found = []
        for number in range(self.n_classes):
            is_own = true.classes == number
            if is_own.any():
                typical = np.median(true.coordinates[is_own], axis=0)
                hits = _overlap(typical, true.coordinates[is_own]) >= LEAST_OVERLAP
                share = len(np.unique(true.images[is_own][hits])) / len(y)
                found.append((typical, number, share))
        found = [box for box in found if box[2] > 0]
        self.boxes_ = np.array([box[0] for box in found]).reshape(-1, 4)
        self.classes_ = np.array([box[1] for box in found], dtype=np.int32)
        self.scores_ = np.array([box[2] for box in found])
        return self

    def predict(self, X):
        """Return the same `Boxes` for each image."""
        n_images, n_boxes = X.shape[0], len(self.boxes_)
        return Boxes(
            np.tile(self.boxes_, (n_images, 1)),
            np.tile(self.classes_, n_images),
            n_boxes * np.arange(n_images + 1),
            scores=np.tile(self.scores_, n_images),
        )


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection of a box with others, divided by their union."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return common / ((box[2:] - box[:2]).prod() + areas - common)
