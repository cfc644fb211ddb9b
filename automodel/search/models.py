"""Fitted models in files, so that they take no memory during a search."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.fitted_model import DeferredModel, FittedModel
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily

# The speed of loading until it is measured: 25 megabytes a second, as for models of
# LightGBM, which are compressed; forests load several times as fast.
FIRST_BYTES, FIRST_SECONDS = 2e6, 0.08
TINY_SECONDS = 0.0005  # a model that takes less is loaded in any case


class ModelFolder:
    """Keeps the models of the folds of one trial in files.

    A file is complete, or it does not exist.

    Parameters
    ----------
    folder : Path
        Where the files go.
    name : int or str
        Number of the trial.
    is_durable : bool, default=False
        Whether the files have to survive a loss of power.
    """

    def __init__(self, folder: Path, name: int | str, is_durable: bool = False):
        self.folder = folder
        self.name = name
        self.is_durable = is_durable

    def __call__(self, fold: int, model: FittedModel) -> Path | FittedModel:
        """Write the model of a fold and return the path of its file.

        If the disk is full or the model cannot be pickled, the model itself is
        returned.
        """
        path = self.folder / f"{self.name}-{fold}.pickle"
        draft = self.folder / f".{path.name}"
        try:
            with draft.open("wb") as file:
                cloudpickle.dump(model, file)  # classes of a script or notebook too
                if self.is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            draft.replace(path)
        except Exception:  # noqa: BLE001  models may raise anything when pickled
            return model
        finally:
            _remove(draft)
        return path

    def drop(self) -> None:
        """Remove the files of the trial, complete or not."""
        with suppress(OSError):  # the folder may be away
            for pattern in (f"{self.name}-*.pickle", f".{self.name}-*.pickle"):
                for path in self.folder.glob(pattern):
                    _remove(path)


class ModelLoader:
    """Loads models from their files while time is left, and defers the others.

    Parameters
    ----------
    deadline : Deadline, default=NO_DEADLINE
        Moment by which all models have to be loaded.

    Attributes
    ----------
    notes : dict of int to str
        Why models could not be loaded, by the number of the trial.
    """

    def __init__(self, deadline: Deadline = NO_DEADLINE):
        self.deadline = deadline
        self._n_bytes, self._seconds = FIRST_BYTES, FIRST_SECONDS
        self._tried: set[str] = set()
        self.notes: dict[int, str] = {}

    def predict_seconds(self, n_bytes: float) -> float:
        """Predict how long models of so many bytes take, by those loaded so far."""
        return n_bytes * self._seconds / self._n_bytes

    def load(
        self, number: int, family: ModelFamily, kept: Sequence[Any]
    ) -> list[FittedModel | DeferredModel]:
        """Return models of a trial, which are read from their files if they have any.

        A model that takes longer to load than there is time, with the libraries that it
        has to import, stays pickled until it is used. If one model cannot be read, the
        result is empty and a note says why.
        """
        try:
            return [self._load(model, family) for model in kept]
        except FileNotFoundError:  # another process has dropped it
            return []
        except Exception as error:  # noqa: BLE001  models may raise anything
            self.notes[number] = (
                f"Models of trial {number} ({family.name}) could not be loaded and are "
                f"left out. {describe_error(error)}"
            )
            return []

    def _load(self, kept: Any, family: ModelFamily) -> FittedModel | DeferredModel:
        if not isinstance(kept, Path):
            return kept
        n_bytes = kept.stat().st_size
        seconds = self.predict_seconds(n_bytes)
        left = max(self.deadline.seconds_left, TINY_SECONDS)
        needed = _first_of(family.model_requires, family.requires)
        further = _first_of(family.predict_requires, family.requires)
        start_seconds = family.start_seconds if further else 0.0
        can_import = seconds + start_seconds <= left
        if seconds > left or not (can_import or self._has_tried(needed)):
            return DeferredModel(kept.read_bytes())
        if can_import:  # also what only the first prediction needs
            self._import(further)  # before loading, which is timed
        start = self.deadline.clock.now()
        (model,) = load_models([kept])
        self._seconds += self.deadline.clock.now() - start
        self._n_bytes += n_bytes
        return model

    def _import(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(Exception):  # loading the model raises it again
                import_module(name)
            self._tried.add(name)

    def _has_tried(self, names: Sequence[str]) -> bool:
        """Tell whether libraries are imported, or cannot be."""
        return all(name in self._tried or name in sys.modules for name in names)


def _first_of(
    names: tuple[str, ...] | None, others: tuple[str, ...]
) -> tuple[str, ...]:
    return others if names is None else names


def load_models(models: Sequence[Any]) -> list[Any]:
    """Return models, which are read from their files if they have any."""
    return [_read(m) if isinstance(m, Path) else m for m in models]


def _read(path: Path) -> FittedModel:
    with path.open("rb") as file:
        return cloudpickle.load(file)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
