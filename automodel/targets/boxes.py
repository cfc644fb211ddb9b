"""Boxes: the boxes of many images in flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


class Boxes:
    """The boxes of many images: true ones, or predicted ones with their scores.

    Parameters
    ----------
    coordinates : ndarray of shape (n_boxes, 4)
        Left, top, right and bottom edge of each box, in pixels of the original image.
    classes : ndarray of shape (n_boxes,)
        Class of each box, as a position among the classes of the target.
    starts : ndarray of shape (n_images + 1,)
        Position of the first box of each image, and the number of all boxes. The boxes
        of image ``i`` are ``starts[i]:starts[i + 1]``.
    scores : ndarray of shape (n_boxes,), default=None
        Confidence of each predicted box, from 0 to 1; None for true boxes.
    ignored : ndarray of bool of shape (n_boxes,), default=None
        Whether each true box is neither learned nor scored, such as the crowds of COCO;
        None means no box.
    known : ndarray of bool of shape (n_images,), default=None
        Whether each image has a prediction, which may have no boxes. Out of fold, some
        images may have none. None means all images.

    Examples
    --------
    >>> from automodel.targets.boxes import Boxes
    >>> boxes = Boxes.of([([[0, 0, 9, 9], [2, 2, 5, 6]], [1, 0]), ([], [])])
    >>> len(boxes), boxes.images
    (2, array([0, 0]))
    >>> boxes[[1, 0, 0]].starts
    array([0, 0, 2, 4])
    """

    def __init__(
        self,
        coordinates: np.ndarray,
        classes: np.ndarray,
        starts: np.ndarray,
        *,
        scores: np.ndarray | None = None,
        ignored: np.ndarray | None = None,
        known: np.ndarray | None = None,
    ):
        self.coordinates = np.asarray(coordinates, dtype=np.float32).reshape(-1, 4)
        self.classes = np.asarray(classes, dtype=np.int32)
        self.starts = np.asarray(starts, dtype=np.int64)
        self.scores = None if scores is None else np.asarray(scores, dtype=np.float32)
        n_boxes, n_images = len(self.coordinates), len(self.starts) - 1
        none, all_ = np.zeros(n_boxes, dtype=bool), np.ones(n_images, dtype=bool)
        self.ignored = none if ignored is None else np.asarray(ignored, dtype=bool)
        self.known = all_ if known is None else np.asarray(known, dtype=bool)
        n_scores = n_boxes if self.scores is None else len(self.scores)
        lengths = {n_boxes, len(self.classes), len(self.ignored), n_scores}
        if lengths != {self.starts[-1]} or len(self.known) != n_images:
            raise ValueError(
                f"The arrays of boxes have different lengths: {n_boxes} coordinates, "
                f"{len(self.classes)} classes, {n_scores} scores, {len(self.ignored)} "
                f"ignored; {self.starts[-1]} boxes in {n_images} images, of which "
                f"{len(self.known)} are known or not."
            )

    @classmethod
    def of(cls, images: Iterable[Any]) -> Boxes:
        """Collect the boxes of images, one after the other.

        Parameters
        ----------
        images : iterable
            For each image a tuple of coordinates and classes, with scores as a third
            part if the boxes are predicted; or a mapping of ``boxes``, ``labels`` (the
            classes as positions) and perhaps ``scores`` and ``ignored``; or None if the
            image has no prediction.
        """
        parts = [_part(image) for image in images]
        found = [part for part in parts if part is not None]
        if not found:
            return cls.empty(len(parts), is_known=False)
        counts = [0 if part is None else len(part[1]) for part in parts]
        scores = [part[2] for part in found if part[2] is not None]
        return cls(
            np.concatenate([part[0] for part in found]),
            np.concatenate([part[1] for part in found]),
            starts_of(np.asarray(counts)),
            scores=np.concatenate(scores) if scores else None,
            ignored=np.concatenate([part[3] for part in found]),
            known=np.asarray([part is not None for part in parts]),
        )

    @classmethod
    def empty(cls, n_images: int, *, is_known: bool = True) -> Boxes:
        """Return the prediction of no boxes, or that of images without a prediction."""
        return cls(
            np.zeros((0, 4)),
            np.zeros(0),
            np.zeros(n_images + 1),
            scores=np.zeros(0),
            known=np.full(n_images, is_known),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Boxes]) -> Boxes:
        """Join the boxes of consecutive images."""
        if not parts:
            return cls.empty(0)
        scores = [part.scores for part in parts if part.scores is not None]
        if 0 < len(scores) < len(parts):
            raise ValueError("True boxes cannot be joined with predicted ones.")
        return cls(
            np.concatenate([part.coordinates for part in parts]),
            np.concatenate([part.classes for part in parts]),
            starts_of(np.concatenate([part.counts for part in parts])),
            scores=np.concatenate(scores) if scores else None,
            ignored=np.concatenate([part.ignored for part in parts]),
            known=np.concatenate([part.known for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, rows: Any) -> Boxes:
        """Return the boxes of some images, in the order of the rows.

        Parameters
        ----------
        rows : slice, or ndarray of int or bool
            The images. An image may be repeated.
        """
        rows = np.atleast_1d(np.arange(len(self))[rows])
        counts = self.counts[rows]
        starts = starts_of(counts)
        moved = np.repeat(self.starts[rows] - starts[:-1], counts)
        return self._taken(moved + np.arange(starts[-1]), starts, self.known[rows])

    def __repr__(self) -> str:
        return f"<Boxes: {len(self.classes)} in {len(self)} images>"

    @property
    def counts(self) -> np.ndarray:
        """Number of boxes of each image, of shape (n_images,)."""
        return np.diff(self.starts)

    @property
    def images(self) -> np.ndarray:
        """Number of the image of each box, of shape (n_boxes,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays, in bytes."""
        arrays = (self.coordinates, self.classes, self.starts, self.ignored, self.known)
        n_bytes = sum(array.nbytes for array in arrays)
        return n_bytes if self.scores is None else n_bytes + self.scores.nbytes

    def where(self, is_kept: np.ndarray) -> Boxes:
        """Return all images with some of their boxes, in the order that they have.

        Parameters
        ----------
        is_kept : ndarray of bool of shape (n_boxes,)
            The boxes.
        """
        kept = np.flatnonzero(is_kept)
        return self._taken(kept, np.searchsorted(kept, self.starts), self.known)

    def best(self, n_boxes: int = 100) -> Boxes:
        """Return the predicted boxes of highest score of each image, best first.

        Boxes of equal scores keep their order.
        """
        assert self.scores is not None, "only predicted boxes have scores"
        order = np.lexsort((-self.scores, self.images))
        is_best = np.arange(len(order)) - self.starts[self.images] < n_boxes
        starts = starts_of(np.minimum(self.counts, n_boxes))
        return self._taken(order[is_best], starts, self.known)

    def to_dicts(self, labels: Any) -> list[dict[str, np.ndarray]]:
        """Return a dictionary for each image, as users give and get them.

        Parameters
        ----------
        labels : ndarray of shape (n_classes,)
            The label of each class.

        Returns
        -------
        list of dict
            ``boxes`` of shape (n_boxes, 4), ``labels``, and ``scores`` if there are
            any. True boxes have ``ignored`` if a box of the image is.
        """
        names = np.asarray(labels)[self.classes]
        dicts = []
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            own = slice(start, stop)
            image = {"boxes": self.coordinates[own], "labels": names[own]}
            if self.scores is not None:
                image["scores"] = self.scores[own]
            elif self.ignored[own].any():
                image["ignored"] = self.ignored[own]
            dicts.append(image)
        return dicts

    def _taken(self, boxes: np.ndarray, starts: np.ndarray, known: np.ndarray) -> Boxes:
        return Boxes(
            self.coordinates[boxes],
            self.classes[boxes],
            starts,
            scores=None if self.scores is None else self.scores[boxes],
            ignored=self.ignored[boxes],
            known=known,
        )


def starts_of(counts: np.ndarray) -> np.ndarray:
    """Return the `starts` of images with these numbers of boxes."""
    return np.concatenate([[0], np.cumsum(counts)])


def _part(image: Any) -> tuple[np.ndarray, ...] | None:
    """Return coordinates, classes, scores or None, and which boxes are ignored."""
    if image is None:
        return None
    if isinstance(image, Mapping):
        image = [image.get(name) for name in ("boxes", "labels", "scores", "ignored")]
    boxes, classes, scores, ignored = (*image, None, None)[:4]
    classes = np.asarray(classes, dtype=np.int32)
    if ignored is None:
        ignored = np.zeros(len(classes), dtype=bool)
    if scores is not None:
        scores = np.asarray(scores, dtype=np.float32)
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    return boxes, classes, scores, np.asarray(ignored, dtype=bool)
