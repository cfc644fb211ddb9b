"""AutoEstimator: what AutoClassifier and AutoRegressor share."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike

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
    check_X,
)
from automodel.exceptions import FitWarning, VersionWarning
from automodel.families import able_families, find_families
from automodel.metrics.metric import Metric
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table import describe
from automodel.reporting.summary import ReportMixin
from automodel.search.storage.shared import SharedStorage
from automodel.task import Task


class AutoEstimator(ReportMixin, BaseEstimator):
    """What the classifier and the regressor share."""

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
            Numbers, text, categories, dates and durations; cells may be missing.
        y : array-like of shape (n_samples,)
            Labels of any type, or numbers for a regressor; none may be missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in models, scores and the ensemble. A multiple of all
            of them makes no difference.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never in two folds, nor parted in any inner split.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter cannot be used; says what was expected, and
            comes before any model is trained.
        """
        from automodel.search.budget import Budget

        budget = Budget(self.time_budget, self.n_trials)  # before slow imports
        from automodel.search.storage.resume import (
            check_same_search,
            check_storage,
            open_archive,
        )

        if self.time_budget is None and self.n_trials is None:
            raise ValueError(
                f"The 'time_budget' and 'n_trials' of {type(self).__name__} are both "
                "None, so the search would never end. Give one of them."
            )
        with budget.stage("checks"):
            check_callbacks(self.callbacks)
            as_bytes(self.memory_limit)
            check_storage(self.storage, self.study_name)
            families = find_families(self.families)
            X, y, sample_weight, groups = self._check_data(X, y, sample_weight, groups)
        with budget.stage("reading"):
            archive = open_archive(self.storage, self.study_name)
            seed, seconds = self._seed_and_seconds(archive)
            folds = self._make_folds(X, y, sample_weight, groups, seed, seconds)
            if archive is not None:
                search = {"groups": groups, "cv": self.cv, "scoring": self.scoring}
                check_same_search(archive, folds, self._reader, seed=seed, **search)
        self._train(folds, families, budget, archive)
        return self

    def _train(self, folds, families, budget, archive) -> None:
        from automodel.callbacks import running
        from automodel.search.storage.frozen import plain_trial
        from automodel.training.train import TrainingSettings, train

        used, self._left_out = able_families(families, folds.task)
        callbacks = self._callbacks()
        settings = TrainingSettings(
            self._search_settings(callbacks),
            self.n_jobs,
            as_bytes(self.memory_limit),
            self.ensemble_size,
            self.refit,
            archive,
        )
        with running(callbacks, self.time_budget, self.n_trials):
            trained = train(folds, used, budget, settings)
        self.ensemble_ = trained.ensemble
        self.best_score_ = trained.best_score
        self.expected_score_ = trained.expected_score
        self._take_decision(trained.decision_weights)
        self._trials = {
            name: [plain_trial(trial) for trial in trials]
            for name, trials in trained.studies.items()
        }
        self._best_model = trained.best_model
        self._records = trained.records
        self.fit_report_ = {**budget.used, "total": budget.elapsed}

    def _take_decision(self, weights) -> None:
        """Take the weights by which probabilities become labels."""

    def replay(self, X, y, sample_weight=None, groups=None):
        """Fit the members of the ensemble again, without a search or a clock.

        The settings, seeds and weights are those of the ensemble, and each model
        trains as many steps as it did: on the data of `fit` the result is the same
        model, also after a search under a time budget. (Not with a `cv` that draws
        other splits at each call.) On other rows of the same columns it is the same
        recipe, learned anew.

        Parameters
        ----------
        X, y, sample_weight, groups
            As in `fit`.

        Returns
        -------
        AutoClassifier or AutoRegressor
            A copy of this estimator with new models; its scores and its leaderboard
            are still those of the search. Its `best_estimator_` is the member of the
            largest weight.

        Raises
        ------
        ValueError
            If y has other classes, or values outside the domain of the score.
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

        check_X(self, X, reset=False)
        again = copy.copy(self)
        X, y, sample_weight, groups = again._check_data(X, y, sample_weight, groups)
        seed_and_seconds = self._seed_, self.task_.time_budget
        folds = again._make_folds(X, y, sample_weight, groups, *seed_and_seconds)
        if list(getattr(self, "classes_", ())) != list(getattr(again, "classes_", ())):
            raise ValueError(
                f"y has the classes {again.classes_}, and the ensemble was made for "
                f"{self.classes_}. Fit anew, with a search."
            )
        families = find_families(self.families)
        again.ensemble_ = replay(self.ensemble_, families, folds, self.n_jobs)
        heaviest = max(again.ensemble_.members, key=lambda member: member.weight)
        again._best_model = heaviest.models[0]
        return again

    def _check_data(self, X, y, sample_weight, groups):
        X = check_X(self, X, reset=True)
        y = self._check_target(y)
        check_same_length(X, y)
        weight = check_weights(sample_weight, X)
        return X, y, weight, check_groups(groups, X)

    def _make_folds(self, X, y, sample_weight, groups, seed, seconds):
        from automodel.evaluation.folds import Folds

        self._seed_ = seed
        y = self._encode_target(y, sample_weight)
        kind = self._kind()
        n_classes = len(self.classes_) if kind != "regression" else 0
        task = Task(
            kind,
            X.shape[0],
            X.shape[1],
            n_classes,
            is_weighted=sample_weight is not None,
            time_budget=seconds,
        )
        classes = getattr(self, "classes_", None)
        metric = Metric.from_scoring(self.scoring, task, classes)
        metric = metric.of_target(y, sample_weight)
        y = metric.objective.encode(y)
        counted = slice(None) if sample_weight is None else sample_weight > 0
        metric.check(
            y[counted], None if sample_weight is None else sample_weight[counted]
        )
        self._reader = TableReader()
        table = self._reader.fit_transform(X)
        self._warn_of_columns()
        task = describe(replace(task, objective=metric.objective), table)
        folds = Folds.draw(
            table,
            y,
            sample_weight,
            groups,
            cv=self.cv,
            task=task,
            metric=metric,
            seed=seed,
        )
        self.task_, self.metric_name_ = folds.task, metric.name
        return folds

    def _seed_and_seconds(self, archive) -> tuple[int, float | None]:
        """Return the seed, and the time budget that the splits are chosen for.

        A search that goes on keeps those it was begun with.
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

    def _warn_of_columns(self) -> None:
        names = list(self._reader.all_missing_)
        if names:
            warnings.warn(
                f"Columns without any value are left out: {names[:10]}.",
                FitWarning,
                stacklevel=2,
            )

    def _callbacks(self) -> list:
        callbacks = list(self.callbacks)
        if self.verbose:
            from automodel.callbacks.progress import ProgressBar

            callbacks.append(ProgressBar())
        return callbacks

    def _search_settings(self, callbacks):
        from automodel.search.search import SearchSettings

        return SearchSettings(self.sampler, self.pruner, callbacks, self._seed_)

    def _predict_outputs(self, X) -> np.ndarray:
        check_is_fitted(self, "ensemble_")
        from automodel.containment import contained

        table = self._reader.transform(check_X(self, X, reset=False))
        with contained():  # many small trees cost more in threads than in one
            return self.ensemble_.predict(table)

    @property
    def best_estimator_(self):
        """The best single model, as a fitted Pipeline."""
        check_is_fitted(self, "ensemble_")
        from sklearn.pipeline import Pipeline

        from automodel.targets.decoded import DecodedClassifier, DecodedRegressor

        model, objective = self._best_model, self.task_.objective
        estimator = model.estimator
        if model.classes is not None:
            estimator = DecodedClassifier(estimator, self.classes_[model.classes])
        elif objective.decodes:
            estimator = DecodedRegressor(estimator, objective)
        steps = [
            ("reader", self._reader),
            ("encoder", model.encoder),
            ("model", estimator),
        ]
        return Pipeline(steps)

    @property
    def leaderboard_(self):
        """One row a trial, best first, as a pandas DataFrame."""
        check_is_fitted(self, "ensemble_")
        from automodel.reporting.leaderboard import leaderboard

        return leaderboard(self._records, self._left_out)

    @property
    def studies_(self):
        """The trials of each family, as frozen trials of Optuna."""
        check_is_fitted(self, "ensemble_")
        from automodel.search.storage.frozen import frozen_trial

        return {
            name: [frozen_trial(plain) for plain in trials]
            for name, trials in self._trials.items()
        }

    @property
    def failures_(self):
        """The rows of the leaderboard of trials that failed."""
        board = self.leaderboard_
        return board[board["status"] == "failed"].reset_index(drop=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def __getstate__(self):
        return {**super().__getstate__(), "_automodel_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_automodel_version", "unknown")
        if version != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved by automodel {version} and is "
                f"loaded by {__version__}. Predictions may differ; fit it again to be "
                "sure.",
                VersionWarning,
                stacklevel=2,
            )
        super().__setstate__(state)


def _seed(random_state) -> int:
    """Return a seed, without a draw from NumPy's global state for None."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(random_state.randint(2**31 - 1))
