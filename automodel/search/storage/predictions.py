"""Out-of-fold predictions in files: arrays as NumPy keeps them, others pickled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped

ARRAY, OTHER = SUFFIXES = ".npy", ".pickle"


def suffix_of(predictions: Any) -> str:
    """Return how the name of a file of such predictions ends."""
    return ARRAY if isinstance(predictions, np.ndarray) else OTHER


def write_predictions(predictions: Any, path: Path) -> None:
    """Write predictions, of any kind of target, and have the disk keep them."""
    if isinstance(predictions, np.ndarray):
        with path.open("wb") as file:
            np.save(file, predictions)
    else:
        mapped.dump(predictions, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def read_predictions(path: Path) -> Any:
    """Return predictions; None if another process has dropped them."""
    try:
        return np.load(path) if path.suffix == ARRAY else mapped.load(path)
    except Exception:  # noqa: BLE001  a file that is cut off may raise anything
        return None
