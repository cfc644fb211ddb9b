"""Metric: one adapter between a scikit-learn scorer and pooled predictions."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names, roc_auc_score

from automodel.label_scores import (
    AtBestThreshold,
    AtLikeliest,
    Formula,
    confusion_of,
    formula_of,
    is_tuned,
)
from automodel.quiet import no_warnings
from automodel.task import Task

TINY = 1e-15


class _Answers(BaseEstimator):
    """An estimator that answers with predictions made before."""

    def __init__(self, prediction):
        self.prediction = prediction

    def __sklearn_is_fitted__(self):
        return True


class _RegressorAnswers(RegressorMixin, _Answers):
    def predict(self, X):
        return self.prediction


class _ClassifierAnswers(ClassifierMixin, _Answers):
    def __init__(self, prediction, classes):
        super().__init__(prediction)
        self.classes = classes

    @property
    def classes_(self):
        return self.classes

    def predict_proba(self, X):
        return self.prediction

    def predict(self, X):
        return self.classes[self.prediction.argmax(axis=1)]


class Fast(NamedTuple):
    """A score at a tenth of the cost of scikit-learn's scorer.

    `score(y_true, part, sample_weight)` takes the part of a prediction that
    `decisive(y_true, prediction)` returns; None is the whole.
    """

    score: Callable[..., float]
    decisive: Callable[..., np.ndarray] | None = None


@dataclass(frozen=True)
class Metric:
    """Score pooled predictions; greater is better.

    Parameters
    ----------
    name : str
        Name of the scorer, or of the callable.
    scorer : callable
        `scorer(estimator, X, y)` as scikit-learn calls it. The estimator it gets
        answers from predictions made before, and X holds the row numbers.
    classes : ndarray of shape (n_classes,) or None
        The user's labels, in the order of the columns of a prediction.
    formula : callable, default=None
        The score of a confusion matrix. The score of two classes is then that of
        the best threshold.
    """

    name: str
    scorer: Any
    classes: np.ndarray | None = None
    formula: Formula | None = field(default=None, repr=False)
    _fast: Fast | None = field(default=None, repr=False)
    _takes_weight: bool = True

    @classmethod
    def from_scoring(cls, scoring: Any, task: Task, classes: np.ndarray | None = None):
        """Build the metric of a `scoring` parameter; None is the task's default.

        Raises
        ------
        ValueError
            If the name is unknown or the scorer is for the other kind of task.
        """
        if scoring is None:
            scoring = (
                "neg_log_loss"
                if task.is_classification
                else "neg_root_mean_squared_error"
            )
        if isinstance(scoring, str):
            scorer, name = _scorer_named(scoring), scoring
        else:
            scorer, name = scoring, _scorer_name(scoring)
        fast = _FAST.get(name)
        if task.is_classification != (name in _OF_CLASSES):
            fast = None
        if name == "roc_auc" and task.kind == "multiclass":
            raise ValueError(
                f"scoring='roc_auc' is for two classes, and y has {task.n_classes}. "
                "Use 'roc_auc_ovr', 'roc_auc_ovo' or 'neg_log_loss'."
            )
        formula = formula_of(scorer, classes) if task.is_classification else None
        if formula is not None and task.kind == "binary":
            fast = Fast(AtBestThreshold(formula), _positive_probability)
        elif formula is not None:
            fast = Fast(AtLikeliest(formula))
        return cls(name, scorer, classes, formula, fast, _accepts_weight(scorer))

    @property
    def is_of_squares(self) -> bool:
        """Whether it is best where the sum of squared errors is least."""
        return self.name in _OF_SQUARES

    @property
    def tuned(self) -> bool:
        """Whether it scores labels, and other labels than the likeliest may be best."""
        return self.classes is not None and self._takes_weight and is_tuned(self.scorer)

    def score(
        self,
        y_true: np.ndarray,
        prediction: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score a prediction.

        Parameters
        ----------
        y_true : ndarray of shape (n_samples,)
            Column numbers for classes, values for regression.
        prediction : ndarray of shape (n_samples, n_classes) or (n_samples,)
            Probabilities, or values.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The score; greater is better.
        """
        decisive = self.decisive(y_true, prediction)
        return self.score_decisive(y_true, decisive, sample_weight)

    def decisive(self, y_true: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Return what the score depends on, such as each row's class alone.

        The mean of predictions has the mean of it.
        """
        if self._fast is None or self._fast.decisive is None:
            return prediction
        return self._fast.decisive(y_true, prediction)

    def score_decisive(
        self,
        y_true: np.ndarray,
        decisive: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score what `decisive` returned, or the mean of several."""
        if self._fast is not None:
            return float(self._fast.score(y_true, decisive, sample_weight))
        return float(self._call_scorer(y_true, decisive, sample_weight))

    def score_confusion(self, confusion: np.ndarray) -> float:
        """Score labels by how often each class got each of them.

        Parameters
        ----------
        confusion : ndarray of shape (n_classes, n_classes)
            Weights of rows; a row of it holds those of one true class.

        Returns
        -------
        float
            The score, at this threshold.
        """
        if self.formula is not None:
            return float(self.formula(confusion))
        truth, answer = np.nonzero(confusion)
        scorer, labels = self.scorer, np.asarray(self.classes)
        return scorer._sign * scorer._score_func(
            labels[truth],
            labels[answer],
            sample_weight=confusion[truth, answer],
            **scorer._kwargs,
        )

    def score_labels(
        self,
        y_true: np.ndarray,
        labels: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score labels that are given as column numbers."""
        n_classes = len(self.classes)  # type: ignore[arg-type]
        if self.formula is None:
            answers = np.eye(n_classes)[labels]
            return float(self._call_scorer(y_true, answers, sample_weight))
        return self.score_confusion(
            confusion_of(y_true, labels, n_classes, sample_weight)
        )

    def check(
        self, y_true: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> None:
        """Raise if predictions for this target cannot be scored.

        Parameters
        ----------
        y_true : ndarray of shape (n_samples,)
            Column numbers for classes, values for regression.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.

        Raises
        ------
        ValueError
            If the scorer is for the other kind of task, or not for these labels.
        """
        if self.classes is None:
            kind, example = "regression", "neg_root_mean_squared_error"
            # Between the ends: some scores take no mean of zero.
            prediction = np.linspace(y_true.min(), y_true.max(), len(y_true) + 2)[1:-1]
        else:
            kind, example = "classification", "neg_log_loss"
            n_classes = len(self.classes)
            prediction = 0.5 * np.eye(n_classes)[y_true] + 0.5 / n_classes
        with no_warnings():
            try:
                float(self._call_scorer(y_true, prediction, sample_weight))
            except (AttributeError, TypeError, ValueError) as error:
                raise ValueError(
                    f"scoring={self.name!r} cannot score this {kind} target: {error} "
                    f"Use a scorer that fits the target, such as {example!r}."
                ) from error

    def _call_scorer(self, y_true, prediction, sample_weight):
        rows = np.arange(len(y_true)).reshape(-1, 1)
        weight = {}
        if sample_weight is not None and self._takes_weight:
            weight = {"sample_weight": sample_weight}
        if self.classes is None:
            return self.scorer(_RegressorAnswers(prediction), rows, y_true, **weight)
        proba = prediction.astype(np.float64)
        proba = proba / proba.sum(axis=1, keepdims=True)
        labels = self.classes[y_true]
        function = getattr(self.scorer, "_score_func", None)
        if function and _wants_labels(self.scorer) and len(self.classes) > 2:
            known = np.arange(len(self.classes))
            if function is roc_auc_score:  # there is none of a class without rows
                known = np.unique(y_true)
            proba = proba[:, known] + TINY
            proba /= proba.sum(axis=1, keepdims=True)
            options = {"labels": self.classes[known], **self.scorer._kwargs, **weight}
            return self.scorer._sign * function(labels, proba, **options)
        return self.scorer(
            _ClassifierAnswers(proba, self.classes), rows, labels, **weight
        )


def _scorer_named(name: str) -> Callable[..., float]:
    names = get_scorer_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"scoring={name!r} is not a scorer of scikit-learn.{hint} "
            "sklearn.metrics.get_scorer_names() lists them."
        )
    return get_scorer(name)


def _scorer_name(scorer: Callable[..., float]) -> str:
    for name in _FAST:
        known = get_scorer(name)
        same = all(
            getattr(scorer, attribute, None) == getattr(known, attribute)
            for attribute in ("_score_func", "_sign", "_kwargs", "_response_method")
        )
        if same:
            return name
    function = getattr(scorer, "_score_func", scorer)
    return getattr(function, "__name__", type(scorer).__name__)


def _accepts_weight(scorer: Callable[..., float]) -> bool:
    function = getattr(scorer, "_score_func", None)
    parameters = inspect.signature(function or scorer).parameters
    return "sample_weight" in parameters


def _wants_labels(scorer: Any) -> bool:
    """Whether the scorer reads probabilities and can be told all labels."""
    if "labels" not in inspect.signature(scorer._score_func).parameters:
        return False
    response = getattr(scorer, "_response_method", "predict")
    return "predict_proba" in (response if isinstance(response, tuple) else [response])


def neg_log_loss(y_true, proba, sample_weight=None):
    """Return the mean log probability of each row's class, a column number."""
    return _mean_log(y_true, _own_probability(y_true, proba), sample_weight)


def _own_probability(y_true, proba):
    total = proba.sum(axis=1, dtype=np.float64)
    return proba[np.arange(len(y_true)), y_true].astype(np.float64) / total


def _mean_log(y_true, own, sample_weight):
    return np.average(np.log(np.clip(own, TINY, 1.0)), weights=sample_weight)


def _positive_probability(y_true, proba):
    return proba[:, 1]


def _roc_auc(y_true, score, sample_weight):
    positive = y_true == 1
    if sample_weight is None:
        return _share_above(np.sort(score[positive]), np.sort(score[~positive]))
    order, group = np.unique(score, return_inverse=True)
    weight_positive = np.bincount(group, sample_weight * positive, len(order))
    weight_negative = np.bincount(group, sample_weight * ~positive, len(order))
    below = np.cumsum(weight_negative) - weight_negative
    total = weight_positive.sum() * weight_negative.sum()
    if total == 0:
        return np.nan
    return (weight_positive * (below + weight_negative / 2)).sum() / total


def _share_above(positive, negative):
    """Return the share of pairs of sorted scores that are in order; ties count half."""
    if min(len(positive), len(negative)) == 0:
        return np.nan
    if len(positive) > len(negative):  # the fewer are looked up
        return 1.0 - _share_above(negative, positive)
    below = np.searchsorted(negative, positive, "left").sum()
    not_above = np.searchsorted(negative, positive, "right").sum()
    return (below + not_above) / (2.0 * len(positive) * len(negative))


def _accuracy(y_true, proba, sample_weight):
    return np.average(proba.argmax(axis=1) == y_true, weights=sample_weight)


def _neg_mean_squared_error(y_true, prediction, sample_weight):
    error = np.asarray(y_true, np.float64) - prediction
    return -np.average(error * error, weights=sample_weight)


def neg_root_mean_squared_error(y_true, prediction, sample_weight=None):
    """Return the root of the mean squared error, negated."""
    return -np.sqrt(-_neg_mean_squared_error(y_true, prediction, sample_weight))


def _neg_mean_absolute_error(y_true, prediction, sample_weight):
    error = np.abs(np.asarray(y_true, np.float64) - prediction)
    return -np.average(error, weights=sample_weight)


# The ensemble scores thousands of mixtures.
_FAST: dict[str, Fast] = {
    "neg_log_loss": Fast(_mean_log, _own_probability),
    "roc_auc": Fast(_roc_auc, _positive_probability),
    "accuracy": Fast(_accuracy),
    "neg_mean_squared_error": Fast(_neg_mean_squared_error),
    "neg_root_mean_squared_error": Fast(neg_root_mean_squared_error),
    "neg_mean_absolute_error": Fast(_neg_mean_absolute_error),
}
_OF_CLASSES = ("neg_log_loss", "roc_auc", "accuracy")
_OF_SQUARES = ("neg_mean_squared_error", "neg_root_mean_squared_error", "r2")
