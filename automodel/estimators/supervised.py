"""What the estimators of classes and of values share, whatever X is."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from automodel.estimators.base import AutoEstimator
from automodel.estimators.importance import ImportanceMixin
from automodel.estimators.uncertainty import IntervalMixin, SetMixin
from automodel.targets.base import Target
from automodel.targets.checks import column_names, has_several_columns
from automodel.targets.classes import ClassTarget
from automodel.targets.decoded import classes_of_labels
from automodel.targets.labels import LabelsTarget
from automodel.targets.several_values import ValuesTarget
from automodel.targets.values import ValueTarget


class SupervisedEstimator(ImportanceMixin, AutoEstimator):
    """Base class of the estimators whose y has one column or several."""

    _target_of_column: type[Any]  # the class of the target if y has one column
    _target_of_columns: type[Any]  # the class if y has several columns

    def _check_y(self, y: Any) -> np.ndarray:
        self.__dict__.pop("target_names_", None)  # of an earlier fit
        if not has_several_columns(y):
            return self._target_of_column.check(y)
        names = column_names(y)
        if names is not None:
            self.target_names_ = names
        return self._target_of_columns.check(y)

    def _target_of(self, y: np.ndarray, sample_weight: np.ndarray | None) -> Target:
        several = self._target_of_columns
        target = several if y.ndim == 2 else self._target_of_column
        return target.of(y, sample_weight)


class SupervisedClassifier(ClassifierMixin, SetMixin, SupervisedEstimator):
    """Base class of the estimators of classes and labels."""

    _target_of_column = ClassTarget
    _target_of_columns = LabelsTarget

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _keep_prepared(self, prepared):
        super()._keep_prepared(prepared)
        classes, n_outputs = self._target.classes, self._target.n_outputs
        self.classes_ = classes_of_labels(n_outputs) if classes is None else classes

    def _keep_trained(self, trained):
        super()._keep_trained(trained)
        self.__dict__.pop("decision_weights_", None)
        self.__dict__.pop("decision_thresholds_", None)
        equal, chosen = np.ones(len(self.classes_)), trained.decision_weights
        if self._target.classes is None:
            self.decision_thresholds_ = 0.5 * equal if chosen is None else chosen
        else:
            self.decision_weights_ = equal if chosen is None else chosen

    def predict_proba(self, X):
        """Predict the probabilities of the classes or labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities of the classes in the order of `classes_`, which sum to 1 in
            each row. For a multilabel indicator, the probability of each label.
        """
        proba = self._predict_outputs(X)
        return self._target.probabilities(proba)

    def predict(self, X):
        """Predict the class or the labels of each row.

        The class is the most probable one, unless `decision_weights_` says otherwise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels of the type that `fit` got, or a multilabel indicator.
        """
        proba = self.predict_proba(X)
        return self._target.decode(proba, self._decision())

    def _decision(self) -> np.ndarray:
        """Return what turns probabilities into classes or labels."""
        is_of_labels = self._target.classes is None
        return self.decision_thresholds_ if is_of_labels else self.decision_weights_


class SupervisedRegressor(RegressorMixin, IntervalMixin, SupervisedEstimator):
    """Base class of the estimators of values."""

    _target_of_column = ValueTarget
    _target_of_columns = ValuesTarget

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X):
        """Predict the target of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values.
        """
        values = self._predict_outputs(X)
        return self._target.decode(values)
