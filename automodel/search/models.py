"""Fitted models in files, so that no process of a search holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from automodel.fitted_model import DeferredModel, FittedModel


class ModelFolder:
    """Keeps the fold models of one trial in files, so that no process holds them.

    Parameters
    ----------
    folder : Path
        Where the files go.
    name : int or str
        Number of the trial.
    """

    def __init__(self, folder: Path, name: int | str):
        self.folder = folder
        self.name = name

    def __call__(self, fold: int, model: FittedModel) -> Path | FittedModel:
        """Write the model of a fold and return the path of its file.

        If it finds no space or cannot be pickled, the model itself is returned.
        """
        path = self.folder / f"{self.name}-{fold}.pickle"
        try:
            with path.open("wb") as file:
                cloudpickle.dump(model, file)  # classes of a script or notebook too
        except Exception:  # noqa: BLE001  what pickling raises is up to the model
            path.unlink(missing_ok=True)
            return model
        return path


def load_models(models: Sequence[Any], *, defer: bool = False) -> list[Any]:
    """Return models, read from their files if they are in files.

    With `defer` they are read, but not unpickled before they are used.
    """
    read = _deferred if defer else _read
    return [read(m) if isinstance(m, Path) else m for m in models]


def _read(path: Path) -> FittedModel:
    with path.open("rb") as file:
        return cloudpickle.load(file)


def _deferred(path: Path) -> DeferredModel:
    return DeferredModel(path.read_bytes())
