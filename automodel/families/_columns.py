"""One model for each column of a target of several columns.

This module is for libraries that learn one column at a time: a family wraps its
estimator by `one_per_column`, and its `fit` by `by_column`. If a library learns several
columns at once, but fails on columns with a single value, a family wraps `fit` by
`without_constants`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import DeadlineReached
from automodel.families.base import ModelFamily
from automodel.monitor import SLOTS_PER_FOLD, Monitor, Steps

if TYPE_CHECKING:
    from automodel.task import Task

SEVERAL_COLUMNS = ("multilabel", "multioutput")
ALL_TASKS = (*ModelFamily.tasks, *SEVERAL_COLUMNS)
FIRST_SLOT = 6  # of the reports; pruners consider earlier slots as the first few rounds
MOST_SECONDS_LATE = 1.0  # that columns may take once time is up


class ColumnsEstimator(BaseEstimator):
    """Fit a clone of an estimator to each column.

    It also has the parameters of the estimator, so that the parameters of a trial are
    the same for one column and for several.

    Parameters
    ----------
    estimator : estimator
        Estimator that learns one column.

    Attributes
    ----------
    estimators_ : list
        Fitted model of each column; a constant if the column has a single value.
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def get_params(self, deep=True):
        """Return the estimator, and its parameters if `deep`."""
        own = super().get_params(deep=False)
        return self.estimator.get_params() | own if deep else own

    def set_params(self, **params):
        """Set the estimator or parameters of it."""
        self.estimator = params.pop("estimator", self.estimator)
        self.estimator.set_params(**params)
        return self

    def fit(self, X, y, sample_weight=None):
        """Fit a model to each column.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples, n_columns)
            Numbers or labels of the rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimators_ = [
            constant_of(column) or clone(self.estimator).fit(X, column, **weights)
            for column in np.asarray(y).T
        ]
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class ColumnsRegressor(RegressorMixin, ColumnsEstimator):
    """Fit one regressor to each column.

    Parameters
    ----------
    estimator : estimator
        Regressor that learns one column.

    Attributes
    ----------
    estimators_ : list
        Fitted regressor of each column.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from automodel.families._columns import ColumnsRegressor
    >>> X, y = [[0], [1], [2]], [[0, 5], [1, 4], [2, 3]]
    >>> ColumnsRegressor(Ridge(alpha=0)).fit(X, y).predict([[3]]).round(3)
    array([[3., 2.]])
    """

    def predict(self, X):
        """Return an array of shape (n_samples, n_columns)."""
        check_is_fitted(self)
        return np.column_stack([model.predict(X) for model in self.estimators_])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class ColumnsClassifier(ClassifierMixin, ColumnsEstimator):
    """Fit one classifier to each label of a multilabel indicator.

    Parameters
    ----------
    estimator : estimator
        Classifier that learns one label.

    Attributes
    ----------
    estimators_ : list
        Fitted classifier of each label.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from automodel.families._columns import ColumnsClassifier
    >>> X, y = [[0], [1], [2]], [[0, 1], [1, 1], [1, 1]]
    >>> ColumnsClassifier(DecisionTreeClassifier()).fit(X, y).predict_proba([[0], [2]])
    array([[0., 1.],
           [1., 1.]])
    """

    def predict_proba(self, X):
        """Return the probability of each label, of shape (n_samples, n_labels)."""
        check_is_fitted(self)
        return np.column_stack(
            [model.predict_proba(X) @ model.classes_ for model in self.estimators_]
        )

    def predict(self, X):
        """Return 1 for each label with a probability above 0.5."""
        return (self.predict_proba(X) > 0.5).astype(int)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class VaryingColumns(BaseEstimator):
    """Predict all columns of a target with a model of the columns that vary.

    This is for libraries that raise an error if a column has a single value.

    Parameters
    ----------
    estimator : estimator
        Fitted model of the columns that vary.
    values : ndarray of shape (n_columns,)
        Value of each column that does not vary; NaN for the others.
    """

    def __init__(self, estimator, values):
        self.estimator = estimator
        self.values = values

    def predict(self, X):
        """Return an array of shape (n_samples, n_columns)."""
        return self._filled(self.estimator.predict(X))

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, X):
        """Return the probability of each label, of shape (n_samples, n_labels)."""
        return self._filled(self.estimator.predict_proba(X))

    def _filled(self, answers) -> np.ndarray:
        filled = np.tile(self.values, (len(answers), 1))
        varies = np.isnan(self.values)
        # For a single label, some libraries also return the probability of its lack.
        columns = np.asarray(answers).reshape(len(answers), -1)
        filled[:, varies] = columns[:, -varies.sum() :]
        return filled


def one_per_column(estimator: BaseEstimator, task: Task) -> BaseEstimator:
    """Wrap the estimator if the target has several columns.

    Parameters
    ----------
    estimator : estimator
        Estimator that learns one column.
    task : Task
        Task with the kind of the target.

    Returns
    -------
    estimator
        The given estimator for a single column. Otherwise an estimator with the same
        parameters that learns all columns.

    Examples
    --------
    >>> from sklearn.linear_model import Lasso
    >>> from automodel.families import one_per_column
    >>> from automodel.task import Task
    >>> one_per_column(Lasso(), Task("multioutput", 100, n_outputs=3))
    ColumnsRegressor(estimator=Lasso())
    """
    if task.kind not in SEVERAL_COLUMNS:
        return estimator
    kind = ColumnsClassifier if task.is_classification else ColumnsRegressor
    return kind(estimator)


def by_column(fit: Callable) -> Callable:
    """Make `fit` of a family train a `ColumnsEstimator` column after column.

    Each column gets its share of the time left, stops early on its own, and chooses its
    own rounds. A trial cannot be pruned within a column, because the other columns are
    not known yet. Between two columns, the mean of the best values so far is reported,
    if the columns have reported values. Models that are trained in one step, and
    quantile forests, report only at the end of the fold.

    Parameters
    ----------
    fit : callable
        `fit` of a family for one column.

    Returns
    -------
    callable
        `fit` of a family for one column or several.

    Raises
    ------
    DeadlineReached
        Raised by the returned `fit` if time is up and the remaining columns would take
        long.

    Examples
    --------
    >>> from automodel.families import ALL_TASKS, TabularFamily, by_column
    >>> class OneByOne(TabularFamily):
    ...     tasks = ALL_TASKS
    ...
    ...     @by_column
    ...     def fit(self, estimator, X, y, *, sample_weight=None, monitor):
    ...         return estimator.fit(X, y)
    """

    @wraps(fit)
    def fit_any(self, estimator, X, y, *, sample_weight=None, monitor):
        options = {"sample_weight": sample_weight}
        if not isinstance(estimator, ColumnsEstimator):
            return fit(self, estimator, X, y, **options, monitor=monitor)
        monitor.check_time()
        models: list[BaseEstimator] = []
        monitors: list[ColumnMonitor] = []
        start, n_columns = monitor.clock.now(), y.shape[1]
        for column in range(n_columns):
            own = ColumnMonitor(monitor, column, n_columns)
            model = constant_of(y[:, column])
            if model is None:
                _check_columns_left(monitor, start, monitors, n_columns)
                own.is_trained = True
                new = clone(estimator.estimator)
                model = fit(self, new, X, y[:, column], **options, monitor=own)
            models.append(model)
            monitors.append(own)
            _report(monitor, monitors, n_columns)
        estimator.estimators_ = models
        _note_steps(monitor, monitors)
        return estimator

    return fit_any


def each_changed(
    estimator: BaseEstimator, change: Callable[[Any], BaseEstimator]
) -> BaseEstimator:
    """Return a fitted estimator of which each model is changed, that of each column."""
    if isinstance(estimator, ColumnsEstimator):
        models = estimator.estimators_
        estimator.estimators_ = [each_changed(model, change) for model in models]
    elif isinstance(estimator, VaryingColumns):
        estimator.estimator = each_changed(estimator.estimator, change)
    else:
        return change(estimator)
    return estimator


def without_constants(fit: Callable) -> Callable:
    """Make `fit` of a family learn only the columns that vary.

    If no column varies, `fit` gets all of them.
    """

    @wraps(fit)
    def fit_any(self, estimator, X, y, *, sample_weight=None, monitor):
        options = {"sample_weight": sample_weight, "monitor": monitor}
        values = values_of(y)
        varies = np.isnan(values)
        if y.ndim == 1 or varies.all() or not varies.any():
            return fit(self, estimator, X, y, **options)
        if monitor.has_validation:
            monitor.y_valid = monitor.y_valid[:, varies]
        return VaryingColumns(fit(self, estimator, X, y[:, varies], **options), values)

    return fit_any


class ColumnMonitor(Monitor):
    """Monitor of one column, which keeps reports for the mean over columns.

    Parameters
    ----------
    whole : Monitor
        Monitor of all columns.
    column : int
        Number of the column.
    n_columns : int
        Number of all columns; this column and the later ones share the time left.
    """

    def __init__(self, whole: Monitor, column: int, n_columns: int):
        valid = None
        if whole.has_validation:
            y_valid = whole.y_valid[:, column]
            valid = whole.X_valid, y_valid, whole.sample_weight_valid
        super().__init__(
            whole.deadline.within(whole.seconds_left / (n_columns - column)),
            n_iterations=steps_of(whole.n_iterations, column),
            valid=valid,
            step_plan=whole.step_plan[column] if whole.step_plan else None,
            groups=whole.groups,
        )
        self.n_columns = n_columns
        self.is_trained = False
        self.best_value = -math.inf

    def check_time(self) -> None:
        """Let the column train at least one step, so that earlier ones are not lost."""

    def report(self, step: int, value: float) -> None:
        """Keep the best value."""
        self.best_value = max(self.best_value, value)


def steps_of(steps: Steps | None, column: int) -> Any:
    """Return the steps of one column; a single number applies to all columns."""
    return steps[column] if isinstance(steps, list) else steps


def values_of(y: np.ndarray) -> np.ndarray:
    """Return the value of each column with a single value; NaN for the others."""
    return np.where((y == y[:1]).all(axis=0), y[0], np.nan)


def constant_of(y: np.ndarray) -> BaseEstimator | None:
    """Return a fitted model of a column with a single value; None for other columns."""
    if (y != y[0]).any():
        return None
    kind = DummyClassifier if y.dtype.kind in "biu" else DummyRegressor
    return kind().fit(np.zeros((len(y), 1)), y)


def _check_columns_left(
    monitor: Monitor, start: float, monitors: Sequence[ColumnMonitor], n_columns: int
) -> None:
    """Raise `DeadlineReached` if time is up and the remaining columns would take long.

    A column that begins too late still trains one step, which may take long.
    """
    n_trained = sum(own.is_trained for own in monitors)
    if n_trained and monitor.expired:
        seconds_per_column = (monitor.clock.now() - start) / n_trained
        if seconds_per_column * (n_columns - len(monitors)) > MOST_SECONDS_LATE:
            raise DeadlineReached


def _report(
    monitor: Monitor, monitors: Sequence[ColumnMonitor], n_columns: int
) -> None:
    """Report the mean of the values so far, at a slot for this share of the columns."""
    end_of_fold = SLOTS_PER_FOLD - 1
    slot = end_of_fold * len(monitors) // n_columns
    values = [own.best_value for own in monitors if own.is_trained]
    if FIRST_SLOT <= slot < end_of_fold and values and np.isfinite(values).all():
        monitor.report(1 << slot, float(np.mean(values)))


def _note_steps(monitor: Monitor, monitors: Sequence[ColumnMonitor]) -> None:
    monitor.steps_used = _joined([own.steps_used for own in monitors])
    monitor.steps_trained = _joined([own.steps_trained for own in monitors])
    monitor.steps_cut = max((own.steps_cut or 0 for own in monitors), default=0) or None
    plans = [own.step_plan_used for own in monitors]
    monitor.step_plan_used = plans if any(plans) else []


def _joined(steps: Sequence[Any]) -> list[int] | None:
    """Return the steps of all columns, 0 for constants; None if none has any."""
    return [n or 0 for n in steps] if any(steps) else None
