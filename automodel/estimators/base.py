"""AutoEstimator: the base class of the estimators of all modalities and targets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from automodel import __version__
from automodel.estimators.checks import (
    as_bytes,
    check_callbacks,
    check_groups,
    check_same_length,
    check_weights,
)
from automodel.estimators.planning import PlanMixin
from automodel.estimators.results import ResultsMixin
from automodel.estimators.uncertainty import HonestMixin
from automodel.families import able_families, find_families
from automodel.reporting.summary import ReportMixin
from automodel.saved_version import (
    SavedVersion,
    names_within,
    new_estimator,
    warn_of_other_version,
)
from automodel.search.storage.shared import SharedStorage

if TYPE_CHECKING:
    from automodel.callbacks import FitFacts
    from automodel.families import ModelFamily
    from automodel.search.budget import Budget
    from automodel.search.storage.archive import Archive
    from automodel.targets.base import Target
    from automodel.task import Task
    from automodel.training.allowance import ModelLimits
    from automodel.training.assembly import Trained
    from automodel.training.prepare import Data, Prepared
    from automodel.training.train import TrainingSettings


class AutoEstimator(PlanMixin, ResultsMixin, ReportMixin, HonestMixin, BaseEstimator):
    """Base class of the estimators of all modalities and targets.

    A subclass defines how X is checked and read, and what y is.
    """

    _parameter_constraints: dict = {
        "families": ["array-like", None],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "sampler": [HasMethods(["sample_relative"]), callable, None],
        "pruner": [HasMethods(["prune"]), None],
        "ensemble_size": [Interval(Integral, 1, None, closed="left")],
        "refit": [StrOptions({"auto"}), "boolean"],
        "prediction_time_limit": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"auto"}),
            None,
        ],
        "model_size_limit": [Interval(Real, 0, None, closed="neither"), str, None],
        "storage": [str, PathLike, SharedStorage, None],
        "study_name": [str, None],
        "memory_limit": [Interval(Integral, 1, None, closed="left"), str, None],
        "callbacks": ["array-like"],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        families=None,
        scoring=None,
        cv=None,
        time_budget=300.0,
        n_trials=None,
        sampler=None,
        pruner=None,
        ensemble_size=25,
        refit="auto",
        prediction_time_limit="auto",
        model_size_limit="auto",
        storage=None,
        study_name=None,
        memory_limit=None,
        callbacks=(),
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.families = families
        self.scoring = scoring
        self.cv = cv
        self.time_budget = time_budget
        self.n_trials = n_trials
        self.sampler = sampler
        self.pruner = pruner
        self.ensemble_size = ensemble_size
        self.refit = refit
        self.prediction_time_limit = prediction_time_limit
        self.model_size_limit = model_size_limit
        self.storage = storage
        self.study_name = study_name
        self.memory_limit = memory_limit
        self.callbacks = callbacks
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Search for models and fit an ensemble of the best.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers, text, categories, dates and durations; values may be missing. The
            estimators of texts take a list, array or Series of str instead, and those
            of images arrays of images, or a list of arrays, PIL images, paths or bytes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels of any type for a classifier, or numbers for a regressor, without
            missing values. Several columns are a multilabel indicator of 0 and 1, dense
            or sparse, for a classifier, and numbers for a regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in models, scores and the ensemble. Multiplying all of
            them by a constant has no effect.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. Rows of one group are in the same fold, and stay together
            in all inner splits of models.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter is invalid. The error is raised before any model
            is trained.
        """
        from automodel.search.budget import Budget

        budget = Budget(self.time_budget, self.n_trials)  # before slow imports
        with budget.stage("checks"):
            families, data = self._checked(X, y, sample_weight, groups)
        with budget.stage("reading"):
            archive, prepared = self._prepare_search(data, families)
        return self._train(prepared, data, families, budget, archive)

    def _checked(self, X, y, sample_weight, groups) -> tuple[list[ModelFamily], Data]:
        """Check the parameters and the data, before anything that takes time."""
        from automodel.search.storage.resume import check_storage

        if self.time_budget is None and self.n_trials is None:
            raise ValueError(
                f"The 'time_budget' and 'n_trials' of {type(self).__name__} are both "
                "None, so the search would never end. Set one of them."
            )
        check_callbacks(self.callbacks)
        as_bytes(self.memory_limit)
        self._model_limits()
        check_storage(self.storage, self.study_name)
        families = find_families(self.families, self._modality)
        return families, self._check_data(X, y, sample_weight, groups)

    def _prepare_search(
        self, data: Data, families: Sequence[ModelFamily]
    ) -> tuple[Archive | None, Prepared]:
        """Read the data, and refuse a storage that was begun with other data."""
        from automodel.search.storage.resume import check_same_search, open_archive

        archive = open_archive(self.storage, self.study_name)
        prepared = self._prepare(data, families, *self._seed_and_seconds(archive))
        if archive is not None:
            check_same_search(archive, self._fingerprint(prepared, data))
        return archive, prepared

    def _train(self, prepared, data, families, budget, archive) -> Self:
        from automodel.callbacks import running
        from automodel.estimators.provenance import provenance
        from automodel.training.train import train

        used = self._able_families(families, prepared.folds.task)
        fit = self._fit_facts(prepared, data, budget)
        callbacks = self._callbacks(budget)
        with running(callbacks, self.time_budget, self.n_trials, fit) as active:
            budget.reserve(active.seconds_reserved)
            settings = self._settings(prepared.seed, active.called, archive)
            trained = train(prepared.folds, used, budget, settings)
            self._keep_prepared(prepared)
            self._keep_plan(prepared.folds)
            self._keep_trained(trained)
            self.fit_report_ = {**budget.used, "total": budget.elapsed}
            total, baseline = self.fit_report_["total"], trained.baseline_score
            self._provenance = provenance(used, total, baseline)
            active.finish(fit, self)
        return self

    def _settings(self, seed, callbacks=(), archive=None) -> TrainingSettings:
        from automodel.search.search import SearchSettings
        from automodel.training.train import TrainingSettings

        return TrainingSettings(
            SearchSettings(self.sampler, self.pruner, callbacks, seed),
            self.n_jobs,
            as_bytes(self.memory_limit),
            self.ensemble_size,
            self.refit,
            archive,
            self._model_limits(),
        )

    def _model_limits(self) -> ModelLimits:
        from automodel.training.allowance import ModelLimits

        size = self.model_size_limit
        if size != "auto":
            size = as_bytes(size, "model_size_limit")
        return ModelLimits(self.prediction_time_limit, size)

    def _fit_facts(self, prepared: Prepared, data: Data, budget: Budget) -> FitFacts:
        from automodel.callbacks import FitFacts

        return FitFacts(
            self,
            prepared.folds.task,
            prepared.folds.metric.name,
            data.X,
            data.y,
            lambda: self._fingerprint(prepared, data),
            budget.deadline,
        )

    def _fingerprint(self, prepared: Prepared, data: Data) -> dict[str, Any]:
        return prepared.fingerprint(data, cv=self.cv, scoring=self.scoring)

    def _able_families(
        self, families: Sequence[ModelFamily], task: Task
    ) -> list[ModelFamily]:
        """Return the families that are used, and keep why others are left out."""
        is_default = self.families is None
        used, self._left_out = able_families(families, task, is_default)
        return used

    def _keep_prepared(self, prepared: Prepared) -> None:
        folds = prepared.folds
        self._reader, self._target = prepared.reader, folds.target
        self._seed_ = prepared.seed
        self.task_, self.metric_name_ = folds.task, folds.metric.name

    def _keep_trained(self, trained: Trained) -> None:
        from automodel.search.storage.frozen import plain_trial

        self.ensemble_ = trained.ensemble
        self.best_score_ = trained.best_score
        self.expected_score_ = trained.expected_score
        self._keep_honest(trained)
        self._trials = {
            name: [plain_trial(trial) for trial in trials]
            for name, trials in trained.studies.items()
        }
        self._params = trained.params
        self._best_model = trained.best_model
        # Plain, so that a saved estimator loads no class of the search.
        self._model_cost = None if trained.cost is None else asdict(trained.cost)
        self._economies = trained.economies

    def replay(self, X, y, sample_weight=None, groups=None):
        """Fit the members of the ensemble again, without a search or a clock.

        The settings, seeds and weights of the ensemble are used again, and each model
        trains as many steps as before. With the data of `fit` the result is therefore
        the same model, even after a search with a time budget, unless `cv` draws
        different splits at each call. With other rows, the same settings are fitted to
        the new data.

        Parameters
        ----------
        X, y, sample_weight, groups
            The same as in `fit`.

        Returns
        -------
        AutoEstimator
            A copy of this estimator with new models. Its scores and its leaderboard are
            those of the search, and its `best_estimator_` is the member with the
            largest weight.

        Raises
        ------
        ValueError
            If y is of a different kind or has different classes, or if it has values
            outside of the domain of the score.
        RuntimeError
            If a model cannot be fitted on this data.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from automodel import AutoClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> search = AutoClassifier(families=["linear"], time_budget=2, n_trials=3)
        >>> again = search.fit(X, y).replay(X, y)
        >>> bool((again.predict(X) == search.predict(X)).all())
        True
        """
        check_is_fitted(self, "ensemble_")
        from automodel.training.replay import replay

        self._check_X(X, reset=False)
        again = copy.copy(self)
        data = again._check_data(X, y, sample_weight, groups)
        families = find_families(self.families, self._modality)
        seconds = self.task_.time_budget
        prepared = again._prepare(data, families, self._seed_, seconds)
        self._target.check_like(prepared.folds.target)
        again._keep_prepared(prepared)
        again._forget_other_honest(prepared.folds)
        again.ensemble_ = replay(self.ensemble_, families, prepared.folds, self.n_jobs)
        heaviest = max(again.ensemble_.members, key=lambda member: member.weight)
        again._best_model = heaviest.models[0]
        return again

    # A subclass sets its modality, the check of X (a method that returns the input of
    # the reader), what returns a new reader, and the check and the class of the target.
    _modality: str
    _check_X: Callable[..., Any]
    _new_reader: Callable[[], Any]
    _check_y: Callable[[Any], Any]
    _target_of: Callable[[Any, Any], Target]

    def _check_data(self, X, y, sample_weight, groups) -> Data:
        from automodel.training.prepare import Data

        X, y = self._check_X(X, reset=True), self._check_y(y)
        n_rows = check_same_length(X, y)
        weight = check_weights(sample_weight, n_rows)
        return Data(X, y, weight, check_groups(groups, n_rows))

    def _prepare(
        self,
        data: Data,
        families: Sequence[ModelFamily],
        seed: int,
        time_budget: float | None,
    ) -> Prepared:
        from automodel.training.prepare import prepare

        return prepare(
            data,
            self._target_of(data.y, data.sample_weight),
            self._new_reader(),
            modality=self._modality,
            scoring=self.scoring,
            cv=self.cv,
            time_budget=time_budget,
            seed=seed,
            families=families,
        )

    def _seed_and_seconds(self, archive) -> tuple[int, float | None]:
        """Return the seed, and the time budget for which the splits are chosen.

        A search that is resumed uses those with which it was begun.
        """
        seconds = None if self.time_budget is None else float(self.time_budget)
        seed = _seed(self.random_state)
        if archive is not None:
            own = {"seed": seed, "time_budget": seconds}
            begun = archive.agree("start", own, archive.recall_start)
            seconds = begun["time_budget"]
            if self.random_state is None:
                seed = begun["seed"]
        return seed, seconds

    def _callbacks(self, budget) -> list:
        callbacks = list(self.callbacks)
        if self.verbose:
            from automodel.callbacks.progress import ProgressBar

            callbacks.append(ProgressBar(start=budget.start))
        if self.verbose > 1:
            from automodel.callbacks.trial_log import TrialLog

            callbacks.append(TrialLog())
        return callbacks

    def _predict_outputs(self, X) -> np.ndarray:
        check_is_fitted(self, "ensemble_")
        from automodel.containment import contained

        rows = self._reader.transform(self._check_X(X, reset=False))
        with contained():  # one thread is faster than several with many small trees
            return self.ensemble_.predict(rows)

    def __reduce__(self):
        state = self.__getstate__()
        mark = SavedVersion(__version__, names_within(state))
        return new_estimator, (mark, type(self)), state

    def __getstate__(self):
        return {**super().__getstate__(), "_automodel_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_automodel_version", "unknown")
        warn_of_other_version(type(self).__name__, version)
        super().__setstate__(state)


def _seed(random_state) -> int:
    """Return a seed; None does not draw from NumPy's global state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(random_state.randint(2**31 - 1))
