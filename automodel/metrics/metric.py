"""Metric: applies a scikit-learn scorer to pooled predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.metrics.box_scores import BOX_SCORERS, fast_score_of_boxes
from automodel.metrics.confusion import (
    AtBestThreshold,
    AtLikeliest,
    ScoreOfConfusion,
    confusion_of,
    formula_of,
    needs_threshold,
)
from automodel.metrics.fast_scores import (
    FAST_SCORES,
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
from automodel.metrics.pooled_scorer import PooledScorer
from automodel.metrics.scorers import known_name, name_of, scorer_named
from automodel.metrics.threshold import weights_of_labels
from automodel.quiet import no_warnings
from automodel.targets.base import Target, averaged

OWN_SCORERS = {"boxes": BOX_SCORERS}  # that scikit-learn does not have


@dataclass(frozen=True)
class Metric:
    """Scores pooled predictions of a target. Greater is better.

    Parameters
    ----------
    name : str
        Name of the scorer, or of the callable.
    scorer : callable
        A scorer of scikit-learn, or any callable `scorer(estimator, X, y)`.
    target : Target
        What is scored. y and predictions are given as the target encodes them.
    formula : callable, default=None
        The score of a confusion matrix, or the `LabelFormula` of a score of several
        labels. If there is one, the score of probabilities of two classes or of several
        labels is the one at the best threshold.
    """

    name: str
    scorer: Any
    target: Target
    formula: Any = field(default=None, repr=False)
    _fast: Fast | None = field(default=None, repr=False)

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
            None stands for the default of the target.
        target : Target
            What is scored. The target of the metric is a copy whose objective follows
            from the score.
        y : array-like of shape (n_samples,), default=None
            The checked y of the user, which sets the limits of predictions.
        sample_weight : ndarray of shape (n_samples,), default=None
            Rows of weight zero are ignored.

        Raises
        ------
        ValueError
            If there is no scorer of this name, the scorer does not fit the target, or a
            value of y is outside the domain of the score.
        """
        scoring = target.default_scoring if scoring is None else scoring
        if isinstance(scoring, str):
            own = OWN_SCORERS.get(target.scored_as, {})
            scorer, name = scorer_named(scoring, own), scoring
        else:
            scorer, name = scoring, name_of(scoring)
        counted = None if sample_weight is None else sample_weight > 0
        target = target.learning(objective_of(scorer), y, name, counted)
        scorer, formula, fast = _FORMS.get(target.scored_as, _of_any)(scorer, target)
        return cls(name, scorer, target, formula, fast)

    def of_column(self, column: int) -> Metric | None:
        """Return the metric of one column, or None if the score is not their mean."""
        if self._fast is None or not self._fast.is_mean_of_columns:
            return None
        target = averaged(self.target).column(column)
        return replace(self, target=target, _fast=self._fast.of_column(column))

    @property
    def classes(self) -> np.ndarray | None:
        """The classes of the user, in the order of the columns of a prediction."""
        return self.target.classes

    @property
    def is_fast(self) -> bool:
        """Whether the score is computed without the scorer."""
        return self._fast is not None

    @property
    def is_own_loss(self) -> bool:
        """Whether the score is best where the mean loss of the objective is least."""
        if self.classes is not None or not is_own_loss(self.scorer):
            return False
        return self.target.scored_as != "values" or scores_columns_alike(self.scorer)

    @property
    def needs_threshold(self) -> bool:
        """Whether the score may be better with other labels than the likeliest."""
        if not self._pooled.takes_weight:
            return False
        if self.classes is None:
            return self.formula is not None
        return needs_threshold(self.scorer)

    @cached_property
    def _pooled(self) -> PooledScorer:
        return PooledScorer(self.scorer, self.target)

    def score(
        self,
        y_true: np.ndarray,
        prediction: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score predictions.

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
        """Return the part of a prediction that decides the score.

        For the log loss, this is the probability of the class of each row. The part of
        a mean of predictions is the mean of their parts, so that an ensemble can score
        many mixtures at little cost.
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
        """Score what `decisive` has returned, or the mean of several such parts."""
        score = self._pooled if self._fast is None else self._fast.score
        return float(score(y_true, decisive, sample_weight))

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
        """Choose how predictions become answers, on out-of-fold predictions.

        Parameters
        ----------
        y_true : sequence of length n_samples
            Encoded by the target.
        prediction : ndarray of shape (n_samples, n_outputs)
            Out-of-fold predictions; rows of NaN are ignored.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.
        groups : ndarray of shape (n_samples,), default=None
            Rows of one group are drawn together.
        deadline : Deadline, default=NO_DEADLINE
            Moment at which the search for a better choice ends.
        random_state : int, default=0
            Seed of the bootstraps.

        Returns
        -------
        ndarray or None
            The weights of the classes or the thresholds of the labels, as
            `Target.decode` takes them. None if the score does not need any.
        """
        if not self.needs_threshold:
            return None
        choose: Callable[..., np.ndarray]
        if self.classes is None:
            choose = partial(thresholds_of_labels, self.formula)
        else:
            formula = self.formula or ScoreOfConfusion(self.scorer, self.classes)
            choose = partial(weights_of_labels, formula)
        return choose(
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
        """Score answers that `Target.decided` has returned."""
        part = self.decisive_of_decided(decided)
        return self.score_decisive_of_decided(y_true, part, sample_weight)

    def decisive_of_decided(self, decided: Any) -> Any:
        """Return the part of answers that decides their score, such as class numbers.

        It makes the scores of many bootstraps cheap where there are many classes.
        """
        return decided.argmax(axis=1) if self._is_of_confusion else decided

    def score_decisive_of_decided(
        self,
        y_true: Any,
        decisive: Any,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Score what `decisive_of_decided` has returned."""
        if self._is_of_confusion:
            n_classes = self.target.n_outputs
            confusion = confusion_of(y_true, decisive, n_classes, sample_weight)
            return float(self.formula(confusion))
        score = self._pooled if self.formula is None else self.formula
        return float(score(y_true, decisive, sample_weight))

    @property
    def _is_of_confusion(self) -> bool:
        return self.formula is not None and self.classes is not None

    def check(
        self, y_true: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> None:
        """Check that predictions for this target can be scored.

        Parameters
        ----------
        y_true : sequence of length n_samples
            Encoded by the target.
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights of the rows.

        Raises
        ------
        ValueError
            If the scorer does not fit the target.
        """
        kind = self.target.kind if self.classes is None else "classification"
        prediction = self.target.sample(y_true)
        with no_warnings():
            try:
                float(self._pooled(y_true, prediction, sample_weight))
                score = self.score(y_true, prediction, sample_weight)
                if math.isnan(score) and self.target.scored_as == "labels":
                    raise ValueError("it is NaN for labels that have one value only.")
            except Exception as error:  # a scorer of the user may raise anything
                raise ValueError(
                    f"scoring={self.name!r} cannot score this {kind} target: {error} "
                    f"Use a scorer that fits the target, such as "
                    f"{_name_of_default(self.target)}."
                ) from error


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


def _of_boxes(scorer: Any, target: Target) -> Forms:
    return scorer, None, fast_score_of_boxes(scorer)


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
    "boxes": _of_boxes,
    "classes": _of_classes,
    "labels": _of_labels,
    "value": _of_value,
    "values": _of_values,
}
