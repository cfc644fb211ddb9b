"""Evaluate one candidate by resampling, or fit it on all rows."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator

from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.base import ModelFamily
from automodel.folds import Folds
from automodel.monitor import Monitor, check_time
from automodel.preprocessing.table import Table
from automodel.task import Task

PREDICT_ROWS = 5000
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


@dataclass
class FittedModel:
    """An encoder and an estimator, fitted on the same rows.

    `classes` are the columns of a prediction that the estimator has seen; None
    for regression. `fold` is the number of the fold whose training rows those were,
    -1 for all rows. `n_iterations` and `pace` say how it was trained: see `Monitor`.
    """

    encoder: BaseEstimator
    estimator: BaseEstimator
    classes: np.ndarray | None
    n_outputs: int
    fold: int = -1
    n_iterations: int | None = None
    pace: list = field(default_factory=list)

    def predict(self, table: Table, deadline: float | None = None) -> np.ndarray:
        """Predict the rows of a table."""
        return self.predict_encoded(self.encoder.transform(table), deadline)

    def predict_encoded(self, X: Any, deadline: float | None = None) -> np.ndarray:
        """Predict rows that the encoder has transformed, in chunks."""
        n_rows = X.shape[0]
        chunks = []
        for start in range(0, n_rows, PREDICT_ROWS):
            check_time(deadline)
            part = X
            if n_rows > PREDICT_ROWS:
                rows = slice(start, start + PREDICT_ROWS)
                part = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
            chunks.append(self._predict_chunk(part))
        prediction = np.concatenate(chunks)
        if not np.isfinite(prediction).all():
            raise ValueError("the model predicts values that are not finite")
        return prediction

    def _predict_chunk(self, X) -> np.ndarray:
        if self.classes is None:
            return np.asarray(self.estimator.predict(X), dtype=np.float64).ravel()
        proba = np.zeros((X.shape[0], self.n_outputs))
        proba[:, self.classes] = _probabilities(self.estimator, X, len(self.classes))
        return proba


class DeferredModel:
    """A `FittedModel` that stays pickled until it is used.

    After an interrupt nothing waits for the libraries of the models to load.

    Parameters
    ----------
    pickled : bytes
        The model.
    """

    def __init__(self, pickled: bytes):
        self._pickled = pickled

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of pickle and copy, before there is a state
            raise AttributeError(name)
        if "_model" not in self.__dict__:
            self.__dict__["_model"] = pickle.loads(self._pickled)
        return getattr(self.__dict__["_model"], name)

    def __getstate__(self) -> dict[str, bytes]:
        return {"_pickled": self._pickled}


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
        _new_estimator(candidate, folds.task)  # imports are not the model's time
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
    model = FittedModel(encoder, estimator, classes, task.n_outputs, fold)
    monitor = Monitor(
        clock.start_fold(),
        valid=_known_rows(folds, valid, X_valid, classes),
        score=_scorer_of(model, folds, valid, X_valid),
        should_prune=should_prune,
        reports=result.reports,
        fold=fold,
    )
    weight = None if folds.sample_weight is None else folds.sample_weight[train]
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
    rows = slice(None) if fold < 0 else folds.splits[fold][0]
    weight = None if folds.sample_weight is None else folds.sample_weight[rows]
    classes, y = _local_labels(folds.y[rows], task)
    estimator = _new_estimator(candidate, task)
    encoder = candidate.family.preprocessor(estimator, task)
    X = encoder.fit_transform(folds.table.take(rows), y, weight)
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
    weight = None if folds.sample_weight is None else folds.sample_weight[valid]
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
    weight = None if folds.sample_weight is None else folds.sample_weight[valid]
    try:
        return folds.metric.score(folds.y[valid], prediction, weight)
    except ValueError:  # a fold without one of the classes has no such score
        return math.nan


def _probabilities(estimator, X, n_classes: int) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)
    if hasattr(estimator, "decision_function"):
        decision = np.asarray(estimator.decision_function(X), dtype=np.float64)
        if decision.ndim == 1:
            return np.column_stack([expit(-decision), expit(decision)])
        return softmax(decision, axis=1)
    return np.eye(n_classes)[np.asarray(estimator.predict(X), dtype=int)]
