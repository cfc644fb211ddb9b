"""AutoTextClassifier and AutoTextRegressor: the public estimators of texts."""

from __future__ import annotations

from os import PathLike

from automodel.estimators.base import AutoEstimator
from automodel.estimators.checks import check_texts
from automodel.estimators.pretrained import PretrainedEstimator
from automodel.estimators.supervised import SupervisedClassifier, SupervisedRegressor
from automodel.preprocessing.text.reader import TextReader


class TextEstimator(PretrainedEstimator):
    """Base class of the estimators of texts."""

    _modality = "text"
    _parameter_constraints: dict = {
        **AutoEstimator._parameter_constraints,
        "weights": [str, PathLike, None],
    }

    _check_X = check_texts

    def __init__(
        self,
        *,
        weights="auto",
        families=None,
        scoring=None,
        cv=None,
        time_budget=300.0,
        n_trials=None,
        sampler=None,
        pruner=None,
        ensemble_size=25,
        refit="auto",
        prediction_time_limit="auto",
        model_size_limit="auto",
        storage=None,
        study_name=None,
        memory_limit=None,
        callbacks=(),
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            families=families,
            scoring=scoring,
            cv=cv,
            time_budget=time_budget,
            n_trials=n_trials,
            sampler=sampler,
            pruner=pruner,
            ensemble_size=ensemble_size,
            refit=refit,
            prediction_time_limit=prediction_time_limit,
            model_size_limit=model_size_limit,
            storage=storage,
            study_name=study_name,
            memory_limit=memory_limit,
            callbacks=callbacks,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.weights = weights

    def _new_reader(self) -> TextReader:
        return TextReader(self.weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags


class AutoTextClassifier(SupervisedClassifier, TextEstimator):
    """Search for classifiers of texts within a time budget and combine the best.

    X is a sequence of texts: a list, an array or a Series of str, or a frame of one
    column. None, NaN and ``pd.NA`` count as empty texts. Rows with the same text are in
    the same fold, unless `cv` is a splitter or there are groups.

    Parameters
    ----------
    weights : str, Path or None, default="auto"
        Pretrained weights that families may use: a folder, the name of a model, or
        "hub:NAME", which downloads them once. "auto" stands for those that are found on
        this machine, if there are any, and None for none; see
        `automodel.nets.weights.find_weights`.
    families, scoring, cv, time_budget, n_trials, sampler, pruner, ensemble_size, \
refit, prediction_time_limit, model_size_limit, storage, study_name, memory_limit, \
callbacks, n_jobs, random_state, verbose
        As in `AutoClassifier`. ``families=None`` tries the families of texts.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (1,)
        Name of the column of X, if X is a frame.
    weights_ : tuple of Weights
        Name, source, licence and checksum of the weights that were found.
    leaderboard_ : DataFrame
        As in `AutoClassifier`, with a column `weights` for the name, source, licence
        and checksum of the pretrained weights of each trial.
    classes_, ensemble_, best_estimator_, best_score_, expected_score_, \
expected_score_interval_, oof_predictions_, metric_name_, decision_weights_, \
decision_thresholds_, failures_, studies_, fit_report_, target_names_
        As in `AutoClassifier`.

    See Also
    --------
    AutoTextRegressor : The same search for numeric targets.
    AutoClassifier : The same search for tables, which may have columns of texts.

    Examples
    --------
    >>> from automodel import AutoTextClassifier
    >>> X = ["good film", "bad film", "a good one", "a bad one", "so good", "so bad"]
    >>> y = ["yes", "no", "yes", "no", "yes", "no"]
    >>> options = {"n_trials": 2, "time_budget": None, "cv": 2, "random_state": 0}
    >>> search = AutoTextClassifier(weights=None, **options)
    >>> search.fit(X, y).predict(["good", "bad"])
    array(['yes', 'no'], dtype='<U3')
    """


class AutoTextRegressor(SupervisedRegressor, TextEstimator):
    """Search for regressors of texts within a time budget and combine the best.

    X is a sequence of texts, as in `AutoTextClassifier`.

    Parameters
    ----------
    weights : str, Path or None, default="auto"
        As in `AutoTextClassifier`.
    families, scoring, cv, time_budget, n_trials, sampler, pruner, ensemble_size, \
refit, prediction_time_limit, model_size_limit, storage, study_name, memory_limit, \
callbacks, n_jobs, random_state, verbose
        As in `AutoRegressor`. ``families=None`` tries the families of texts.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (1,)
        Name of the column of X, if X is a frame.
    weights_ : tuple of Weights
        Name, source, licence and checksum of the weights that were found.
    ensemble_, best_estimator_, best_score_, expected_score_, \
expected_score_interval_, oof_predictions_, metric_name_, \
leaderboard_, failures_, studies_, fit_report_, target_names_
        As in `AutoRegressor`; `leaderboard_` as in `AutoTextClassifier`.

    See Also
    --------
    AutoTextClassifier : The same search for classes.
    AutoRegressor : The same search for tables, which may have columns of texts.

    Examples
    --------
    >>> from automodel import AutoTextRegressor
    >>> X = ["good film", "bad film", "a good one", "a bad one", "so good", "so bad"]
    >>> y = [5, 1, 4, 2, 5, 1]
    >>> options = {"n_trials": 2, "time_budget": None, "cv": 2, "random_state": 0}
    >>> search = AutoTextRegressor(weights=None, **options)
    >>> search.fit(X, y).predict(["good", "bad"]).shape
    (2,)
    """
