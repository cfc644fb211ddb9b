"""Evaluate one candidate by resampling, or fit it on all rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.evaluation.trained_fold import TrainedFold
from automodel.exceptions import DeadlineReached, TrialPruned, describe_error
from automodel.families.base import FoldPart, ModelFamily
from automodel.metrics.scorers import score_or_nan
from automodel.monitor import Monitor, Steps, TrialTime
from automodel.preprocessing.encoded import take_rows
from automodel.task import Task

MOST_WAITING = 20  # folds whose models stay in memory until all others are trained
LEARNED_LOSS = "learned_loss"  # the parameter of families with several `losses`


@dataclass(frozen=True)
class Candidate:
    """A family with the parameters of one trial."""

    family: ModelFamily
    params: dict[str, Any]
    seed: int = 0


@dataclass
class Evaluation:
    """The result of a trial.

    Parameters
    ----------
    candidate : Candidate
        What was evaluated.
    status : str
        "complete", "pruned", "stopped" by the deadline, or "failed".
    score : float
        Score of the out-of-fold predictions; NaN unless the trial is complete.
    fold_scores : list of float
        Scores of the folds that were trained.
    seconds : float
        Time that the trial took.
    n_iterations : list of int or list of lists
        Steps that the model of each fold is made of.
    oof : ndarray, Path or None
        Out-of-fold predictions in float32, NaN in rows that no fold validates; their
        file where they are in an archive; None if they are not kept.
    models : list of FittedModel or Path, or None
        The model of each fold, or its file; None if they are not kept.
    error : str
        Why the trial has failed.
    steps_trained : list of int or list of lists
        Steps that were trained in each fold, of which a model may have fewer.
    reports : dict of int to float
        Scores that were reported during the training, by step.
    predict_seconds : float
        Time of predicting the validation rows.
    worker : int or None
        Number of the process that ran it: 0 for that of the search, 1 and more for its
        workers. None if that is not known.
    peak_memory : int
        Peak of the memory of that process since it began, in bytes; 0 if it is not
        known.
    """

    candidate: Candidate
    status: str
    score: float = math.nan
    fold_scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    n_iterations: list[Steps] = field(default_factory=list)
    oof: Any = None
    models: Any = None
    error: str = ""
    steps_trained: list[Steps] = field(default_factory=list)
    reports: dict[int, float] = field(default_factory=dict)
    predict_seconds: float = 0.0
    worker: int | None = None
    peak_memory: int = 0


def is_joined(candidate: Candidate, folds: Folds) -> bool:
    """Tell whether the models of all folds come from one training."""
    return candidate.family.joins_folds and folds.can_join


def evaluate(
    candidate: Candidate,
    folds: Folds,
    *,
    deadline: Deadline = NO_DEADLINE,
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
    deadline : Deadline, default=NO_DEADLINE
        Moment at which the trial has to end.
    time_limit : float, default=None
        Seconds for the trial, shared by the folds: models that train in steps stop
        at their share and stay usable.
    should_prune : callable, default=None
        See `Monitor`.
    keep_model : callable, default=None
        `keep_model(fold, model)` stores the model of a fold and returns what the
        evaluation keeps in its place, such as a path. None keeps the model itself.

    Returns
    -------
    Evaluation
        With status "complete", "pruned", "stopped" (by the deadline) or "failed".
    """
    clock = deadline.clock
    start = clock.now() - folds.encodings.shared_seconds
    result = Evaluation(candidate, "complete", models=[])
    try:
        _new_estimator(candidate, folds.task)
        # Neither imports nor shared outputs count as time of the trial.
        start = clock.now() - folds.encodings.shared_seconds
        trained = _run_folds(result, folds, deadline, time_limit, should_prune)
        parts = _kept(result, trained, folds, keep_model)
        result.oof = folds.target.pooled(len(folds.y), parts)
        result.score = folds.score(result.oof)
        if not math.isfinite(result.score):
            raise ValueError(f"the score is {result.score}")
    except TrialPruned:
        result.status = "pruned"
    except DeadlineReached:
        result.status = "stopped"
    except (Exception, SystemExit) as error:  # noqa: BLE001  the search goes on
        result.status = "failed"
        result.error = describe_error(error)
    if result.status != "complete":
        result.models = result.oof = None
        result.score = math.nan
    result.seconds = clock.now() - folds.encodings.shared_seconds - start
    return result


def _kept(result: Evaluation, trained, folds: Folds, keep_model):
    """Keep the model of each fold; yield its validation rows and their prediction."""
    for model, prediction in trained:
        model.estimator = result.candidate.family.compact(model.estimator)
        result.n_iterations.append(model.n_iterations or 0)
        result.models.append(keep_model(model.fold, model) if keep_model else model)
        yield folds.splits[model.fold][1], prediction


def _run_folds(result, folds, deadline, time_limit, should_prune):
    """Train and score fold by fold; yield the model and the prediction of each."""
    if is_joined(result.candidate, folds):
        yield from _run_joined(result, folds, deadline, time_limit, should_prune)
        return
    trial_time = TrialTime(deadline, time_limit, len(folds))
    chooses_rounds = result.candidate.family.chooses_rounds and len(folds) > 1
    waits = chooses_rounds and len(folds) <= MOST_WAITING
    trained: list[TrainedFold] = []
    for fold in range(len(folds)):
        deadline.check()
        own, monitor = _train_fold(result, folds, fold, trial_time, should_prune)
        trained.append(own)
        if chooses_rounds and not waits:
            own.cut(result.candidate.family, trained, folds, deadline)
        result.fold_scores.append(_fold_score(folds, fold, own.prediction))
        if not waits:
            yield own.release()
        if fold + 1 < len(folds):
            monitor.report_fold(float(np.nanmean(result.fold_scores)))
    if waits:
        for fold, own in enumerate(trained):
            own.cut(result.candidate.family, trained, folds, deadline)
            result.fold_scores[fold] = _fold_score(folds, fold, own.prediction)
            yield own.release()


def _run_joined(result, folds, deadline, time_limit, should_prune):
    """Train all folds in one run; yield the model and the prediction of each."""
    encoded = _encoded_folds(result.candidate, folds, deadline)
    monitor = Monitor(
        deadline.within(time_limit), should_prune=should_prune, reports=result.reports
    )
    for model, X_valid in _fit_joined(result.candidate, folds, encoded, monitor):
        before = monitor.clock.now()
        prediction = model.predict_encoded(X_valid, deadline)
        result.predict_seconds += monitor.clock.now() - before
        result.fold_scores.append(_fold_score(folds, model.fold, prediction))
        result.steps_trained.append(_steps_of(monitor))
        yield model, prediction


def _encoded_folds(candidate, folds, deadline) -> list[tuple[Any, FoldPart]]:
    """Return the encoder of each fold, and its encoded parts."""
    task = folds.task
    estimator = _new_estimator(candidate, task)
    found = []
    for fold, rows in enumerate(folds.splits):
        deadline.check()
        own = _new_encoder(candidate, estimator, task)
        y_encoder = folds.target.for_encoders(folds.y[rows[0]])
        encoder, *encoded = folds.encoded(fold, own, y_encoder, deadline)
        weights = [_training_weight(candidate, folds, part) for part in rows]
        (train, y, w), (valid, y_valid, w_valid) = zip(
            encoded, (folds.y[part] for part in rows), weights, strict=True
        )
        groups = folds.groups_of(rows[0])
        part = FoldPart(train, y, w, valid, y_valid, w_valid, rows[1], groups)
        found.append((encoder, part))
    return found


def _fit_joined(candidate, folds, encoded, monitor):
    """Return the model of each fold with its encoded validation part."""
    estimator = _new_estimator(candidate, folds.task)
    encoders, parts = map(list, zip(*encoded, strict=True))
    fitted = candidate.family.fit_folds(estimator, parts, monitor=monitor)
    for fold, (encoder, own) in enumerate(zip(encoders, fitted, strict=True)):
        columns = folds.target.columns_of(own)
        model = _new_model(candidate, folds, encoder, own, columns, fold)
        model.n_iterations, model.step_plan = monitor.steps_used, monitor.step_plan_used
        model.n_trained = monitor.steps_cut
        yield model, parts[fold].X_valid


def _train_fold(
    result, folds, fold, trial_time: TrialTime, should_prune
) -> tuple[TrainedFold, Monitor]:
    train, valid = folds.splits[fold]
    candidate, task = result.candidate, folds.task
    columns, y_train = folds.target.local(folds.y[train])
    estimator = _new_estimator(candidate, task)
    encoder = _new_encoder(candidate, estimator, task)
    encoder, X_train, X_valid = folds.encoded(
        fold, encoder, folds.target.for_encoders(y_train), trial_time.deadline
    )
    model = _new_model(candidate, folds, encoder, estimator, columns, fold)
    monitor = Monitor(
        trial_time.start_fold(),
        valid=_known_part(candidate, folds, fold, X_valid, columns),
        score=_scorer_of(model, folds, X_valid),
        should_prune=should_prune,
        reports=result.reports,
        fold=fold,
        groups=folds.groups_of(train),
        has_own_loss=candidate.params.get(LEARNED_LOSS) in (None, task.objective.loss),
    )
    weight = _training_weight(candidate, folds, train)
    constant = folds.target.constant(y_train)
    trained = _train(candidate, constant, estimator, X_train, y_train, weight, monitor)
    model.estimator = trained
    model.n_iterations, model.step_plan = monitor.steps_used, monitor.step_plan_used
    model.n_trained = monitor.steps_cut
    result.steps_trained.append(_steps_of(monitor))
    if candidate.family.chooses_rounds and monitor.steps_used is not None:
        model.estimator = candidate.family.cut(trained, monitor.steps_used)
    before = monitor.clock.now()
    prediction = model.predict_encoded(X_valid, trial_time.deadline)
    result.predict_seconds += monitor.clock.now() - before
    trial_time.end_fold()
    if len(folds) > 1:
        model.estimator = trained  # with the rounds that other folds may choose
    own = TrainedFold(fold, model, X_valid, prediction)
    if candidate.family.chooses_rounds:
        own.best_round, own.n_rounds = monitor.steps_used, monitor.steps_trained
    return own, monitor


def _steps_of(monitor: Monitor) -> Steps:
    """Return the number of all steps that were trained; 0 if there are none."""
    return monitor.steps_trained or monitor.steps_used or 0


def fit_candidate(
    candidate: Candidate,
    folds: Folds,
    *,
    fold: int = -1,
    n_iterations: Steps | None = None,
    step_plan: list | None = None,
    deadline: Deadline = NO_DEADLINE,
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
    n_iterations : int or list of int, default=None
        Steps to train, such as the mean of the folds.
    step_plan : list, default=None
        The `step_plan` of a `FittedModel` whose training is repeated.
    deadline : Deadline, default=NO_DEADLINE
        Moment at which the training has to end.

    Raises
    ------
    DeadlineReached
        If the deadline comes before the model is usable.
    """
    task = folds.task
    if fold >= 0 and is_joined(candidate, folds):
        monitor = Monitor(deadline, n_iterations=n_iterations, step_plan=step_plan)
        encoded = _encoded_folds(candidate, folds, deadline)
        models = _fit_joined(candidate, folds, encoded, monitor)
        return next(model for model, _ in models if model.fold == fold)
    rows = slice(None) if fold < 0 else folds.splits[fold][0]
    weight = _training_weight(candidate, folds, rows)
    columns, y = folds.target.local(folds.y[rows])
    estimator = _new_estimator(candidate, task)
    encoder = _new_encoder(candidate, estimator, task)
    encoder, X, _ = folds.encoded(fold, encoder, folds.target.for_encoders(y), deadline)
    monitor = Monitor(
        deadline,
        n_iterations=n_iterations,
        step_plan=step_plan,
        groups=folds.groups_of(rows),
    )
    monitor.check_time()
    constant = folds.target.constant(y)
    estimator = _train(candidate, constant, estimator, X, y, weight, monitor)
    estimator = candidate.family.compact(estimator)
    model = _new_model(candidate, folds, encoder, estimator, columns, fold)
    model.n_iterations, model.step_plan = monitor.steps_used, monitor.step_plan_used
    model.n_trained = monitor.steps_cut
    if not candidate.family.stops_on_own_rows:
        model.n_trained = monitor.steps_used
    return model


def _new_model(candidate, folds, encoder, estimator, columns, fold) -> FittedModel:
    seed = candidate.seed
    model = FittedModel(encoder, estimator, folds.target, columns, fold, seed=seed)
    model.is_compressed = candidate.family.is_compressed
    return model


def _training_weight(candidate: Candidate, folds: Folds, rows) -> np.ndarray | None:
    """Return the weights of some rows in training.

    They are those of relative errors if the family takes weights.
    """
    is_relative = folds.task.objective.is_relative
    if is_relative and not candidate.family.takes_sample_weight(folds.task):
        return folds.weight_of(rows)
    return folds.training_weight_of(rows)


def _new_estimator(candidate: Candidate, task: Task) -> BaseEstimator:
    params = dict(candidate.params)
    params.pop(candidate.family.encoder_param, None)
    task = task.learning(params.pop(LEARNED_LOSS, task.objective.loss))
    return candidate.family.estimator(task, candidate.seed).set_params(**params)


def _new_encoder(candidate: Candidate, estimator, task: Task) -> Any:
    encoder = candidate.family.preprocessor(estimator, task)
    name = candidate.family.encoder_param
    if name in candidate.params:
        encoder.set_params(**{name: candidate.params[name]})
    return encoder


def _train(candidate, constant, estimator, X, y, weight, monitor) -> BaseEstimator:
    if constant is not None:
        return constant.fit(X, y)
    return candidate.family.fit(estimator, X, y, sample_weight=weight, monitor=monitor)


def _known_part(candidate, folds: Folds, fold: int, X_valid, columns):
    """Return the validation part without rows of classes that were not in training."""
    valid = folds.splits[fold][1]
    weight = _training_weight(candidate, folds, valid)
    known = folds.target.known_rows(columns, folds.y[valid])
    if not known.all():
        X_valid = take_rows(X_valid, known)
        weight = None if weight is None else weight[known]
    _, y = folds.target.local(folds.y[valid[known]], columns)
    return X_valid, y, weight


def _scorer_of(model: FittedModel, folds: Folds, X_valid):
    def score(estimator):
        fitted = replace(model, estimator=estimator)
        return _fold_score(folds, model.fold, fitted.predict_encoded(X_valid))

    return score


def _fold_score(folds: Folds, fold: int, prediction) -> float:
    valid = folds.splits[fold][1]
    weight = folds.weight_of(valid)
    return score_or_nan(folds.metric.score, folds.y[valid], prediction, weight)
