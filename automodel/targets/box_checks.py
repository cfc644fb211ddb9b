"""Checks of boxes and labels as users pass them, which become `Boxes`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from automodel.exceptions import FitWarning
from automodel.targets.boxes import Boxes, starts_of
from automodel.targets.checks import is_number

MOST_OUTSIDE = 1.0  # pixels by which a box may reach beyond its image
MOST_SHOWN = 10  # labels in an error
EXPECTED = (
    "Pass a list with a dictionary for each image: its 'boxes' of shape (n_boxes, 4), "
    "in pixels x1, y1, x2, y2, and their 'labels'."
)
OTHER_FORM = (
    "Boxes are x1, y1, x2, y2: left, top, right and bottom. If they are x, y, width, "
    "height as in COCO, add x and y to the others, or use boxes_from_coco."
)
OTHER_IMAGE = (
    "Check that X and y are in the same order, and that boxes are in pixels of the "
    "original image, as x1, y1, x2, y2."
)


def check_boxes(
    y: Any,
    n_images: int | None = None,
    sizes: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Boxes, np.ndarray]:
    """Return true boxes of users, which are checked, and their distinct labels.

    Boxes that reach beyond their image by one pixel at most are clipped, with a
    `FitWarning` that counts them.

    Parameters
    ----------
    y : sequence of dict
        As in `read_boxes`.
    n_images : int, default=None
        Number of images of X, if it is known.
    sizes : tuple of ndarray of shape (n_images,), default=None
        Heights and widths of the images in pixels, if they are known.

    Returns
    -------
    boxes : Boxes
        The boxes, whose classes are positions among the labels.
    labels : ndarray of shape (n_classes,)
        The distinct labels in sorted order, of int64 or of strings.

    Raises
    ------
    TypeError, ValueError
        If y has another form or length, or a box cannot be learned. The message names
        the image and the box.

    Examples
    --------
    >>> from automodel.targets.box_checks import check_boxes
    >>> y = [{"boxes": [[0, 0, 9, 9]], "labels": ["cat"]}, {"boxes": [], "labels": []}]
    >>> check_boxes(y)
    (<Boxes: 1 in 2 images>, array(['cat'], dtype='<U3'))
    """
    images = _images_of(y, "y")
    if n_images is not None and len(images) != n_images:
        raise ValueError(
            f"X has {n_images} images, but y has {len(images)} entries. {EXPECTED}"
        )
    boxes, labels = read_boxes(images)
    _refuse(boxes, _is_empty(boxes), "has x2 <= x1 or y2 <= y1", OTHER_FORM)
    if len(boxes.coordinates) and boxes.coordinates.max() <= 1:
        raise ValueError(
            "All boxes of y are between 0 and 1, but they are expected in pixels. If "
            "they are relative, multiply them by the widths and heights of the images."
        )
    return _clipped(boxes, sizes), labels


def check_has_boxes(boxes: Boxes) -> None:
    """Raise an error if there is no box to learn from."""
    if boxes.ignored.all():
        what = "box that is not ignored" if len(boxes.ignored) else "box"
        raise ValueError(
            f"No image of y has a {what}, so there is nothing to learn. Pass images "
            "with boxes; images without any may be among them."
        )


def read_boxes(
    y: Any, name: str = "y", *, is_predicted: bool = False
) -> tuple[Boxes, np.ndarray]:
    """Return the boxes of users, and their distinct labels.

    Parameters
    ----------
    y : sequence of dict
        For each image its ``boxes`` of shape (n_boxes, 4) and ``labels`` of shape
        (n_boxes,), which are integers or strings. Predictions have ``scores``, and true
        boxes may have ``ignored``, of shape (n_boxes,). Other keys are not read.
    name : str, default="y"
        Name of the sequence, for errors.
    is_predicted : bool, default=False
        Whether the boxes have scores.

    Returns
    -------
    boxes, labels
        As in `check_boxes`.

    Raises
    ------
    TypeError, ValueError
        If y has another form, or numbers are not finite. The message names the image.
    """
    extra = "scores" if is_predicted else "ignored"
    coordinates, labels, extras = [np.zeros((0, 4))], [], [np.zeros(0)]
    for i, image in enumerate(_images_of(y, name)):
        where = f"image {i} of {name}"
        needed = ("boxes", "labels", "scores") if is_predicted else ("boxes", "labels")
        _check_keys(image, needed, where)
        coordinates.append(_read_coordinates(image["boxes"], where))
        labels.append(_read_labels(image["labels"], where))
        n_boxes = len(coordinates[-1])
        extras.append(_read_extra(image.get(extra), extra, n_boxes, where))
        if len(labels[-1]) != n_boxes:
            raise ValueError(
                f"There are {n_boxes} boxes in {where}, but {len(labels[-1])} labels."
            )
    classes, codes = _coded(labels, name)
    boxes = Boxes(
        np.concatenate(coordinates),
        codes,
        starts_of(np.array([len(own) for own in labels], dtype=np.int64)),
        scores=np.concatenate(extras) if is_predicted else None,
        ignored=None if is_predicted else np.concatenate(extras),
    )
    is_broken = ~np.isfinite(boxes.coordinates).all(axis=1)
    _refuse(boxes, is_broken, "is not finite", "", name)
    return boxes, classes


def with_classes(boxes: Boxes, labels: np.ndarray, classes: np.ndarray) -> Boxes:
    """Return boxes whose classes are positions among other labels.

    Parameters
    ----------
    boxes : Boxes
        Boxes whose classes are positions among `labels`.
    labels, classes : ndarray
        Distinct labels in sorted order.

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    are_known = np.isin(labels, classes)
    if not are_known.all():
        unknown = ", ".join(map(repr, labels[~are_known][:MOST_SHOWN].tolist()))
        known = ", ".join(map(repr, classes[:MOST_SHOWN].tolist()))
        raise ValueError(f"y has labels that are not among {known}: {unknown}.")
    positions = np.searchsorted(classes, labels)
    return Boxes(
        boxes.coordinates,
        positions[boxes.classes],
        boxes.starts,
        scores=boxes.scores,
        ignored=boxes.ignored,
        known=boxes.known,
    )


def _images_of(y: Any, name: str) -> Sequence[Any]:
    """Return the entries of any sequence as a list, or an array of objects."""
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None."
        )
    if isinstance(y, Mapping | str | bytes) or not hasattr(y, "__len__"):
        kind = type(y).__name__
        raise TypeError(f"{name} is a single {kind}, and not a sequence. {EXPECTED}")
    if hasattr(y, "columns"):
        raise TypeError(f"{name} is a table. {EXPECTED}")
    return y.to_list() if hasattr(y, "to_list") else y


def _check_keys(image: Any, needed: Iterable[str], where: str) -> None:
    if not isinstance(image, Mapping):
        kind = type(image).__name__
        raise TypeError(f"The entry of {where} is of type {kind!r}. {EXPECTED}")
    absent = [key for key in needed if key not in image]
    if absent:
        keys = ", ".join(map(repr, image)) or "none"
        raise ValueError(
            f"The entry of {where} has no {absent[0]!r}. Its keys: {keys}."
        )


def _array(values: Any, key: str, where: str, dtype: Any = None) -> np.ndarray:
    if hasattr(values, "detach"):  # a tensor of torch
        values = values.detach().cpu()
    try:
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The {key!r} of {where} are no array: {error}") from error


def _read_coordinates(values: Any, where: str) -> np.ndarray:
    boxes = _array(values, "boxes", where, np.float32)
    if boxes.size == 0 and boxes.ndim <= 2:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"The boxes of {where} have the shape {boxes.shape}. {EXPECTED}"
        )
    return boxes


def _read_extra(values: Any, key: str, n_boxes: int, where: str) -> np.ndarray:
    """Return scores, or whether boxes are ignored, which are 0 if there are none."""
    if values is None:
        return np.zeros(n_boxes)
    numbers = _array(values, key, where, np.float64)
    if numbers.shape != (n_boxes,) and (n_boxes or numbers.size):
        raise ValueError(
            f"There are {n_boxes} boxes in {where}, but {key!r} of shape "
            f"{numbers.shape}."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"The {key!r} of {where} are not finite.")
    if key == "ignored" and not np.isin(numbers, [0, 1]).all():
        raise ValueError(f"The 'ignored' of {where} are neither True nor False.")
    return numbers.ravel()


def _read_labels(values: Any, where: str) -> np.ndarray:
    """Return labels of any type as integers or strings."""
    is_list = isinstance(values, list | tuple)  # NumPy would make all of it strings
    labels = _array(values, "labels", where, object if is_list else None)
    if labels.size == 0:
        return np.zeros(0, dtype=np.int64)
    if labels.ndim != 1:
        raise ValueError(
            f"The labels of {where} have the shape {labels.shape}. {EXPECTED}"
        )
    if labels.dtype == object:
        labels = _of_one_type(labels.tolist(), where)
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind in "UT":
        return labels.astype(str)
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        return labels.astype(np.int64)
    raise ValueError(
        f"The labels of {where} are of the dtype {labels.dtype} or missing: "
        f"{labels[:MOST_SHOWN].tolist()}. Labels are integers or strings."
    )


def _of_one_type(labels: list[Any], where: str) -> np.ndarray:
    if all(isinstance(label, str) for label in labels):
        return np.array(labels, dtype=str)
    if all(isinstance(label, Integral | np.bool_) for label in labels):
        return np.array(labels, dtype=np.int64)
    if all(is_number(label) for label in labels):
        return np.array(labels, dtype=np.float64)
    kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
    raise ValueError(
        f"The labels of {where} are of the types: {kinds}. Labels are all integers or "
        "all strings, and none is missing."
    )


def _coded(labels: list[np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct labels, and all of them as positions among these."""
    found = [(i, own.dtype.kind) for i, own in enumerate(labels) if len(own)]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    first, kind = found[0]
    for i, other in found:
        if other != kind:
            words = {"i": "integers", "U": "strings"}
            raise ValueError(
                f"The labels of {name} are mixed: those of image {first} are "
                f"{words[kind]}, and those of image {i} are {words[other]}."
            )
    flat = np.concatenate([own for own in labels if len(own)])
    return np.unique(flat, return_inverse=True)


def _is_empty(boxes: Boxes) -> np.ndarray:
    left, top, right, bottom = boxes.coordinates.T
    return (right <= left) | (bottom <= top)


def _clipped(boxes: Boxes, sizes: Any) -> Boxes:
    """Return boxes that are inside of their images."""
    edges: Any = np.inf
    where = "is more than one pixel outside of its image"
    if sizes is not None:
        heights, widths = sizes
        edges = np.column_stack([widths, heights, widths, heights])[boxes.images]
    beyond = np.maximum(-boxes.coordinates, boxes.coordinates - edges).max(
        axis=1, initial=0.0
    )
    _refuse(boxes, beyond > MOST_OUTSIDE, where, OTHER_IMAGE, sizes=sizes)
    if not beyond.any():
        return boxes
    inside = Boxes(
        np.clip(boxes.coordinates, 0.0, edges),
        boxes.classes,
        boxes.starts,
        ignored=boxes.ignored,
    )
    _refuse(boxes, _is_empty(inside), "is outside of its image", OTHER_IMAGE)
    warnings.warn(
        f"{int((beyond > 0).sum())} of {len(beyond)} boxes of y reach beyond their "
        "image by up to one pixel, and were clipped.",
        FitWarning,
        stacklevel=3,
    )
    return inside


def _refuse(
    boxes: Boxes,
    refused: Any,
    what: str,
    repair: str,
    name: str = "y",
    sizes: Any = None,
) -> None:
    """Raise an error that names the first refused box and its image."""
    if not refused.any():
        return
    box = int(np.argmax(refused))
    image = int(boxes.images[box])
    values = ", ".join(f"{value:g}" for value in boxes.coordinates[box])
    if sizes is not None:
        height, width = (int(side[image]) for side in sizes)
        what = f"{what}, which has {width} x {height} pixels (width x height)"
    raise ValueError(
        f"Box {box - int(boxes.starts[image])} of image {image} of {name}, ({values}), "
        f"{what}. Such boxes: {int(refused.sum())}. {repair}".rstrip()
    )
