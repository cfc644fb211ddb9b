"""Evaluate one candidate by resampling, or fit it on all rows."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.base import ModelFamily
from automodel.metric import Metric
from automodel.preprocessing.table import Table
from automodel.task import Task

SLOTS_PER_FOLD = 16  # reports of one fold: steps 1, 2, 4, ..., then the fold's end
CACHE_BYTES = 256 * 2**20
PREDICT_ROWS = 5000


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
    oof: np.ndarray | None = None
    models: list[FittedModel] | None = None
    error: str = ""
    reports: dict[int, float] = field(default_factory=dict)
    predict_seconds: float = 0.0


@dataclass
class FittedModel:
    """An encoder and an estimator, fitted on the same rows.

    `classes` are the columns of a prediction that the estimator has seen; None
    for regression.
    """

    encoder: BaseEstimator
    estimator: BaseEstimator
    classes: np.ndarray | None
    n_outputs: int

    def predict(self, table: Table, deadline: float | None = None) -> np.ndarray:
        """Predict the rows of a table."""
        return self.predict_encoded(self.encoder.transform(table), deadline)

    def predict_encoded(self, X: Any, deadline: float | None = None) -> np.ndarray:
        """Predict rows that the encoder has transformed, in chunks."""
        n_rows = X.shape[0]
        chunks = []
        for start in range(0, n_rows, PREDICT_ROWS):
            _check_time(deadline)
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


@dataclass
class Folds:
    """The data of a search with its splits, drawn once for all candidates.

    Parameters
    ----------
    table : Table
        All rows.
    y : ndarray of shape (n_samples,)
        Column numbers for classes (int), values for regression (float).
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    splits : list of (train, valid) index arrays
        Rows may be validated once, several times or never.
    task : Task
        The facts about the problem.
    metric : Metric
        Scores pooled out-of-fold predictions.
    """

    table: Table
    y: np.ndarray
    sample_weight: np.ndarray | None
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    task: Task
    metric: Metric
    _cache: dict = field(default_factory=dict, repr=False)

    def __getstate__(self):
        return {**self.__dict__, "_cache": {}}

    def __len__(self) -> int:
        return len(self.splits)

    def encoded(self, fold: int, encoder: BaseEstimator, y: np.ndarray):
        """Return the encoder fitted on a fold's training rows, and both parts.

        Kept in memory, since most trials of a search share a few encodings.
        """
        key = (fold, repr(encoder))
        if key not in self._cache:
            train, valid = self.splits[fold]
            weight = None if self.sample_weight is None else self.sample_weight[train]
            X_train = encoder.fit_transform(self.table.take(train), y, weight)
            X_valid = encoder.transform(self.table.take(valid))
            self._forget_over_limit(X_train, X_valid)
            self._cache[key] = (encoder, X_train, X_valid)
        return self._cache[key]

    def _forget_over_limit(self, *parts) -> None:
        new = sum(_nbytes(part) for part in parts)
        held = sum(_nbytes(p) for entry in self._cache.values() for p in entry[1:])
        while self._cache and held + new > CACHE_BYTES:
            oldest = self._cache.pop(next(iter(self._cache)))
            held -= sum(_nbytes(part) for part in oldest[1:])

    def score(self, oof: np.ndarray) -> float:
        """Score out-of-fold predictions over the rows that were validated."""
        rows = np.isfinite(oof if oof.ndim == 1 else oof[:, 0])
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return self.metric.score(self.y[rows], oof[rows], weight)


class Monitor:
    """The one line between a model that trains in steps and its search.

    Parameters
    ----------
    deadline : float, default=None
        Moment (`time.monotonic`) at which training has to end.
    n_iterations : int, default=None
        Steps to train when there is no validation part; None for the family's own.
    valid : tuple of (X, y, sample_weight), default=None
        Encoded validation part, labels as the estimator knows them.
    score : callable, default=None
        `score(estimator)` on the validation part, greater is better.
    should_prune : callable, default=None
        `should_prune(reports)`, asked after each report; `reports` maps slots to
        values.
    fold : int, default=0
        Number of the fold in training.

    Attributes
    ----------
    X_valid, y_valid, sample_weight_valid
        The validation part, or None.
    steps_used : int or None
        To be set by the family: steps that the returned model is made of.
    """

    def __init__(
        self,
        deadline: float | None = None,
        *,
        n_iterations: int | None = None,
        valid: tuple | None = None,
        score: Callable[[BaseEstimator], float] | None = None,
        should_prune: Callable[[dict[int, float]], bool] | None = None,
        reports: dict[int, float] | None = None,
        fold: int = 0,
    ):
        self.deadline = deadline
        self.n_iterations = n_iterations
        self.X_valid, self.y_valid, self.sample_weight_valid = valid or (None,) * 3
        self.steps_used: int | None = None
        self.reports = {} if reports is None else reports
        self._score = score
        self._should_prune = should_prune
        self._first_slot = fold * SLOTS_PER_FOLD
        self._last_slot = -1

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part to stop early on."""
        return self.X_valid is not None

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

    @property
    def expired(self) -> bool:
        """Whether to stop now and return the model as it is."""
        return self.seconds_left <= 0

    def check_time(self) -> None:
        """Raise `DeadlineReached` if expired, where no model is usable yet."""
        _check_time(self.deadline)

    def score(self, estimator: BaseEstimator) -> float:
        """Score the estimator on the validation part with the search's metric."""
        return math.nan if self._score is None else self._score(estimator)

    def is_due(self, step: int) -> bool:
        """Tell whether a report at this step (1, 2, ...) would be read."""
        return self._should_prune is not None and _slot(step) > self._last_slot

    def report(self, step: int, value: float) -> None:
        """Report a value, greater is better, after `step` steps.

        Read at steps 1, 2, 4, 8 and so on; all values of one family must be of
        one kind. Does nothing where no one prunes.

        Raises
        ------
        TrialPruned
            If the candidate is worse than its family's earlier ones.
        """
        if self.is_due(step):
            self._last_slot = _slot(step)
            self._tell(self._last_slot, value)

    def report_fold(self, value: float) -> None:
        """Report the mean score of the folds so far, at the end of a fold."""
        self._tell(SLOTS_PER_FOLD - 1, value)

    def _tell(self, slot: int, value: float) -> None:
        if self._should_prune is None:
            return
        self.reports[self._first_slot + slot] = float(value)
        if self._should_prune(self.reports):
            raise TrialPruned


def evaluate(
    candidate: Candidate,
    folds: Folds,
    *,
    deadline: float | None = None,
    time_limit: float | None = None,
    should_prune: Callable[[dict[int, float]], bool] | None = None,
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

    Returns
    -------
    Evaluation
        With status "complete", "pruned", "stopped" (by the deadline) or "failed".
    """
    start = time.monotonic()
    result = Evaluation(candidate, "complete")
    try:
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            _run_folds(result, folds, start, deadline, time_limit, should_prune)
    except TrialPruned:
        result.status = "pruned"
    except DeadlineReached:
        result.status = "stopped"
    except Exception as error:  # noqa: BLE001  a trial may fail, the search may not
        result.status = "failed"
        result.error = f"{type(error).__name__}: {error}"
    if result.status != "complete":
        result.models = result.oof = None
    result.seconds = time.monotonic() - start
    return result


def _run_folds(result, folds, start, deadline, time_limit, should_prune) -> None:
    n_rows, n_outputs = len(folds.y), folds.task.n_outputs
    total = np.zeros((n_rows, n_outputs) if folds.task.is_classification else n_rows)
    count = np.zeros(n_rows)
    result.models = []
    end = math.inf if deadline is None else deadline
    soft_end = end if time_limit is None else min(end, start + time_limit)
    for fold, (_, valid) in enumerate(folds.splits):
        now = time.monotonic()
        share = (max(soft_end - now, 0)) / (len(folds) - fold)
        fold_deadline = None if math.isinf(soft_end) else min(now + share, end)
        _check_time(deadline)
        monitor, model, prediction = _run_fold(
            result, folds, fold, fold_deadline, deadline, should_prune
        )
        result.models.append(model)
        result.n_iterations.append(monitor.steps_used or 0)
        total[valid] += prediction
        count[valid] += 1
        result.fold_scores.append(_fold_score(folds, valid, prediction))
        if fold + 1 < len(folds):
            monitor.report_fold(float(np.nanmean(result.fold_scores)))
    mean = total / np.where(count, count, np.nan).reshape((-1,) + (1,) * (total.ndim - 1))
    result.oof = mean.astype(np.float32)
    result.score = folds.score(result.oof)
    if not math.isfinite(result.score):
        raise ValueError(f"the score is {result.score}")


def _run_fold(result, folds, fold, fold_deadline, deadline, should_prune):
    train, valid = folds.splits[fold]
    candidate, task = result.candidate, folds.task
    classes, y_train = _local_labels(folds.y[train], task)
    estimator = _new_estimator(candidate, task)
    encoder, X_train, X_valid = folds.encoded(
        fold, candidate.family.preprocessor(estimator, task), y_train
    )
    model = FittedModel(encoder, estimator, classes, task.n_outputs)
    monitor = Monitor(
        fold_deadline,
        valid=_known_rows(folds, valid, X_valid, classes),
        score=_scorer_of(model, folds, valid, X_valid),
        should_prune=should_prune,
        reports=result.reports,
        fold=fold,
    )
    weight = None if folds.sample_weight is None else folds.sample_weight[train]
    model.estimator = _train(candidate, estimator, X_train, y_train, weight, monitor)
    before = time.monotonic()
    prediction = model.predict_encoded(X_valid, deadline)
    result.predict_seconds += time.monotonic() - before
    return monitor, model, prediction


def fit_candidate(
    candidate: Candidate,
    folds: Folds,
    *,
    n_iterations: int | None = None,
    deadline: float | None = None,
) -> FittedModel:
    """Fit a candidate on all rows, with the number of steps that the folds took.

    Raises
    ------
    DeadlineReached
        If the deadline comes before the model is usable.
    """
    task = folds.task
    classes, y = _local_labels(folds.y, task)
    estimator = _new_estimator(candidate, task)
    encoder = candidate.family.preprocessor(estimator, task)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        X = encoder.fit_transform(folds.table, y, folds.sample_weight)
        monitor = Monitor(deadline, n_iterations=n_iterations)
        monitor.check_time()
        estimator = _train(candidate, estimator, X, y, folds.sample_weight, monitor)
    return FittedModel(encoder, estimator, classes, task.n_outputs)


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


def _slot(step: int) -> int:
    return min(int(step).bit_length() - 1, SLOTS_PER_FOLD - 2)


def _check_time(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise DeadlineReached


def _nbytes(part: Any) -> int:
    if hasattr(part, "indptr"):
        return part.data.nbytes + part.indices.nbytes
    if hasattr(part, "memory_usage"):
        return int(part.memory_usage(index=False).sum())
    return part.nbytes
