"""SearchStorage: what a search keeps of its trials; only the parent writes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from automodel.evaluation import Evaluation, FittedModel


class SearchStorage:
    """All evaluations, with predictions and fold models of the promising ones.

    Parameters
    ----------
    n_kept : int
        How many evaluations keep their out-of-fold predictions and fold models.
    """

    def __init__(self, n_kept: int):
        self.n_kept = n_kept
        self.evaluations: dict[int, Evaluation] = {}

    def add(self, number: int, evaluation: Evaluation) -> None:
        """Keep an evaluation, and drop the arrays of those it puts out."""
        self.evaluations[number] = evaluation
        kept = set(self.usable())
        for other, old in self.evaluations.items():
            if other not in kept and old.oof is not None:
                _drop_models(old.models)
                old.models = old.oof = None

    def usable(self) -> list[int]:
        """Return the numbers of the evaluations that an ensemble may be made of."""
        numbers = [
            number
            for number, evaluation in sorted(self.evaluations.items())
            if evaluation.status == "complete" and evaluation.oof is not None
        ]
        chosen = shortlist([self.evaluations[n] for n in numbers], self.n_kept)
        return [numbers[i] for i in chosen]


def shortlist(evaluations: Sequence[Evaluation], n_kept: int) -> list[int]:
    """Return the positions of the most promising evaluations, best first.

    Half of the places go to the best of each family, since an ensemble lives of
    different models; the others to the best that remain.
    """
    order = sorted(range(len(evaluations)), key=lambda i: -_sortable(evaluations[i]))
    seen: set[str] = set()
    first_of_family = []
    for i in order:
        if evaluations[i].candidate.family.name not in seen:
            seen.add(evaluations[i].candidate.family.name)
            first_of_family.append(i)
    chosen = first_of_family[: math.ceil(n_kept / 2)]
    rest = [i for i in order if i not in chosen]
    chosen += rest[: n_kept - len(chosen)]
    return sorted(chosen, key=order.index)


class ModelFolder:
    """Keeps the fold models of one trial in files, so that no process holds them.

    Parameters
    ----------
    folder : Path
        Where the files go.
    number : int
        Number of the trial.
    """

    def __init__(self, folder: Path, number: int):
        self.folder = folder
        self.number = number

    def __call__(self, fold: int, model: FittedModel) -> Path:
        """Write the model of a fold and return the path of its file."""
        path = self.folder / f"{self.number}-{fold}.pickle"
        with path.open("wb") as file:
            cloudpickle.dump(model, file)  # classes of a script or notebook too
        return path


def load_models(models: Sequence[Any]) -> list[FittedModel]:
    """Return fold models, read from their files if they are in files."""
    return [_read(m) if isinstance(m, Path) else m for m in models]


def _read(path: Path) -> FittedModel:
    with path.open("rb") as file:
        return cloudpickle.load(file)


def _drop_models(models: Any) -> None:
    for model in models or ():
        if isinstance(model, Path):
            model.unlink(missing_ok=True)


def _sortable(evaluation: Evaluation) -> float:
    return evaluation.score if math.isfinite(evaluation.score) else -math.inf
