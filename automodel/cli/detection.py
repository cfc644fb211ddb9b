"""Boxes in images: annotations in the format of COCO, and files of predictions."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from automodel.cli.image_files import PATH, read_images
from automodel.cli.table_file import check_readable, check_writable, replaced_when_done
from automodel.cli.usage import Say, UsageError
from automodel.detection import boxes_from_coco, draw_boxes
from automodel.metrics.metric import Metric
from automodel.targets.detection import BoxTarget

KEPT_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
OF_TABLES = ("target", "groups", "weight", "drop")


def check_fit_options(arguments: Namespace) -> None:
    """Raise UsageError if options of tables are given beside a folder of images."""
    given = [name for name in OF_TABLES if getattr(arguments, name)]
    if arguments.task != "auto":
        given.append("task")
    if given:
        option = given[0].replace("_", "-")
        raise UsageError(
            f"--image-folder cannot be combined with --{option}, since boxes are "
            "learned from a file in the format of COCO, and not from a table."
        )
    if not arguments.image_folder.is_dir():
        raise UsageError(f"there is no folder {arguments.image_folder}.")
    if arguments.table.suffix.lower() != ".json":
        raise UsageError(
            f"{arguments.table} is not a .json file. With --image-folder, name a file "
            "of boxes in the format of COCO."
        )
    check_readable(arguments.table)


def read_annotations(arguments: Namespace, say: Say) -> tuple[list[str], list[dict]]:
    """Return the paths of the images of `fit`, and the boxes of each."""
    paths, y = boxes_from_coco(arguments.table, arguments.image_folder)
    target = BoxTarget.of(y)
    Metric.from_scoring(arguments.scoring, target)
    n_boxes = sum(len(image["boxes"]) for image in y)
    say(f"{n_boxes} boxes of {target.n_outputs} classes in {len(paths)} images.")
    return paths, y


def category_ids(path: Path) -> dict[str, int]:
    """Return the number of each category in a file in the format of COCO."""
    categories = json.loads(path.read_text(encoding="utf-8"))["categories"]
    return {category["name"]: category["id"] for category in categories}


def check_predict_options(arguments: Namespace) -> None:
    """Raise UsageError if the options of `predict` are no folder and its outputs."""
    if arguments.table is None and arguments.image_folder is None:
        raise UsageError("name a table, or a folder of images with --image-folder.")
    if arguments.image_folder is None:
        if arguments.draw is not None:
            raise UsageError("--draw needs --image-folder.")
        return
    if arguments.table is not None:
        raise UsageError("name either a table or --image-folder, and not both.")
    if arguments.proba:
        raise UsageError("--proba is for tables; each box has a score in any case.")
    if not arguments.image_folder.is_dir():
        raise UsageError(f"there is no folder {arguments.image_folder}.")
    if arguments.out != "-":
        if Path(arguments.out).suffix.lower() != ".json":
            raise UsageError(f"boxes are written to a .json file, not {arguments.out}.")
        check_writable(Path(arguments.out))
    if arguments.draw is not None and not arguments.draw.parent.is_dir():
        raise UsageError(f"there is no folder {arguments.draw.parent}.")


def predict_boxes(model: Any, arguments: Namespace, say: Say) -> None:
    """Write the boxes that a detector finds in the images of a folder."""
    folder = arguments.image_folder
    paths = read_images(folder, PATH, say)[PATH].tolist()
    names = [Path(path).relative_to(folder).as_posix() for path in paths]
    predictions = model.predict(paths)
    ids = getattr(model, "category_ids_", {})
    results = coco_results(names, predictions, model.classes_.tolist(), ids)
    text = json.dumps(results, indent=1) + "\n"
    if arguments.out == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        with replaced_when_done(Path(arguments.out)) as part:
            part.write_text(text, encoding="utf-8")
        say(f"{len(results)} boxes in {len(paths)} images written to {arguments.out}.")
    if arguments.draw is not None:
        for path, name, found in zip(paths, names, predictions, strict=True):
            _draw(path, arguments.draw / name, found, model.classes_)
        say(f"{len(paths)} images with boxes drawn into {arguments.draw}.")


def coco_results(
    names: Sequence[str],
    predictions: Sequence[dict[str, Any]],
    labels: Sequence[Any],
    ids: dict[str, int],
) -> list[dict[str, Any]]:
    """Return predicted boxes in the format of results of COCO.

    Parameters
    ----------
    names : sequence of str
        File name of each image, which is added to its boxes.
    predictions : sequence of dict
        The boxes, labels and scores of each image.
    labels : sequence
        All labels; without other numbers, they have their positions, from 1 on.
    ids : dict
        Numbers of labels in the annotations that were learned.
    """
    numbers = {label: ids.get(label, i + 1) for i, label in enumerate(labels)}
    results = []
    for i, (name, found) in enumerate(zip(names, predictions, strict=True)):
        for box, label, score in zip(
            found["boxes"].tolist(),
            found["labels"].tolist(),
            found["scores"].tolist(),
            strict=True,
        ):
            x, y, right, bottom = box
            results.append(
                {
                    "image_id": i + 1,
                    "file_name": name,
                    "category_id": numbers[label],
                    "category": label,
                    "bbox": [x, y, right - x, bottom - y],
                    "score": score,
                }
            )
    return results


def _draw(source: str, path: Path, found: dict[str, Any], classes: Any) -> None:
    """Save a copy of an image with its surest boxes."""
    drawn = draw_boxes(source, found, classes=classes)
    if path.suffix.lower() not in KEPT_SUFFIXES:
        path = path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.save(path)
