"""Workers: run trials in this process. The base class of all other workers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path

from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.search.models import ModelFolder
from automodel.search.workers.scratch import make_folder
from automodel.search.workers.work import (
    Refit,
    WorkItem,
    refit,
    run_here,
    run_item,
)

HERE = 0  # the number of this process among the workers
Evaluations = Generator[tuple[WorkItem, Evaluation]]
ModelFolders = Callable[[int], ModelFolder]
Refitted = list[FittedModel | Path | None]


class Workers:
    """Run trials one after the other in this process.

    Attributes
    ----------
    are_isolated : bool
        Whether a trial that crashes leaves this process alone.
    memory_limit : int or None
        Bytes of resident memory above which a worker is ended.
    refit_grace : float
        Seconds after its deadline for which a refit is waited for.
    """

    are_isolated = False
    memory_limit: int | None = None
    refit_grace = 0.0
    _problem = ""

    def __init__(
        self, n_jobs: int, folds: Folds, model_folder: ModelFolders | None = None
    ):
        self.n_jobs = n_jobs
        self.folds = folds
        self.model_folder = model_folder

    def __enter__(self) -> Workers:
        self._make_folder()
        self.model_folder = self.model_folder or partial(ModelFolder, self._folder)
        return self

    def __exit__(self, *exc_info) -> None:
        try:
            self.dismiss()
        finally:
            self._remove_folder()

    def run(self, items: Iterable[WorkItem]) -> Evaluations:
        """Yield items with their evaluations as they end.

        An item is asked for when a worker is free to run it.
        """
        for item in items:
            evaluation = run_item(item, self.folds, self._keep_model(item))
            evaluation.worker = HERE
            yield item, evaluation

    def refit(self, orders: list[Refit]) -> Refitted:
        """Return the models, or the files they are in; None for those that failed."""
        return [run_here(refit, order, self.folds) for order in orders]

    @property
    def problem(self) -> str:
        """What went wrong or was not done as requested, and why; "" if nothing."""
        return self._problem

    def accepts(self, family: ModelFamily) -> bool:
        """Tell whether a trial of the family should start now.

        It should not if its libraries are slow to load and the worker that has loaded
        them is busy, since a second worker would take the same time and memory again.
        """
        return True

    def dismiss(self) -> None:
        """Free the resources of the workers, when no more trials will run."""

    def _make_folder(self) -> None:
        """Make a temporary folder, with one inside for outputs that all trials share.

        A worker on another machine does not see it, and keeps the outputs in memory.
        """
        self._folder = make_folder()
        self._outputs = self._folder / "outputs"
        self._outputs.mkdir()
        self.folds.encodings.folder = self._outputs

    def _remove_folder(self) -> None:
        self.folds.forget_encoded()
        self.folds.encodings.folder = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _keep_model(self, item: WorkItem) -> ModelFolder | None:
        return None if self.model_folder is None else self.model_folder(item.number)
