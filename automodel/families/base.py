"""ModelFamily: the contract between one kind of model and the search."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter

from automodel.task import Task

if TYPE_CHECKING:
    import optuna

    from automodel.monitor import Monitor, Steps


class FoldPart(NamedTuple):
    """Encoded training and validation part of a fold.

    Labels are numbers of all classes, also those that the training part lacks.
    `valid_rows` are the numbers of the validation rows: folds that are repeated have
    some in common. `groups` are those of the training rows.
    """

    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    X_valid: Any
    y_valid: np.ndarray
    sample_weight_valid: np.ndarray | None
    valid_rows: np.ndarray | None = None
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Resources:
    """What a worker needs for a model, besides a core.

    Parameters
    ----------
    library : str, default=""
        Import name of the library that it loads first; "" if every worker has it.
    start_seconds : float, default=0.0
        What loading it and its first call cost.
    accelerator : bool, default=False
        Whether the model trains on an accelerator, if there is one.
    """

    library: str = ""
    start_seconds: float = 0.0
    accelerator: bool = False


class ModelFamily:
    """One kind of model: its estimator, its space, its proven settings, its cost.

    Subclasses set the class attributes and write `estimator`, `search_space` and
    `preprocessor`; the rest has defaults that are read from the estimator. Families of
    tables inherit from `TabularFamily`, which has a `preprocessor`.

    Attributes
    ----------
    name : str
        Name in `families=` and in the leaderboard.
    modality : str
        Kind of input, such as "tabular"; a subclass has to set it.
    tasks : tuple of str
        Values of `Task.kind` that the family can learn.
    requires : tuple of str
        Import names of optional libraries.
    iteration_param : str or None
        The parameter that counts boosting rounds, trees or epochs.
    rank : int
        Order of the first try; low is early. Cheap and good families come first.
    start_seconds : float
        What the import and the first call cost, so that a short budget can do
        without.
    by_default : bool
        Whether `families=None` tries it. False for what costs more than it brings
        on most tables: it is tried where `families=` names it.
    seldom_helps : bool
        Whether an ensemble with the other families rarely gains from it: it is tried
        where that costs little of the time.
    least_share : float
        Share of its usual seconds in which a first trial is still worthwhile; below 1
        for models that fit their training into the time they get.
    starts_search : bool
        Whether its first trial may run in the process of the user while the workers
        start: for what is cheap, obeys its deadline, and cannot crash.
    joins_folds : bool
        Whether `fit_folds` trains the models of all folds in one run. They are kept,
        and not refitted on all rows; only with a single split `fit` is called, and
        called again for the refit.
    chooses_rounds : bool
        Whether `fit` stops on the validation part of the fold and notes its best round.
        The model keeps all rounds that it has trained until `cut` is called, so that
        each fold can be scored at the rounds that the other folds have chosen. `fit`
        notes all of them in `Monitor.steps_trained`.
    stops_on_own_rows : bool
        Whether `fit` may stop early on rows that it holds out by itself, so that fewer
        steps than it was asked for are no sign of a training that was cut.
    is_random : bool
        Whether another `random_state` makes another model, so that their mean is
        better than one.
    gpu : bool
        Whether the family gains from an accelerator.
    """

    name: str = ""
    modality: str = ""
    tasks: tuple[str, ...] = ("binary", "multiclass", "regression")
    requires: tuple[str, ...] = ()
    iteration_param: str | None = None
    rank: int = 100
    start_seconds: float = 0.0
    by_default: bool = True
    seldom_helps: bool = False
    least_share: float = 1.0
    starts_search: bool = False
    joins_folds: bool = False
    chooses_rounds: bool = False
    stops_on_own_rows: bool = False
    is_random: bool = True
    gpu: bool = False

    def estimator(self, task: Task, random_state: int) -> BaseEstimator:
        """Return a new estimator with the fixed parameters set, one thread."""
        raise NotImplementedError

    def losses(self, task: Task) -> Sequence[str]:
        """Return the losses that a trial chooses from, where there is a choice.

        Such as squares beside absolute errors: they are learned in fewer rounds, and
        where noise is small and even they come nearer to the median as well. Proven
        settings are tried with each, in this order. `task.objective` is then that of
        the loss chosen, in all methods.
        """
        return ()

    def search_space(self, trial: optuna.Trial, task: Task) -> dict[str, Any]:
        """Suggest parameters for `estimator().set_params`, define-by-run."""
        raise NotImplementedError

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return proven settings, in the names of the trial; the first is the default.

        What a setting leaves out is drawn by the sampler.
        """
        return []

    def supports(self, task: Task) -> bool:
        """Tell whether the family can learn this task."""
        return task.modality == self.modality and task.kind in self.tasks

    def takes_sample_weight(self, task: Task) -> bool:
        """Tell whether `fit` of the estimator has a `sample_weight`."""
        return has_fit_parameter(self.estimator(task, 0), "sample_weight")

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Return about the seconds of one fit on one core; NaN if nothing is known."""
        return math.nan

    def resources(self, task: Task) -> Resources:
        """Return what a worker needs for a model, besides a core."""
        library = self.requires[0] if self.requires else ""
        return Resources(library, self.start_seconds, self.gpu)

    def fit(
        self,
        estimator: BaseEstimator,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        monitor: Monitor,
    ) -> BaseEstimator:
        """Train `estimator` on encoded rows and return it, fitted.

        Its loss is that of `task.objective`, which `estimator` has set. Families that
        train in steps report to the monitor, stop when it is expired, and train
        `monitor.n_iterations` steps without early stopping when there is no validation
        part.
        """
        if sample_weight is None:
            return estimator.fit(X, y)
        return estimator.fit(X, y, sample_weight=sample_weight)

    def cut(self, estimator: BaseEstimator, n_iterations: Steps) -> BaseEstimator:
        """Return a copy of a fitted estimator with its first rounds alone.

        `n_iterations` are those of all columns of the target, or a list of one each.
        Only for families that set `chooses_rounds`. Of a model with fewer rounds all
        are kept.
        """
        raise NotImplementedError

    def fit_folds(
        self, estimator: BaseEstimator, parts: Sequence[FoldPart], *, monitor: Monitor
    ) -> list[BaseEstimator]:
        """Train on the training parts of several folds, and return a model of each.

        Only for families that set `joins_folds`. The model of a fold may learn from
        the validation parts of the other folds, never from rows of its own.
        """
        raise NotImplementedError

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return the encoder from rows of this modality to what the estimator takes."""
        raise NotImplementedError

    def missing_libraries(self) -> list[str]:
        """Return the libraries in `requires` that are not installed."""
        return [m for m in self.requires if importlib.util.find_spec(m) is None]

    def __repr__(self) -> str:
        return f"<ModelFamily {self.name!r}>"
