"""ModelFamily: the contract between a kind of model and the search."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import has_fit_parameter

from automodel.nets._recipe import FoldPart
from automodel.task import Task

if TYPE_CHECKING:
    import optuna

    from automodel.monitor import Monitor, Steps

BYTES_PER_CELL = 72  # of the encoded rows and their copies, for `memory`


@dataclass(frozen=True)
class Resources:
    """What a worker needs to train a model, in addition to a core.

    Parameters
    ----------
    library : str, default=""
        Import name of a library that is slow to load, or "" if there is none.
    start_seconds : float, default=0.0
        Seconds that it takes to import the library and to call it for the first time.
    """

    library: str = ""
    start_seconds: float = 0.0


class ModelFamily:
    """A kind of model: its estimator, search space, proven settings and cost.

    Subclasses set the class attributes and implement `estimator`, `search_space` and
    `preprocessor`. The other methods have defaults. Families of tables inherit from
    `TabularFamily`, which implements `preprocessor`.

    Attributes
    ----------
    name : str
        Name in the `families` parameter and in the leaderboard.
    modality : str
        Kind of input, such as "tabular". A subclass must set it.
    tasks : tuple of str
        Values of `Task.kind` that the family can learn.
    requires : tuple of str
        Import names of optional libraries.
    model_requires : tuple of str or None
        Import names of those that are imported when a fitted model is unpickled; None
        for all of them.
    predict_requires : tuple of str or None
        Import names of those that are imported until a fitted model has predicted; None
        for all of them.
    iteration_param : str or None
        The parameter that counts boosting rounds, trees or epochs.
    rank : int
        Position in the order of the first trials. Cheap and accurate families have a
        low rank and come first.
    start_seconds : float
        Seconds that the first import and call take. A short search does without
        families for which they are too many.
    start_bytes : float
        Memory that the libraries take once they have been called.
    by_default : bool
        Whether `families=None` includes the family. It is False for a family that costs
        more than it gains on most tables.
    seldom_helps : bool
        Whether an ensemble of the other families rarely gains from it. It is then only
        tried if that takes little of the time.
    least_share : float
        The share of its usual seconds in which a first trial is still worthwhile. It is
        below 1 for models that adapt their training to the time they get.
    most_share : float
        Largest share of the time left that a trial may take.
    starts_search : bool
        Whether the first trial may run in the process of the user while the workers
        start. The family must be cheap, keep its deadline, and never crash.
    joins_folds : bool
        Whether `fit_folds` trains the models of all folds in one run. These models are
        kept, and not refitted on all rows. With a single split, `fit` is called
        instead, and called again for the refit.
    chooses_rounds : bool
        Whether `fit` stops early on the validation part of the fold and records its
        best round. The model keeps all rounds until `cut` is called, so that each fold
        can be scored at the rounds that the other folds have chosen. `fit` records the
        number of all rounds in `Monitor.steps_trained`, and in `Monitor.steps_cut` if
        time was up before a better one had become unlikely.
    stops_on_own_rows : bool
        Whether `fit` may stop early on rows that it holds out by itself. Fewer steps
        than requested then do not mean that time was up.
    encoder_param : str
        The parameter of the encoder that trials choose, see `encodings`. The estimator
        must not have a parameter of this name.
    is_compressed : bool
        Whether models are compressed when they are pickled. It pays for models that
        libraries pickle as text, or with many equal numbers.
    is_random : bool
        Whether the model depends on `random_state`, so that the mean of several is
        better than one.
    """

    name: str = ""
    modality: str = ""
    tasks: tuple[str, ...] = ("binary", "multiclass", "regression")
    requires: tuple[str, ...] = ()
    model_requires: tuple[str, ...] | None = None
    predict_requires: tuple[str, ...] | None = None
    iteration_param: str | None = None
    rank: int = 100
    start_seconds: float = 0.0
    start_bytes: float = 2e7
    by_default: bool = True
    seldom_helps: bool = False
    least_share: float = 1.0
    most_share: float = 0.3
    starts_search: bool = False
    joins_folds: bool = False
    chooses_rounds: bool = False
    stops_on_own_rows: bool = False
    encoder_param: str = ""
    is_compressed: bool = False
    is_random: bool = True

    def estimator(self, task: Task, random_state: int) -> BaseEstimator:
        """Return a new estimator with its fixed parameters, which uses one thread."""
        raise NotImplementedError

    def losses(self, task: Task) -> Sequence[str]:
        """Return the losses that a trial can choose from, if there is a choice.

        For example, squared errors are learned in fewer rounds than absolute errors,
        and if the noise is small and symmetric, they lead closer to the median as well.
        Proven settings are tried with each loss, in this order. In all other methods,
        `task.objective` is the one of the chosen loss.
        """
        return ()

    def encodings(self, task: Task) -> Sequence[str | int]:
        """Return the values of `encoder_param` that a trial can choose from, if any.

        Proven settings are tried with the first one. The first of them is tried with
        the others as well.
        """
        return ()

    def search_space(self, trial: optuna.Trial, task: Task) -> dict[str, Any]:
        """Suggest parameters of the estimator, define-by-run."""
        raise NotImplementedError

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        """Return proven settings, by the names of the trial. The first is the default.

        The sampler draws the parameters that a setting leaves out.
        """
        return []

    def supports(self, task: Task) -> bool:
        """Tell whether the family can learn this task."""
        return task.modality == self.modality and task.kind in self.tasks

    def pays(self, task: Task) -> bool:
        """Tell whether ``families=None`` includes the family for this task."""
        return True

    def is_slow(self, task: Task) -> bool:
        """Tell whether the family only learns in time if there is a single split."""
        return False

    def why_unsupported(self, task: Task) -> str:
        """Return why the family cannot learn a task that it does not support."""
        return "does not support this task"

    def takes_sample_weight(self, task: Task) -> bool:
        """Tell whether `fit` of the estimator has a `sample_weight` parameter."""
        return has_fit_parameter(self.estimator(task, 0), "sample_weight")

    def cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds of a fit on one core, or return NaN."""
        return math.nan

    def may_stop_early(self, task: Task) -> bool:
        """Tell whether a training may end before the steps that it is allowed."""
        return True

    def growth_of_steps(self, task: Task) -> float:
        """Return the power of the rows with which steps grow until early stopping."""
        return 0.0

    def shared_cost(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the seconds, on one core, of what is encoded once for all trials.

        These are the outputs of encoders that learn nothing, such as pretrained nets.
        """
        return 0.0

    def memory(self, params: dict[str, Any], task: Task) -> float:
        """Estimate the bytes that a fit takes at its peak, libraries aside, or NaN.

        By default they are those of a few copies of the encoded rows.
        """
        width = 1 if task.facts is None else max(task.facts.width, 1)
        return BYTES_PER_CELL * task.n_samples * width

    def resources(self, task: Task) -> Resources:
        """Return what a worker needs to train a model, in addition to a core."""
        library = self.requires[0] if self.requires else ""
        return Resources(library, self.start_seconds)

    def fit(
        self,
        estimator: BaseEstimator,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        monitor: Monitor,
    ) -> BaseEstimator:
        """Fit the estimator to encoded rows, and return it.

        The method `estimator` has set the loss of `task.objective`. A family that
        trains in steps reports to the monitor and stops when it is expired. If there is
        no validation part, it trains `monitor.n_iterations` steps without early
        stopping.
        """
        if sample_weight is None:
            return estimator.fit(X, y)
        return estimator.fit(X, y, sample_weight=sample_weight)

    def cut(self, estimator: BaseEstimator, n_iterations: Steps) -> BaseEstimator:
        """Return a copy of a fitted estimator that has only its first rounds.

        `n_iterations` is a number for all columns of the target, or a list of a number
        for each. A model that has fewer rounds keeps all of them. This method is for
        families that set `chooses_rounds`.
        """
        raise NotImplementedError

    def compact(self, estimator: BaseEstimator) -> BaseEstimator:
        """Return a fitted estimator without what prediction does not need.

        It is called once for each model that is kept. The predictions must stay the
        same up to 1e-6, and the given estimator may be changed.
        """
        return estimator

    def fit_folds(
        self, estimator: BaseEstimator, parts: Sequence[FoldPart], *, monitor: Monitor
    ) -> list[BaseEstimator]:
        """Train on the training parts of several folds, and return a model for each.

        The model of a fold may learn from the validation parts of other folds, but
        never from its own. This method is for families that set `joins_folds`.
        """
        raise NotImplementedError

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        """Return the encoder that turns rows into the input of the estimator."""
        raise NotImplementedError

    def missing_libraries(self) -> list[str]:
        """Return the required libraries that are not installed."""
        return [m for m in self.requires if importlib.util.find_spec(m) is None]

    def __repr__(self) -> str:
        return f"<ModelFamily {self.name!r}>"
