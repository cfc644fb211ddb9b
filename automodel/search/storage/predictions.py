"""Out-of-fold predictions in files: arrays as NumPy keeps them, others pickled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped

ARRAY, OTHER = SUFFIXES = ".npy", ".pickle"


def suffix_of(predictions: Any) -> str:
    """Return the suffix of a file with such predictions."""
    return ARRAY if isinstance(predictions, np.ndarray) else OTHER


def write_predictions(predictions: Any, path: Path) -> None:
    """Write predictions of any kind of target, and sync them to the disk."""
    if isinstance(predictions, np.ndarray):
        with path.open("wb") as file:
            np.save(file, predictions)
    else:
        mapped.dump(predictions, path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def read_predictions(path: Path) -> Any:
    """Return predictions; None if they cannot be read, or were dropped."""
    try:
        return np.load(path) if path.suffix == ARRAY else mapped.load(path)
    except Exception:  # noqa: BLE001  an incomplete file may raise anything
        return None
