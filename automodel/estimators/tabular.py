"""AutoClassifier and AutoRegressor: the public estimators of tables."""

from __future__ import annotations

from automodel.estimators.checks import check_X
from automodel.estimators.supervised import (
    SupervisedClassifier,
    SupervisedEstimator,
    SupervisedRegressor,
)
from automodel.preprocessing.reader import TableReader


class TabularEstimator(SupervisedEstimator):
    """Base class of the estimators of tables."""

    _modality = "tabular"

    _check_X = check_X
    _new_reader = TableReader

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class AutoClassifier(SupervisedClassifier, TabularEstimator):
    """Search for classifiers within a time budget and combine the best.

    Parameters
    ----------
    families : list of str or ModelFamily, default=None
        Families of models to try. None tries all whose libraries are installed, except
        for those that are tried only if they are named.
        ``automodel.families.all_families()`` returns all names.
    scoring : str or callable, default=None
        Scorer of scikit-learn that the search maximises. None is "neg_log_loss", or its
        mean over the labels if y is a multilabel indicator. For regressors, it also
        determines the loss that models learn; see the user guide.
    cv : int, splitter or iterable, default=None
        Splits on which candidates are compared. None chooses them from the size of the
        data: five folds, which are repeated for few rows, or one holdout for many rows.
    time_budget : float, default=300.0
        Hard limit for the whole of `fit`, in seconds; None for no limit.
    n_trials : int, default=None
        Maximum number of trials; None for no limit. With ``time_budget=None``, the
        result of `fit` depends only on the data and on `random_state`.
    sampler : optuna.samplers.BaseSampler or callable, default=None
        Sampler that proposes parameters; each family gets a copy. A callable gets a
        seed and returns a new sampler. None is Optuna's TPE.
    pruner : optuna.pruners.BasePruner, default=None
        Pruner that stops unpromising trials. The steps that it sees count the reports
        of a trial, 16 for each fold. None compares a trial with the best of its family.
    ensemble_size : int, default=25
        Number of steps of the greedy ensemble selection. With 1, the ensemble is the
        best single model, with calibrated probabilities.
    refit : bool or "auto", default="auto"
        Whether members are fitted again on all rows. If False, the models of the folds
        are averaged. "auto" refits the heaviest members first, while there is time.
    prediction_time_limit : float, "auto" or None, default="auto"
        Limit of the seconds that the models of the ensemble take to predict a row,
        among many, as measured by the search. A model that would exceed it is not
        selected. "auto" is 0.00015, or three times what the best single model takes if
        that is more, and no limit if ``time_budget=None``. None is no limit.
    model_size_limit : float, str, "auto" or None, default="auto"
        Limit of the size of the models, in bytes or as in "20MB". A model that would
        exceed it is not selected. "auto" is 24 MiB, or three times the size of the best
        single model if that is more. None is no limit.
    storage : str, Path or SharedStorage, default=None
        Folder that stores the search, or a database with a folder. A later `fit` with
        the same data continues the search, also after it was killed, and several
        processes can share it. None keeps the search in memory.
    study_name : str, default=None
        Name of the search within the storage; None is "automodel".
    memory_limit : int or str, default=None
        Limit of the resident memory of a worker process, in bytes or as in "4GB". A
        trial that exceeds it fails. With a limit, trials run in a worker process even
        if ``n_jobs=1``.
    callbacks : list of callable or Tracker, default=()
        Functions that are called as ``callback(study, trial)`` after each trial;
        ``study.stop()`` ends the search. Trackers show it in MLflow or TensorBoard.
    n_jobs : int, default=None
        Number of trials that run at a time, each with one thread. They run in processes
        that `fit` starts, or in the joblib backend that ``parallel_config`` sets. None
        means 1, and -1 means one trial for each core.
    random_state : int, RandomState or None, default=None
        Seed of splits, samplers and models.
    verbose : int, default=0
        If 1, show a progress bar. If 2, also log a line for each trial, with the level
        INFO and the logger "automodel".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,) or (n_labels, 2)
        Class labels. For a multilabel indicator, 0 and 1 for each of its columns.
    ensemble_ : FittedEnsemble
        Ensemble of fitted members with their weights.
    best_estimator_ : Pipeline
        Best single model, fitted.
    best_score_ : float
        Out-of-fold score of the ensemble, on the rows that chose it.
    expected_score_ : float
        Estimate of the score on new rows, from validation folds that had no part in
        choosing the ensemble. NaN if it could not be computed.
    expected_score_interval_ : tuple of float
        95 % confidence interval of `expected_score_`, NaN if it could not be computed.
    oof_predictions_ : ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities of the rows of `fit`, by ensembles that other rows
        chose; values for a regressor. NaN for rows without such a prediction.
    metric_name_ : str
        Name of the score.
    decision_weights_ : ndarray of shape (n_classes,)
        Weights of the classes; `predict` returns the class with the largest weighted
        probability. If `scoring` is a score of labels, such as "f1" or
        "balanced_accuracy", they are chosen on out-of-fold predictions. Otherwise all
        are 1. With two classes, the second is predicted if its probability is above
        ``decision_weights_[0] / decision_weights_.sum()``.
    decision_thresholds_ : ndarray of shape (n_labels,)
        Thresholds of the labels of a multilabel indicator, instead of
        `decision_weights_`; `predict` returns the labels whose probabilities are above
        them. If `scoring` is a score of labels, such as "f1_macro", they are chosen on
        out-of-fold predictions. Otherwise all are 0.5.
    leaderboard_, failures_ : DataFrame
        All trials, the best first, and the trials that failed.
    studies_ : dict of str to list of optuna.trial.FrozenTrial
        Trials of each family.
    fit_report_ : dict of str to float
        Seconds that each stage of `fit` took.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if all of them are strings.
    target_names_ : ndarray of shape (n_outputs,)
        Names of the columns of y, if y is a data frame with several columns.

    See Also
    --------
    AutoRegressor : The same search for numeric targets.

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


class AutoRegressor(SupervisedRegressor, TabularEstimator):
    """Search for regressors within a time budget and combine the best.

    The parameters and attributes are those of `AutoClassifier`, except for `classes_`,
    `decision_weights_` and `decision_thresholds_`. ``scoring=None`` is
    "neg_root_mean_squared_error". If y has several columns, it is the negative mean of
    their root mean squared errors, each divided by the standard deviation of its
    column.

    See Also
    --------
    AutoClassifier : The same search for classes, with a description of all parameters.

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
