"""Boxes in the JSON files of COCO."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from automodel.detection.annotations import ImageBoxes, refuse_missing, to_dicts
from automodel.preprocessing.image.files import size_of
from automodel.targets.box_checks import read_boxes
from automodel.targets.boxes import Boxes

PARTS = ("images", "annotations", "categories")  # of a file


def boxes_from_coco(
    path: str | PathLike[str], image_folder: str | PathLike[str] | None = None
) -> tuple[list[str], list[dict[str, np.ndarray]]]:
    """Read images and their boxes from a JSON file of COCO.

    Images without annotations are kept, with no boxes. Crowds (``iscrowd``) are ignored
    boxes, which are neither learned nor scored. Boxes without an area are left out,
    with a `FitWarning`. Segmentations are not read.

    Parameters
    ----------
    path : str or Path
        The file, with ``images``, ``annotations`` and ``categories``.
    image_folder : str or Path, default=None
        Folder of the images; None means that of the file.

    Returns
    -------
    X : list of str
        Paths of the images, in the order of the file.
    y : list of dict
        ``boxes`` of shape (n_boxes, 4), as x1, y1, x2, y2 in pixels, and ``labels``,
        the names of the categories. If an image has crowds, ``ignored``.

    Raises
    ------
    FileNotFoundError
        If the file or an image does not exist. The message names the images.
    ValueError
        If the file has another form. The message names the annotation.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from automodel import boxes_from_coco
    >>> content = {
    ...     "images": [{"id": 7, "file_name": "a.png"}],
    ...     "categories": [{"id": 1, "name": "cat"}],
    ...     "annotations": [{"image_id": 7, "category_id": 1, "bbox": [2, 3, 10, 20]}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "a.png").touch()
    ...     file = Path(folder) / "annotations.json"
    ...     _ = file.write_text(json.dumps(content))
    ...     X, y = boxes_from_coco(file)
    >>> y[0]["boxes"], y[0]["labels"]
    (array([[ 2.,  3., 12., 23.]]), array(['cat'], dtype='<U3'))
    """
    path = Path(path)
    content = _content(path)
    folder = path.parent if image_folder is None else Path(image_folder)
    files, images = [], {}
    for i, record in enumerate(content["images"]):
        where = f"Image {i} of {path}"
        files.append(folder / _field(record, "file_name", where))
        images[_field(record, "id", where)] = ImageBoxes()
    if len(images) < len(files):
        raise ValueError(f"Several images of {path} have the same 'id'.")
    missing = [str(file) for file in files if not file.is_file()]
    hint = "Pass the folder of the images as image_folder."
    refuse_missing(missing, len(files), path, hint)
    names = {}
    for i, record in enumerate(content["categories"]):
        where = f"Category {i} of {path}"
        names[_field(record, "id", where)] = str(_field(record, "name", where))
    for i, record in enumerate(content["annotations"]):
        _add(record, f"Annotation {i} of {path}", images, names)
    return [str(file) for file in files], to_dicts(images.values(), path)


def boxes_to_coco(
    X: Sequence[str | PathLike[str]],
    y: Any,
    image_folder: str | PathLike[str] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return boxes in the form of a JSON file of COCO.

    Parameters
    ----------
    X : sequence of str or Path
        Paths of the images.
    y : sequence of dict
        The boxes of each image, true or predicted, as in `AutoObjectDetector`.
    image_folder : str or Path, default=None
        Folder to which the names of the images are relative. None keeps the paths.

    Returns
    -------
    dict
        ``images``, ``annotations`` and ``categories``, which `json.dump` can write. The
        annotations of predictions have a ``score``.

    Raises
    ------
    ImageError
        If an image cannot be read.
    ValueError
        If X and y differ in length, or an image is not in the folder.

    Examples
    --------
    >>> from automodel import boxes_to_coco
    >>> boxes_to_coco([], [])
    {'images': [], 'annotations': [], 'categories': []}
    """
    is_predicted = len(y) > 0 and "scores" in y[0]
    boxes, labels = read_boxes(y, is_predicted=is_predicted)
    if len(X) != len(boxes):
        raise ValueError(f"X has {len(X)} images, but y has {len(boxes)} entries.")
    names = enumerate(labels.tolist(), 1)
    return {
        "images": [_image(Path(path), i, image_folder) for i, path in enumerate(X)],
        "annotations": _annotations(boxes),
        "categories": [{"id": i, "name": str(name)} for i, name in names],
    }


def _content(path: Path) -> dict[str, Any]:
    """Return the content of a file, whose form is checked."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # of JSON, or of an encoding
        raise ValueError(f"{path} is no JSON file: {error}") from error
    is_dict = isinstance(content, dict)
    if not is_dict or not all(isinstance(content.get(p), list) for p in PARTS):
        found = ", ".join(map(repr, content)) if is_dict else type(content).__name__
        raise ValueError(
            f"{path} is no file of COCO, which has lists of 'images', 'annotations' "
            f"and 'categories'. Found: {found}."
        )
    return content


def _field(record: Any, key: str, where: str) -> Any:
    if not isinstance(record, dict) or key not in record:
        raise ValueError(f"{where} has no {key!r}.")
    return record[key]


def _add(record: Any, where: str, images: dict, names: dict) -> None:
    """Add an annotation to the boxes of its image."""
    image, category = (_field(record, k, where) for k in ("image_id", "category_id"))
    if image not in images:
        raise ValueError(f"{where} is of the image {image!r}, which the file lacks.")
    if category not in names:
        raise ValueError(
            f"{where} is of the category {category!r}, which the file lacks."
        )
    box = _field(record, "bbox", where)
    try:
        left, top, width, height = map(float, box)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where} has the bbox {box!r}, but four numbers are expected: x, y, "
            "width and height."
        ) from error
    corners = [left, top, left + width, top + height]
    images[image].add(corners, names[category], bool(record.get("iscrowd", 0)))


def _image(path: Path, i: int, folder: str | PathLike[str] | None) -> dict[str, Any]:
    name = path if folder is None else path.relative_to(folder)
    height, width = size_of(str(path), i)
    size = {"width": width, "height": height}
    return {"id": i + 1, "file_name": name.as_posix(), **size}


def _annotations(boxes: Boxes) -> list[dict[str, Any]]:
    sides = boxes.coordinates.astype(np.float64)
    sides[:, 2:] -= sides[:, :2]
    columns = {
        "id": np.arange(1, len(sides) + 1),  # 0 would mean no match to pycocotools
        "image_id": boxes.images + 1,
        "category_id": boxes.classes + 1,
        "bbox": sides,
        "area": sides[:, 2] * sides[:, 3],
        "iscrowd": boxes.ignored.astype(np.int64),
    }
    if boxes.scores is not None:
        columns["score"] = boxes.scores
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
