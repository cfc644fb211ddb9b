"""Metric: one adapter between a scikit-learn scorer and pooled predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from automodel.clock import NO_DEADLINE, Deadline
from automodel.metrics.confusion import (
    AtBestThreshold,
    AtLikeliest,
    confusion_of,
    formula_of,
    needs_threshold,
)
from automodel.metrics.fast_scores import (
    FAST_SCORES,
    TINY,
    Fast,
    fast_score_of_columns,
    fast_score_of_values,
    positive_probability,
)
from automodel.metrics.labels import (
    forms_of_labels,
    scorer_of_labels,
    thresholds_of_labels,
)
from automodel.metrics.objectives import (
    is_own_loss,
    objective_of,
    scores_columns_alike,
)
from automodel.metrics.scorers import (
    ScorerParts,
    known_name,
    name_of,
    parts_of,
    scorer_named,
    takes,
)
from automodel.metrics.threshold import weights_of_labels
from automodel.quiet import no_warnings
from automodel.targets.base import Target, averaged


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
    target : Target
        What is scored; targets and predictions come as it encodes them.
    formula : callable, default=None
        The score of a confusion matrix, or of an indicator matrix of labels. The score
        of two classes, or of labels, is then that of the best threshold.
    """

    name: str
    scorer: Any
    target: Target
    formula: Any = field(default=None, repr=False)
    _fast: Fast | None = field(default=None, repr=False)
    _takes_weight: bool = True

    @classmethod
    def from_scoring(
        cls,
        scoring: Any,
        target: Target,
        y: Any = None,
        sample_weight: np.ndarray | None = None,
    ) -> Metric:
        """Build the metric of a `scoring` parameter.

        Parameters
        ----------
        scoring : str, callable or None
            None is the default of the target.
        target : Target
            What is scored. The metric has the one whose models learn what it asks for.
        y : array-like of shape (n_samples,), default=None
            As the user gave it, checked; it sets the limits of predictions.
        sample_weight : ndarray of shape (n_samples,), default=None
            Rows of weight zero set no limits.

        Raises
        ------
        ValueError
            If the name is unknown, the scorer is for the other kind of task, or a value
            of y is outside the domain of the score.
        """
        scoring = target.default_scoring if scoring is None else scoring
        if isinstance(scoring, str):
            scorer, name = scorer_named(scoring), scoring
        else:
            scorer, name = scoring, name_of(scoring)
        counted = None if sample_weight is None else sample_weight > 0
        target = target.learning(objective_of(scorer), y, name, counted)
        scorer, formula, fast = _FORMS.get(target.scored_as, _of_any)(scorer, target)
        return cls(name, scorer, target, formula, fast, takes(scorer, "sample_weight"))

    def of_column(self, column: int) -> Metric | None:
        """Return the score of one column; None unless the score is their mean."""
        if self._fast is None or not self._fast.is_mean_of_columns:
            return None
        target = averaged(self.target).column(column)
        return replace(self, target=target, _fast=self._fast.of_column(column))

    @property
    def classes(self) -> np.ndarray | None:
        """The labels of the user, in the order of the columns of a prediction."""
        return self.target.classes

    @property
    def is_own_loss(self) -> bool:
        """Whether it is best where the mean loss of values is least."""
        if self.classes is not None or not is_own_loss(self.scorer):
            return False
        return self.target.scored_as != "values" or scores_columns_alike(self.scorer)

    @property
    def needs_threshold(self) -> bool:
        """Whether it scores labels, and other labels than the likeliest may be best."""
        if not self._takes_weight:
            return False
        if self.classes is None:
            return self.formula is not None
        return needs_threshold(self.scorer)

    @cached_property
    def _parts(self) -> ScorerParts | None:
        return parts_of(self.scorer)

    @cached_property
    def _takes_labels(self) -> bool:
        """Whether it reads probabilities and can be told all labels."""
        parts = self._parts
        return bool(
            parts and parts.reads_probabilities and takes(self.scorer, "labels")
        )

    def score(
        self,
        y_true: np.ndarray,
        prediction: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score a prediction.

        Parameters
        ----------
        y_true : sequence of length n_samples
            Encoded by the target.
        prediction : ndarray of shape (n_samples, n_outputs)
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
        objective = self.target.objective
        if objective.decodes:
            prediction = np.clip(prediction, *objective.limits)
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
        parts, labels = self._parts, np.asarray(self.classes)
        assert parts is not None  # only of scores that need a threshold
        return parts.sign * parts.function(
            labels[truth],
            labels[answer],
            sample_weight=confusion[truth, answer],
            **parts.options,
        )

    def choose_decision(
        self,
        y_true: Any,
        prediction: Any,
        sample_weight: np.ndarray | None = None,
        *,
        groups: np.ndarray | None = None,
        deadline: Deadline = NO_DEADLINE,
        random_state: int = 0,
    ) -> np.ndarray | None:
        """Choose by what predictions become answers, on out-of-fold predictions.

        Parameters
        ----------
        y_true : sequence of length n_samples
            Encoded by the target.
        prediction : ndarray of shape (n_samples, n_outputs)
            Out of fold; rows of NaN are left out.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.
        groups : ndarray of shape (n_samples,), default=None
            Rows of one group are drawn together.
        deadline : Deadline, default=NO_DEADLINE
            Moment at which the choice ends with what it has.
        random_state : int, default=0
            Seed of what is drawn.

        Returns
        -------
        ndarray or None
            What `Target.decode` takes; None where the likeliest answer is scored, or
            no answer at all.
        """
        if not self.needs_threshold:
            return None
        choose = thresholds_of_labels if self.classes is None else weights_of_labels
        return choose(
            self,
            y_true,
            prediction,
            sample_weight,
            groups=groups,
            deadline=deadline,
            random_state=random_state,
        )

    def score_decided(
        self,
        y_true: Any,
        decided: Any,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score predictions that `Target.decided` has returned."""
        if self.classes is None:
            assert self.formula is not None  # only of scores that need a threshold
            return float(self.formula(y_true, decided, sample_weight))
        return self.score_labels(y_true, decided.argmax(axis=1), sample_weight)

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
        y_true : sequence of length n_samples
            Encoded by the target.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.

        Raises
        ------
        ValueError
            If the scorer is for the other kind of task, or not for these labels.
        """
        kind = self.target.kind if self.classes is None else "classification"
        prediction = self.target.sample(y_true)
        with no_warnings():
            try:
                float(self._call_scorer(y_true, prediction, sample_weight))
                score = self.score(y_true, prediction, sample_weight)
                if math.isnan(score) and self.target.scored_as == "labels":
                    raise ValueError("it is NaN for labels that have one value only.")
            except Exception as error:  # a scorer of the user may raise anything
                raise ValueError(
                    f"scoring={self.name!r} cannot score this {kind} target: {error} "
                    f"Use a scorer that fits the target, such as "
                    f"{_name_of_default(self.target)}."
                ) from error

    def _call_scorer(self, y_true, prediction, sample_weight):
        weight = {}
        if sample_weight is not None and self._takes_weight:
            weight = {"sample_weight": sample_weight}
        truth, parts = self.target.restore(y_true), self._parts
        if self.classes is None:
            return self._call(self.target.answers(prediction), truth, weight)
        proba = prediction.astype(np.float64)
        proba = proba / proba.sum(axis=1, keepdims=True)
        if len(self.classes) == 2 or parts is None or not self._takes_labels:
            return self._call(self.target.answers(proba), truth, weight)
        known = np.arange(len(self.classes))
        if parts.function is roc_auc_score:  # there is none of a class without rows
            known = np.unique(y_true)
        proba = proba[:, known] + TINY
        proba /= proba.sum(axis=1, keepdims=True)
        options = {"labels": self.classes[known], **parts.options, **weight}
        return parts.sign * parts.function(truth, proba, **options)

    def _call(self, answers, y, weight):
        return self.scorer(answers, np.arange(len(y)).reshape(-1, 1), y, **weight)


def _name_of_default(target: Target) -> str:
    default = target.default_scoring
    return repr(default) if isinstance(default, str) else "scoring=None"


Forms = tuple[Any, Any, Fast | None]  # a scorer, its formula and its fast form


def _of_any(scorer: Any, target: Target) -> Forms:
    return scorer, None, None


def _of_value(scorer: Any, target: Target) -> Forms:
    return scorer, None, fast_score_of_values(scorer)


def _of_values(scorer: Any, target: Target) -> Forms:
    return scorer, None, fast_score_of_columns(scorer, target)


def _of_labels(scorer: Any, target: Target) -> Forms:
    scorer = scorer_of_labels(scorer)
    return scorer, *forms_of_labels(scorer)


def _of_classes(scorer: Any, target: Target) -> Forms:
    known = known_name(scorer)
    if known == "roc_auc" and target.kind == "multiclass":
        raise ValueError(
            f"scoring='roc_auc' is for two classes, and y has {target.n_outputs}. "
            "Use 'roc_auc_ovr', 'roc_auc_ovo' or 'neg_log_loss'."
        )
    formula = formula_of(scorer, target.classes)
    if formula is None:
        return scorer, None, None if known is None else FAST_SCORES.get(known)
    if target.kind == "binary":
        return scorer, formula, Fast(AtBestThreshold(formula), positive_probability)
    return scorer, formula, Fast(AtLikeliest(formula))


_FORMS = {
    "classes": _of_classes,
    "labels": _of_labels,
    "value": _of_value,
    "values": _of_values,
}
