"""What the readers of all formats of annotations have in common."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from automodel.exceptions import FitWarning

MOST_SHOWN = 3  # files in an error


@dataclass
class ImageBoxes:
    """The annotated boxes of one image, which are added one after the other.

    Boxes without an area are counted, and left out.
    """

    boxes: list[list[float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)
    n_empty: int = 0

    def add(self, box: list[float], label: str, is_ignored: bool) -> None:
        """Add a box, given as x1, y1, x2, y2."""
        if box[2] <= box[0] or box[3] <= box[1]:
            self.n_empty += 1
            return
        self.boxes.append(box)
        self.labels.append(label)
        self.ignored.append(is_ignored)

    def to_dict(self) -> dict[str, np.ndarray]:
        """Return the dictionary of the image, as y has it."""
        image = {
            "boxes": np.array(self.boxes, dtype=np.float64).reshape(-1, 4),
            "labels": np.array(self.labels, dtype=str),
        }
        if any(self.ignored):
            image["ignored"] = np.array(self.ignored)
        return image


def to_dicts(images: Iterable[ImageBoxes], source: Path) -> list[dict[str, np.ndarray]]:
    """Return y, with a warning that counts boxes without an area."""
    images = list(images)
    n_empty = sum(image.n_empty for image in images)
    if n_empty:
        warnings.warn(
            f"{n_empty} boxes of {source} have no area, and were left out.",
            FitWarning,
            stacklevel=3,
        )
    return [image.to_dict() for image in images]


def refuse_missing(missing: list[str], n_images: int, source: Path, hint: str) -> None:
    """Raise an error that names images without a file."""
    if not missing:
        return
    shown = ", ".join(missing[:MOST_SHOWN])
    more = ", ..." if len(missing) > MOST_SHOWN else ""
    raise FileNotFoundError(
        f"{len(missing)} of the {n_images} images of {source} do not exist: "
        f"{shown}{more}. {hint}"
    )
