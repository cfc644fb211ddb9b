"""Run trials: in this process, in processes of our own, or in a backend of joblib."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.search.models import ModelFolder
from automodel.search.workers.last_step import Step
from automodel.search.workers.scratch import make_folder
from automodel.search.workers.work import (
    Refit,
    WorkItem,
    refit,
    run_here,
    run_item,
)

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
        Seconds for which a refit that has not ended in time is waited for.
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

        The next item is asked for when it can run at once.
        """
        for item in items:
            yield item, run_item(item, self.folds, self._keep_model(item))

    def refit(
        self,
        orders: list[Refit],
        then: Step = lambda: None,
        deadline: Deadline = NO_DEADLINE,
        then_seconds: float = 0.0,
    ) -> Refitted:
        """Return the models, or the files they are in; None for what failed.

        Parameters
        ----------
        orders : list of Refit
            What is fitted.
        then : callable, default=None
            A step that follows, beside the last refits where it can be.
        deadline : Deadline, default=NO_DEADLINE
            Moment from which the step is not waited for.
        then_seconds : float, default=0.0
            What the step will probably take.
        """
        found = [run_here(refit, order, self.folds) for order in orders]
        if then_seconds < deadline.seconds_left:
            then()
        return found

    @property
    def problem(self) -> str:
        """What was lost or is not as it was asked for, and why; "" if all is well."""
        return self._problem

    def accepts(self, family: ModelFamily) -> bool:
        """Tell whether a trial of the family should start now.

        Not if its libraries are slow to load, and the one worker that has them is
        busy: a second would take the time and the memory once more.
        """
        return True

    def dismiss(self) -> None:
        """Free what the workers hold, when no more trials will run."""

    def _make_folder(self) -> None:
        """Make a temporary folder, and in it one for what all trials share.

        A worker that does not see it, on another machine, keeps that in memory.
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
