"""Evaluate one candidate by resampling, or fit it on all rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.base import FoldPart, ModelFamily
from automodel.fitted_model import FittedModel
from automodel.folds import Folds
from automodel.monitor import Monitor, check_time
from automodel.task import Task

MIN_FOLD_SECONDS = 0.3  # for training, so that a slow encoding leaves some


@dataclass(frozen=True)
class Candidate:
    """A family with the parameters of one trial."""

    family: ModelFamily
    params: dict[str, Any]
    seed: int = 0


@dataclass
class Evaluation:
    """What is known of a candidate after its trial.

    `oof` holds the out-of-fold predictions, float32, NaN in rows that no fold
    validates; `n_iterations` the steps that each fold's model is made of.
    """

    candidate: Candidate
    status: str
    score: float = math.nan
    fold_scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    n_iterations: list[int] = field(default_factory=list)
    oof: Any = None
    models: Any = None
    error: str = ""
    reports: dict[int, float] = field(default_factory=dict)
    predict_seconds: float = 0.0


def is_joined(candidate: Candidate, folds: Folds) -> bool:
    """Tell whether the models of all folds come from one training."""
    return candidate.family.joins_folds and len(folds) > 1


def evaluate(
    candidate: Candidate,
    folds: Folds,
    *,
    deadline: float | None = None,
    time_limit: float | None = None,
    should_prune: Callable[[dict[int, float]], bool] | None = None,
    keep_model: Callable[[int, FittedModel], Any] | None = None,
) -> Evaluation:
    """Evaluate a candidate on all folds; errors end up in the evaluation.

    Parameters
    ----------
    candidate : Candidate
        What to evaluate.
    folds : Folds
        Data and splits.
    deadline : float, default=None
        Moment (`time.monotonic`) at which the trial has to end.
    time_limit : float, default=None
        Seconds for the trial, shared by the folds: models that train in steps stop
        at their share and stay usable.
    should_prune : callable, default=None
        See `Monitor`.
    keep_model : callable, default=None
        `keep_model(fold, model)` returns what the evaluation keeps of the model of a
        fold, such as the path of a file; None keeps the model.

    Returns
    -------
    Evaluation
        With status "complete", "pruned", "stopped" (by the deadline) or "failed".
    """
    start = time.monotonic()
    result = Evaluation(candidate, "complete", models=[])
    try:
        _new_estimator(candidate, folds.task)
        start = time.monotonic()  # imports are not the model's time
        for fold, model in _run_folds(
            result, folds, deadline, time_limit, should_prune
        ):
            result.models.append(keep_model(fold, model) if keep_model else model)
        _pool(result, folds)
    except TrialPruned:
        result.status = "pruned"
    except DeadlineReached:
        result.status = "stopped"
    except (Exception, SystemExit) as error:  # noqa: BLE001  the search goes on
        result.status = "failed"
        result.error = f"{type(error).__name__}: {error}"
    if result.status != "complete":
        result.models = result.oof = None
    result.seconds = time.monotonic() - start
    return result


def _run_folds(result, folds, deadline, time_limit, should_prune):
    """Train and judge fold by fold; yield the number and the model of each."""
    result.oof = _Pool(folds)
    if is_joined(result.candidate, folds):
        yield from _run_joined(result, folds, deadline, time_limit, should_prune)
        return
    clock = _TrialClock(deadline, time_limit, len(folds))
    for fold, (_, valid) in enumerate(folds.splits):
        check_time(deadline)
        monitor, model, prediction = _run_fold(result, folds, fold, clock, should_prune)
        result.n_iterations.append(monitor.steps_used or 0)
        result.oof.add(valid, prediction)
        result.fold_scores.append(_fold_score(folds, valid, prediction))
        yield fold, model
        if fold + 1 < len(folds):
            monitor.report_fold(float(np.nanmean(result.fold_scores)))


def _run_joined(result, folds, deadline, time_limit, should_prune):
    """Train all folds in one run; yield the number and the model of each."""
    ends_at = deadline
    if time_limit is not None:
        ends_at = time.monotonic() + time_limit
        ends_at = ends_at if deadline is None else min(ends_at, deadline)
    monitor = Monitor(ends_at, should_prune=should_prune, reports=result.reports)
    for model, X_valid in _fit_joined(result.candidate, folds, monitor):
        before = time.monotonic()
        prediction = model.predict_encoded(X_valid, deadline)
        result.predict_seconds += time.monotonic() - before
        valid = folds.splits[model.fold][1]
        result.n_iterations.append(model.n_iterations or 0)
        result.oof.add(valid, prediction)
        result.fold_scores.append(_fold_score(folds, valid, prediction))
        yield model.fold, model


def _fit_joined(candidate, folds, monitor):
    """Return the model of each fold with its encoded validation part."""
    task = folds.task
    estimator = _new_estimator(candidate, task)
    encoders, parts = [], []
    for fold, rows in enumerate(folds.splits):
        monitor.check_time()
        own = candidate.family.preprocessor(estimator, task)
        encoder, *encoded = folds.encoded(fold, own, folds.y[rows[0]])
        encoders.append(encoder)
        weights = [folds.weight_of(part) for part in rows]
        (train, y, w), (valid, y_valid, w_valid) = zip(
            encoded, (folds.y[part] for part in rows), weights, strict=True
        )
        parts.append(FoldPart(train, y, w, valid, y_valid, w_valid, rows[1]))
    fitted = candidate.family.fit_folds(estimator, parts, monitor=monitor)
    for fold, (encoder, own) in enumerate(zip(encoders, fitted, strict=True)):
        classes = own.classes_ if task.is_classification else None
        seed = candidate.seed
        model = FittedModel(encoder, own, classes, task.n_outputs, fold, seed=seed)
        model.n_iterations, model.pace = monitor.steps_used, monitor.pace_used
        yield model, parts[fold].X_valid


class _TrialClock:
    """Shares the time for training among the folds of a trial.

    Imports and encoding are left out: what is encoded serves many trials.
    """

    def __init__(self, deadline: float | None, time_limit: float | None, n_folds: int):
        self.deadline = deadline
        self._left = time_limit
        self._n_folds = n_folds
        self._start = 0.0

    def start_fold(self) -> float | None:
        """Return the moment at which the training of a fold has to end."""
        self._start = time.monotonic()
        if self._left is None:
            return self.deadline
        end = self._start + max(self._left / self._n_folds, MIN_FOLD_SECONDS)
        return end if self.deadline is None else min(end, self.deadline)

    def end_fold(self) -> None:
        """Book the time that the fold took."""
        if self._left is not None:
            self._left -= time.monotonic() - self._start
        self._n_folds -= 1


class _Pool:
    """The mean of the predictions of each row over the folds that validate it."""

    def __init__(self, folds: Folds):
        n_rows, task = len(folds.y), folds.task
        shape = (n_rows, task.n_outputs) if task.is_classification else (n_rows,)
        self._total = np.zeros(shape)
        self._count = np.zeros(n_rows)

    def add(self, rows: np.ndarray, prediction: np.ndarray) -> None:
        self._total[rows] += prediction
        self._count[rows] += 1

    def mean(self) -> np.ndarray:
        count = np.where(self._count, self._count, np.nan)
        return (self._total.T / count).T.astype(np.float32)


def _pool(result: Evaluation, folds: Folds) -> None:
    result.oof = result.oof.mean()
    result.score = folds.score(result.oof)
    if not math.isfinite(result.score):
        raise ValueError(f"the score is {result.score}")


def _run_fold(result, folds, fold, clock, should_prune):
    train, valid = folds.splits[fold]
    candidate, task = result.candidate, folds.task
    classes, y_train = _local_labels(folds.y[train], task)
    estimator = _new_estimator(candidate, task)
    encoder, X_train, X_valid = folds.encoded(
        fold, candidate.family.preprocessor(estimator, task), y_train
    )
    model = FittedModel(
        encoder, estimator, classes, task.n_outputs, fold, seed=candidate.seed
    )
    monitor = Monitor(
        clock.start_fold(),
        valid=_known_rows(folds, valid, X_valid, classes),
        score=_scorer_of(model, folds, valid, X_valid),
        should_prune=should_prune,
        reports=result.reports,
        fold=fold,
    )
    weight = folds.weight_of(train)
    model.estimator = _train(candidate, estimator, X_train, y_train, weight, monitor)
    before = time.monotonic()
    prediction = model.predict_encoded(X_valid, clock.deadline)
    result.predict_seconds += time.monotonic() - before
    clock.end_fold()
    model.n_iterations, model.pace = monitor.steps_used, monitor.pace_used
    return monitor, model, prediction


def fit_candidate(
    candidate: Candidate,
    folds: Folds,
    *,
    fold: int = -1,
    n_iterations: int | None = None,
    pace: list | None = None,
    deadline: float | None = None,
) -> FittedModel:
    """Fit a candidate without a validation part, with a number of steps.

    Parameters
    ----------
    candidate : Candidate
        What to fit.
    folds : Folds
        Data and splits.
    fold : int, default=-1
        Fold whose training rows are used; -1 for all rows.
    n_iterations : int, default=None
        Steps to train, such as the mean of the folds.
    pace : list, default=None
        `FittedModel.pace` of a model that is to be repeated.
    deadline : float, default=None
        Moment (`time.monotonic`) at which it has to end.

    Raises
    ------
    DeadlineReached
        If the deadline comes before the model is usable.
    """
    task = folds.task
    if fold >= 0 and is_joined(candidate, folds):
        monitor = Monitor(deadline, n_iterations=n_iterations, pace=pace)
        return next(
            m for m, _ in _fit_joined(candidate, folds, monitor) if m.fold == fold
        )
    rows = slice(None) if fold < 0 else folds.splits[fold][0]
    weight = folds.weight_of(rows)
    classes, y = _local_labels(folds.y[rows], task)
    estimator = _new_estimator(candidate, task)
    encoder, X, _ = folds.encoded(
        fold, candidate.family.preprocessor(estimator, task), y
    )
    monitor = Monitor(deadline, n_iterations=n_iterations, pace=pace)
    monitor.check_time()
    estimator = _train(candidate, estimator, X, y, weight, monitor)
    return FittedModel(
        encoder,
        estimator,
        classes,
        task.n_outputs,
        fold,
        monitor.steps_used,
        monitor.pace_used,
        candidate.seed,
    )


def _new_estimator(candidate: Candidate, task: Task) -> BaseEstimator:
    estimator = candidate.family.estimator(task, candidate.seed)
    return estimator.set_params(**candidate.params)


def _train(candidate, estimator, X, y, sample_weight, monitor) -> BaseEstimator:
    if candidate.family.tasks and len(np.unique(y)) == 1:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        is_classification = np.issubdtype(np.asarray(y).dtype, np.integer)
        constant = DummyClassifier() if is_classification else DummyRegressor()
        return constant.fit(X, y)
    return candidate.family.fit(
        estimator, X, y, sample_weight=sample_weight, monitor=monitor
    )


def _local_labels(y: np.ndarray, task: Task):
    """Return the classes that occur, and y as positions among them."""
    if not task.is_classification:
        return None, y
    return np.unique(y, return_inverse=True)


def _known_rows(folds, valid, X_valid, classes):
    """Return the validation part without the rows of classes not trained on."""
    y = folds.y[valid]
    weight = folds.weight_of(valid)
    if classes is None:
        return X_valid, y, weight
    known = np.isin(y, classes)
    position = np.searchsorted(classes, y[known])
    if known.all():
        return X_valid, position, weight
    X = X_valid.iloc[known] if hasattr(X_valid, "iloc") else X_valid[known]
    return X, position, None if weight is None else weight[known]


def _scorer_of(model: FittedModel, folds: Folds, valid, X_valid):
    def score(estimator):
        fitted = FittedModel(model.encoder, estimator, model.classes, model.n_outputs)
        return _fold_score(folds, valid, fitted.predict_encoded(X_valid))

    return score


def _fold_score(folds: Folds, valid, prediction) -> float:
    weight = folds.weight_of(valid)
    try:
        return folds.metric.score(folds.y[valid], prediction, weight)
    except ValueError:  # a fold without one of the classes has no such score
        return math.nan
