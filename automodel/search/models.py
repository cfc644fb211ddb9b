"""Fitted models in files, so that no process of a search holds them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import cloudpickle

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.fitted_model import DeferredModel, FittedModel
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily

# What loading takes as long as none was measured: 250 megabytes a second, as models of
# LightGBM; forests, which are larger, take a third of that.
FIRST_BYTES, FIRST_SECONDS = 20e6, 0.08
TINY_SECONDS = 0.0005  # of a model that is loaded in any case


class ModelFolder:
    """Keeps the fold models of one trial in files, so that no process holds them.

    A file is there in full or not at all.

    Parameters
    ----------
    folder : Path
        Where the files go.
    name : int or str
        Number of the trial.
    is_durable : bool, default=False
        Whether the files are to outlast a loss of power.
    """

    def __init__(self, folder: Path, name: int | str, is_durable: bool = False):
        self.folder = folder
        self.name = name
        self.is_durable = is_durable

    def __call__(self, fold: int, model: FittedModel) -> Path | FittedModel:
        """Write the model of a fold and return the path of its file.

        If it finds no space or cannot be pickled, the model itself is returned.
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
        except Exception:  # noqa: BLE001  what pickling raises is up to the model
            return model
        finally:
            _remove(draft)
        return path

    def drop(self) -> None:
        """Remove the files of the trial, also one that was never finished."""
        with suppress(OSError):  # of a folder that is away
            for pattern in (f"{self.name}-*.pickle", f".{self.name}-*.pickle"):
                for path in self.folder.glob(pattern):
                    _remove(path)


class ModelLoader:
    """Loads models from their files while time is left, and defers the others.

    Parameters
    ----------
    deadline : Deadline, default=NO_DEADLINE
        Moment at which all has to be loaded.

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

    def seconds_of_imports(self, families: Iterable[ModelFamily]) -> float:
        """Return what importing the libraries of the families takes at most."""
        missing = [f for f in families if not self._has_libraries(f)]
        return sum({f.requires: f.start_seconds for f in missing}.values())

    def import_libraries(self, families: Iterable[ModelFamily]) -> None:
        """Import what the models of the families need."""
        for name in dict.fromkeys(name for f in families for name in f.requires):
            with suppress(Exception):  # loading the model tells
                import_module(name)
            self._tried.add(name)

    def predict_seconds(self, n_bytes: float) -> float:
        """Predict how long models of so many bytes take, by those loaded so far."""
        return n_bytes * self._seconds / self._n_bytes

    def load(
        self, number: int, family: ModelFamily, kept: Sequence[Any]
    ) -> list[FittedModel | DeferredModel]:
        """Return models of a trial, read from their files if they are in files.

        They are not unpickled before they are used where that, or the import of a
        library that is under way, would take longer than there is time. There are none
        if one cannot be read, and a note says why.
        """
        try:
            return [self._load(model, family) for model in kept]
        except FileNotFoundError:  # another process has dropped it
            return []
        except Exception as error:  # noqa: BLE001  unpickling calls foreign code
            self.notes[number] = (
                f"Models of trial {number} ({family.name}) could not be loaded and are "
                f"left out. {describe_error(error)}"
            )
            return []

    def _load(self, kept: Any, family: ModelFamily) -> FittedModel | DeferredModel:
        if not isinstance(kept, Path):
            return kept
        left, n_bytes = self.deadline.seconds_left, kept.stat().st_size
        is_late = self.predict_seconds(n_bytes) > max(left, TINY_SECONDS)
        if is_late or not (math.isinf(left) or self._has_libraries(family)):
            return DeferredModel(kept.read_bytes())
        start = self.deadline.clock.now()
        (model,) = load_models([kept])
        self._seconds += self.deadline.clock.now() - start
        self._n_bytes += n_bytes
        return model

    def _has_libraries(self, family: ModelFamily) -> bool:
        """Tell whether no import would be waited for; one that failed is over."""

        def is_imported(name: str) -> bool:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            return spec is not None and not getattr(spec, "_initializing", False)

        return all(n in self._tried or is_imported(n) for n in family.requires)


def load_models(models: Sequence[Any]) -> list[Any]:
    """Return models, read from their files if they are in files."""
    return [_read(m) if isinstance(m, Path) else m for m in models]


def _read(path: Path) -> FittedModel:
    with path.open("rb") as file:
        return cloudpickle.load(file)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
