"""Classifiers and regressors: target, loss and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call

from automodel.nets._estimator import TabularNet
from automodel.nets._targets import (
    DEVIANCES,
    ClassTarget,
    NumberTarget,
    PositiveTarget,
    ValueTarget,
    learn_classes,
)

VALUE_LOSSES = {"squared_error", "absolute_error", "huber", "quantile", *DEVIANCES}


@dataclass(kw_only=True, eq=False, repr=False)
class ClassifierTask(ClassifierMixin):
    """Target, loss and predictions of a net with one output per class or label."""

    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weight: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "loss": [StrOptions({"cross_entropy", "focal"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def _learn_target(self, y, weight):
        self.target_ = learn_classes(y, weight)
        self.classes_ = self.target_.classes
        return self.target_.encode(y)

    def _encode_target(self, y):
        return self.target_.encode(np.asarray(y))

    def _weigh(self, y, weight):
        if self.class_weight is None:
            return weight
        y = np.asarray(y)
        if weight is None:
            return compute_sample_weight(self.class_weight, y)
        # Rows of weight zero do not count for the balance.
        counted, weighed = weight > 0, np.zeros(len(weight))
        weighed[counted] = compute_sample_weight(self.class_weight, y[counted])
        return weighed * weight

    def _objective(self):
        from automodel.nets._objective import classifier_objective

        return classifier_objective(
            self.loss, self.label_smoothing, self.target_.is_multilabel
        )

    def _answers(self, X):
        """Return probabilities."""
        return self.target_.probabilities(self._outputs(X))

    def predict_proba(self, X):
        """Return the probability of each class or label.

        Parameters
        ----------
        X : array-like of n_samples rows
            The rows, as `fit` takes them.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`. Rows sum to one, but not those of several labels.
        """
        return self._answers(self._checked_again(X))

    def predict(self, X):
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like of n_samples rows
            The rows, as `fit` takes them.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Classes, or 1 for each label that is more probable than not.
        """
        proba = self.predict_proba(X)
        return self.target_.decode(proba)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class ClassifierNet(ClassifierTask, TabularNet):
    """A single net that classifies."""

    _parameter_constraints: ClassVar[dict] = {
        **TabularNet._parameter_constraints,
        **ClassifierTask._parameter_constraints,
    }

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on some rows, at a constant learning rate.

        The first call sets the scales and categories of the columns. The optimizer
        remembers earlier calls, but not over a pickle or a change of parameters.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, as for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes or labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that there will be; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The net.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once. Give partial_fit a "
                "dict, such as from sklearn.utils.compute_class_weight."
            )
        _check_partial_fit_first_call(self, classes)
        return self._partial_fit(X, y, sample_weight)

    def _first_target(self, y, weight):
        target = learn_classes(y, weight)
        if target.is_multilabel and target.n_outputs != len(self.classes_):
            raise ValueError(
                f"`classes` names {len(self.classes_)} labels, and y has "
                f"{target.n_outputs} columns."
            )
        self.target_ = target if target.is_multilabel else ClassTarget(self.classes_)
        return self.target_.encode(y)

    def _continue_target(self, y, weight):
        target = self.target_.encode(y)
        self.target_.widen(y if weight is None else y[weight > 0])
        return target


@dataclass(kw_only=True, eq=False, repr=False)
class RegressorTask(RegressorMixin):
    """Target, loss and predictions of a net with one output per number."""

    loss: str = "squared_error"
    quantile: float = 0.5
    power: float = 1.5

    _parameter_constraints: ClassVar[dict] = {
        "loss": [StrOptions(VALUE_LOSSES)],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "power": [Interval(Real, 1, 2, closed="neither")],
    }

    @property
    def _target_kind(self) -> type[NumberTarget]:
        return PositiveTarget if self.loss in DEVIANCES else ValueTarget

    def _check_target(self, y):
        if self.loss in DEVIANCES:
            PositiveTarget.check(y, self.loss)

    def _learn_target(self, y, weight):
        self.target_ = self._target_kind.learn(y, weight)
        return self.target_.encode(y)

    def _encode_target(self, y):
        return self.target_.encode(np.asarray(y))

    def _objective(self):
        from automodel.nets._objective import regressor_objective

        return regressor_objective(self.loss, self.quantile, self.power)

    def _answers(self, X):
        """Return values."""
        return self.target_.decode(self._outputs(X))

    def predict(self, X):
        """Return the predicted value of each row, within the range seen in training.

        Parameters
        ----------
        X : array-like of n_samples rows
            The rows, as `fit` takes them.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Values.
        """
        return self._answers(self._checked_again(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class RegressorNet(RegressorTask, TabularNet):
    """A single net that predicts numbers."""

    _parameter_constraints: ClassVar[dict] = {
        **TabularNet._parameter_constraints,
        **RegressorTask._parameter_constraints,
    }

    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch on some rows, at a constant learning rate.

        The first call sets the scales of columns and target. The optimizer remembers
        earlier calls, but not over a pickle or a change of parameters.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows, as for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The net.
        """
        return self._partial_fit(X, y, sample_weight)

    def _continue_target(self, y, weight):
        if not isinstance(self.target_, self._target_kind):
            raise ValueError(
                f"A net cannot go on with loss={self.loss!r} from weights of a loss of "
                "another kind: some losses learn a value, others the logarithm of a "
                "mean. Fit a new one, such as `clone(net)`."
            )
        target = self.target_.encode(y)
        self.target_.widen(y if weight is None else y[weight > 0])
        return target
