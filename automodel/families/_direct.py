"""Predict encoded rows directly, without the checks that libraries make in each call.

Encoders return finite rows of the right type. To check that again takes longer than to
predict a row: a tenth of a millisecond in scikit-learn, and several in LightGBM and
XGBoost, which look at DataFrames column by column. The predictions are the same, up to
rounding where `SingleRows` predicts them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.utils.extmath import safe_sparse_dot, softmax

from automodel.families._columns import ColumnsEstimator, VaryingColumns
from automodel.families._single_rows import (
    SingleRows,
    row_of_catboost,
    row_of_hist_gradient_boosting,
    row_of_xgboost,
)
from automodel.preprocessing.encoded import MixedRows

PROBABILITIES = "predict_proba"
OF_PREDICTIONS = "pred", "num_iteration_predict", "start_iteration_predict"


def direct(estimator: Any) -> Any:
    """Return an object that predicts as a fitted estimator does.

    Parameters
    ----------
    estimator : estimator
        Any fitted estimator.

    Returns
    -------
    object
        Has `predict_proba`, or `predict` if the estimator has no probabilities, of
        encoded rows, which may be `MixedRows`. Estimators that are not known here are
        called as always.
    """
    if isinstance(estimator, ColumnsEstimator):
        changed = copy(estimator)
        changed.estimators_ = [direct(model) for model in estimator.estimators_]
        return changed
    if isinstance(estimator, VaryingColumns):
        return VaryingColumns(direct(estimator.estimator), estimator.values)
    answer = _answer_of(estimator)
    if answer is None:
        return _AsAlways(estimator)
    is_proba = hasattr(estimator, PROBABILITIES)
    return (_Probabilities if is_proba else _Values)(estimator, answer)


class _AsAlways:
    """Calls an estimator with the DataFrames that it expects."""

    def __init__(self, estimator: Any):
        self._estimator = estimator

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._estimator, name)
        if not name.startswith(("predict", "decision_function")):
            return found
        return lambda X: found(X.frame if isinstance(X, MixedRows) else X)


class _Probabilities:
    """Predicts probabilities by a function of the rows."""

    def __init__(self, estimator: Any, answer: Callable[[Any], np.ndarray]):
        self.classes_ = getattr(estimator, "classes_", None)
        self.predict_proba = answer


class _Values:
    """Predicts values by a function of the rows."""

    def __init__(self, estimator: Any, answer: Callable[[Any], np.ndarray]):
        self.predict = answer


def _answer_of(estimator: Any) -> Callable[[Any], np.ndarray] | None:
    """Return a function of the rows; None if the estimator is not known here."""
    kind = type(estimator)
    unchecked = getattr(estimator, "predict_unchecked", None)
    if unchecked is not None:
        takes_mixed = getattr(estimator, "takes_mixed_rows", False)
        return unchecked if takes_mixed else lambda X: unchecked(_matrix(X))
    library = kind.__module__.partition(".")[0]
    make = _MAKERS.get(f"{library}.{kind.__name__}")
    return None if make is None else make(estimator)


def _matrix(X: Any) -> Any:
    return X.matrix if isinstance(X, MixedRows) else X


def _of_second(proba: np.ndarray) -> np.ndarray:
    """Return the probabilities of both classes."""
    return np.vstack((1.0 - proba, proba)).transpose()


def _lightgbm(model: Any) -> Callable | None:
    if callable(model.objective_):
        return None
    if any(name.startswith(OF_PREDICTIONS) for name in model.get_params()):
        return None  # parameters that the booster does not know by itself
    is_classifier = hasattr(model, PROBABILITIES)
    threads = {"num_threads": model.n_jobs} if model.n_jobs else {}

    def answer(X):
        found = model.booster_.predict(_matrix(X), **threads)
        return _of_second(found) if is_classifier and found.ndim == 1 else found

    return answer


def _xgboost(model: Any) -> Callable | None:
    if model.booster not in (None, "gbtree") or model.objective == "multi:softmax":
        return None
    is_classifier = hasattr(model, PROBABILITIES)

    def predict(X, **options):
        return model.get_booster().inplace_predict(
            X,
            iteration_range=model._get_iteration_range(None),
            missing=model.missing,
            validate_features=False,
            **options,
        )

    def answer(X):
        X = _matrix(X)
        if not isinstance(X, np.ndarray):
            return (model.predict_proba if is_classifier else model.predict)(X)
        found = predict(X)
        return _of_second(found) if is_classifier and found.ndim == 1 else found

    return SingleRows(answer, partial(row_of_xgboost, model, predict))


def _catboost(model: Any) -> Callable:
    features_data = import_module("catboost").FeaturesData
    is_classifier = hasattr(model, PROBABILITIES)
    predict = model.predict_proba if is_classifier else model.predict

    def answer(X):
        if not isinstance(X, MixedRows):
            return predict(X)
        names = np.array([b"%d" % i for i in range(max(X.n_categories))], dtype=object)
        numbers = np.ascontiguousarray(X.numbers, dtype=np.float32)
        return predict(features_data(numbers, names[X.codes]))

    return SingleRows(answer, partial(row_of_catboost, model))


def _hist_gradient_boosting(model: Any) -> Callable:
    name = PROBABILITIES if hasattr(model, PROBABILITIES) else "predict"
    unchecked = copy(model)
    unchecked._preprocess_X = lambda X, reset: X
    read = partial(row_of_hist_gradient_boosting, unchecked, name)
    predict = SingleRows(getattr(unchecked, name), read)
    as_always = getattr(_AsAlways(model), name)
    places = _places_of_categories(model)

    def answer(X):
        if isinstance(X, np.ndarray) and model._preprocessor is None:
            return predict(X.astype(np.float64))
        if not isinstance(X, MixedRows) or X.codes.shape[1] != len(places):
            return as_always(X)
        pairs = zip(places, X.codes.T + 1, strict=True)
        codes = [own.take(column, mode="clip") for own, column in pairs]
        return predict(np.column_stack([*codes, X.numbers.astype(np.float64)]))

    return answer


def _places_of_categories(model: Any) -> list[np.ndarray]:
    """Return what a model takes for the codes -1, 0, 1, ... of each categorical column.

    It numbers the categories that it has learned from; others are missing values. The
    list is empty if the categorical columns are not the last ones.
    """
    is_categorical = model.is_categorical_
    if is_categorical is None or (np.diff(is_categorical.astype(int)) < 0).any():
        return []
    found = []
    for categories in model._preprocessor.named_transformers_["encoder"].categories_:
        known = [int(category) for category in categories if category == category]
        own = np.full(max(known, default=-1) + 3, np.nan)
        own[np.array(known, dtype=int) + 1] = np.arange(len(known))
        found.append(own)
    return found


def _logistic(model: Any) -> Callable:
    def answer(X):
        scores = _scores(model, X)
        if len(model.classes_) > 2:
            return softmax(scores, copy=False)
        proba = expit(scores[:, 0])
        return np.stack([1 - proba, proba], axis=1)

    return answer


def _linear(model: Any) -> Callable:
    return lambda X: _scores(model, X)


def _log_linear(model: Any) -> Callable | None:
    if getattr(model, "link", "log") != "log":
        return None
    return lambda X: np.exp(_scores(model, X))


def _scores(model: Any, X: Any) -> np.ndarray:
    product = safe_sparse_dot(_matrix(X), model.coef_.T, dense_output=True)
    return product + model.intercept_


_MAKERS: dict[str, Callable[[Any], Callable | None]] = {
    "lightgbm.LGBMClassifier": _lightgbm,
    "lightgbm.LGBMRegressor": _lightgbm,
    "catboost.CatBoostClassifier": _catboost,
    "catboost.CatBoostRegressor": _catboost,
    "xgboost.XGBClassifier": _xgboost,
    "xgboost.XGBRegressor": _xgboost,
    "sklearn.HistGradientBoostingClassifier": _hist_gradient_boosting,
    "sklearn.HistGradientBoostingRegressor": _hist_gradient_boosting,
    "sklearn.LogisticRegression": _logistic,
    "sklearn.Ridge": _linear,
    "sklearn.PoissonRegressor": _log_linear,
    "sklearn.GammaRegressor": _log_linear,
    "sklearn.TweedieRegressor": _log_linear,
}
