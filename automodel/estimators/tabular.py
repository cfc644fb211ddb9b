"""AutoClassifier and AutoRegressor: the public estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from automodel.estimators.base import AutoEstimator
from automodel.estimators.checks import check_X
from automodel.preprocessing.reader import TableReader
from automodel.targets.base import Target
from automodel.targets.checks import column_names, has_several_columns
from automodel.targets.classes import ClassTarget
from automodel.targets.decoded import classes_of_labels
from automodel.targets.labels import LabelsTarget
from automodel.targets.several_values import ValuesTarget
from automodel.targets.values import ValueTarget


class TabularEstimator(AutoEstimator):
    """What the estimators of tables share."""

    _modality = "tabular"

    _check_X = check_X
    _reader_class = TableReader
    _target_of_column: type[Any]  # the class of the target of one column of y
    _target_of_columns: type[Any]  # and of several

    def _check_y(self, y: Any) -> np.ndarray:
        self.__dict__.pop("target_names_", None)  # of a fit to another y
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class AutoClassifier(ClassifierMixin, TabularEstimator):
    """Search for classifiers within a time budget, and combine the best.

    Parameters
    ----------
    families : list of str or ModelFamily, default=None
        Kinds of models to try; None for all that are installed, but for those that
        are tried only where they are named. ``automodel.families.all_families()``
        lists the names.
    scoring : str or callable, default=None
        What is selected for: a scorer of scikit-learn. None is "neg_log_loss", the
        mean over the labels where y is a multilabel indicator. A regressor also learns
        by it, see the user guide.
    cv : int, splitter or iterable, default=None
        How candidates are compared. None chooses from the size of the data: five
        folds, repeated when small, one holdout when large.
    time_budget : float, default=300.0
        Seconds for the whole of `fit`, a hard limit; None for no limit.
    n_trials : int, default=None
        Trials to run; None for no limit. With ``time_budget=None`` a fit repeats
        exactly for one `random_state`.
    sampler : optuna.samplers.BaseSampler or callable, default=None
        Proposes parameters; copied for each family. A callable maps a seed to a new
        sampler. None is Optuna's TPE.
    pruner : optuna.pruners.BasePruner, default=None
        Stops bad trials early. The steps it sees are numbered by reports, 16 a fold.
    ensemble_size : int, default=25
        Steps of the greedy ensemble selection; 1 for the best single model, whose
        probabilities are calibrated.
    refit : bool or "auto", default="auto"
        Whether members are fitted again on all rows, or the models of the folds are
        averaged. "auto" refits, the heaviest members first, as far as the time goes.
    storage : str, Path or SharedStorage, default=None
        A folder that keeps the search, so that a later `fit` with the same data goes
        on where this one ends, also after a kill, and several processes share it; or
        a database with a folder. None keeps it in memory and writes nothing.
    study_name : str, default=None
        Name of the search within the storage; None is "automodel".
    memory_limit : int or str, default=None
        Resident memory of a worker process, in bytes or as in "4GB". A trial above it
        fails. With it trials run in a process of their own also when ``n_jobs=1``.
    callbacks : list of callable, default=()
        Called as ``callback(study, trial)`` after each trial; ``study.stop()`` ends
        the search.
    n_jobs : int, default=None
        Trials at a time, each with one thread: in processes, or in the joblib
        backend that ``parallel_config`` makes active.
    random_state : int, RandomState or None, default=None
        Seed of splits, samplers and models.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_labels, 2)
        The labels; of a multilabel indicator 0 and 1 for each of its columns.
    ensemble_ : FittedEnsemble
        Members with their weights.
    best_estimator_ : Pipeline
        The best single model, fitted.
    best_score_ : float
        Out-of-fold score of the ensemble.
    expected_score_ : float
        The same, on validation folds that had no part in choosing the ensemble.
    metric_name_ : str
        Name of the score.
    decision_weights_ : ndarray of shape (n_classes,)
        `predict` answers with the class of the largest weighted probability. All are 1
        unless `scoring` is a score of labels, such as "f1" or "balanced_accuracy":
        then they are chosen on out-of-fold predictions. For two classes the second is
        predicted where its probability is above
        ``decision_weights_[0] / decision_weights_.sum()``.
    decision_thresholds_ : ndarray of shape (n_labels,)
        Of a multilabel indicator, in place of `decision_weights_`: `predict` gives a
        row the labels whose probabilities are above them. All are 0.5 unless `scoring`
        is a score of labels, such as "f1_macro": then they are chosen on out-of-fold
        predictions.
    leaderboard_, failures_ : DataFrame
        All trials, best first, and those that failed.
    studies_ : dict of str to list of optuna.trial.FrozenTrial
        Trials of each family.
    fit_report_ : dict of str to float
        Seconds of each stage.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when X has string names.
    target_names_ : ndarray of shape (n_outputs,)
        Names of the columns of y, when y is a data frame of several columns.

    See Also
    --------
    AutoRegressor : The same for numeric targets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from automodel import AutoClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> search = AutoClassifier(
    ...     families=["linear"], n_trials=2, time_budget=None, random_state=0
    ... )
    >>> search.fit(X, y).predict(X[:2])
    array([0, 0])
    """

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
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to 1. For a multilabel
            indicator the probability of each label, and no such sum.
        """
        proba = self._predict_outputs(X)
        return self._target.probabilities(proba)

    def predict(self, X):
        """Predict the class, by default the most probable one, or all labels of a row.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, of the type that `fit` got, or an indicator matrix of them.
        """
        proba = self.predict_proba(X)
        is_of_labels = self._target.classes is None
        decision = self.decision_thresholds_ if is_of_labels else self.decision_weights_
        return self._target.decode(proba, decision)


class AutoRegressor(RegressorMixin, TabularEstimator):
    """Search for regressors within a time budget, and combine the best.

    The parameters and attributes are those of `AutoClassifier`, apart from `classes_`,
    `decision_weights_` and `decision_thresholds_`. ``scoring=None`` is
    "neg_root_mean_squared_error". If y has several columns, it is the mean of their
    root mean squared errors, each in units of the standard deviation of its column.

    See Also
    --------
    AutoClassifier : The same for labels, with all parameters explained.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from automodel import AutoRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = AutoRegressor(
    ...     families=["linear"], n_trials=2, time_budget=None, random_state=0
    ... )
    >>> search.fit(X, y).predict(X[:2]).shape
    (2,)
    """

    _target_of_column = ValueTarget
    _target_of_columns = ValuesTarget

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values.
        """
        values = self._predict_outputs(X)
        return self._target.decode(values)
