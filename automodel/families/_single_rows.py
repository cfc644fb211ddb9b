"""Predict single rows by the trees of boosted models, without the calls of libraries.

Histogram boosting takes 5 us for a row and tree, CatBoost .3 to .4 ms for a row, and
XGBoost .2 to 1 ms. To walk through the same trees as arrays takes 15 to 260 us. To read
them takes up to .3 ms for each tree, which pays for a model that predicts many single
rows.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from automodel.families._walked_trees import (
    CODES,
    ObliviousTrees,
    trees_of_hist_gradient_boosting,
    trees_of_xgboost,
)
from automodel.preprocessing.encoded import MixedRows

MOST_VALUES = 2**18  # of the leaves of a model that is read
BYTES_OF_VALUE = 64  # of a leaf of XGBoost and its split
FLOAT, ONE_HOT = "FloatFeature", "OneHotFeature"  # kinds of splits of CatBoost
CALLS = 10  # with single rows, after which trees are read

Answer = Callable[[Any], np.ndarray]


class SingleRows:
    """Predicts a single row by trees as arrays, and all other rows as the library does.

    The trees are read after some single rows. The library predicts the next one as
    well, and goes on to do so if the predictions are not the same.

    Parameters
    ----------
    answer : callable
        Returns the prediction of rows by the library.
    read : callable
        Returns a function of one row that predicts it without the library, or None.
    """

    def __init__(self, answer: Answer, read: Callable[[], Answer | None]):
        self._answer = answer
        self._read: Callable[[], Answer | None] | None = read
        self._of_row: Answer | None = None
        self._n_calls = 0

    def __call__(self, X: Any) -> np.ndarray:
        """Return the prediction of some encoded rows."""
        if not isinstance(X, (np.ndarray, MixedRows)) or len(X) != 1:
            return self._answer(X)
        self._n_calls += 1
        read, of_row = self._read, self._of_row  # since other threads may change them
        if self._n_calls > CALLS and read is not None:
            self._read = None
            self._of_row = of_row = _checked(read, self._answer, X)
        return self._answer(X) if of_row is None else of_row(_first(X))


def _first(X: Any) -> np.ndarray:
    """Return the first row, whose numbers are followed by the codes of categories."""
    return (X.matrix if isinstance(X, MixedRows) else X)[0]


def _zeros(X: Any) -> Any:
    if isinstance(X, np.ndarray):
        return np.zeros_like(X)
    return MixedRows(np.zeros_like(X.numbers), np.zeros_like(X.codes), X.n_categories)


def _checked(read: Callable, answer: Answer, X: Any) -> Answer | None:
    """Return what predicts a row without the library, if it agrees with the library."""
    try:
        of_row = read()
        if of_row is None:
            return None
        for row in (X, _zeros(X)):
            expected, found = answer(row), of_row(_first(row))
            close = 1e-6 * np.abs(expected).max()
            if found.shape != expected.shape or not np.allclose(
                found, expected, 1e-5, close
            ):
                return None
    except Exception:  # noqa: BLE001  the library may write another format one day
        return None
    return of_row


def row_of_catboost(model: Any) -> Answer | None:
    """Return a function of one row for a fitted model of CatBoost.

    Categories are numbered, and their columns follow those of numbers. None is returned
    for trees that split by statistics of categories, and for losses whose predictions
    are not known here.
    """
    if len(model.get_leaf_values()) > MOST_VALUES:
        return None
    found = json.loads(_saved(model, "json"))
    splits = [split for tree in found["oblivious_trees"] for split in tree["splits"]]
    if not {split["split_type"] for split in splits} <= {FLOAT, ONE_HOT}:
        return None
    loss = found["model_info"]["params"]["loss_function"]["type"]
    finish = {
        "RMSE": _as_values,
        "MAE": _as_values,
        "Quantile": _as_values,
        "Logloss": _as_probability,
        "MultiClass": _as_probabilities,
    }.get(loss)
    if finish is None:
        return None
    has_codes = any(split["split_type"] == ONE_HOT for split in splits)
    trees = ObliviousTrees(found, _codes_by_hash(model, found) if has_codes else {})
    return lambda row: finish(trees.outputs(row))


def _saved(model: Any, form: str, pool: Any = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        model.save_model(str(path), format=form, pool=pool)
        return path.read_text(encoding="utf-8")


def _codes_by_hash(model: Any, found: dict[str, Any]) -> dict[int, int]:
    """Return the numbers of categories by the hashes of their names.

    CatBoost writes the hashes of the categories of some rows if it writes a model as a
    program.
    """
    catboost = import_module("catboost")
    info = found["features_info"]
    shape = len(info["float_features"]), len(info["categorical_features"])
    numbers = np.zeros((CODES, shape[0]), dtype=np.float32)
    names = np.array([[b"%d" % i] * shape[1] for i in range(CODES)], dtype=object)
    text = _saved(model, "python", catboost.Pool(catboost.FeaturesData(numbers, names)))
    table = text[text.index("cat_features_hashes") :].partition("}")[0]
    return {int(own): int(name) for name, own in re.findall(r'"(\d+)": (-?\d+)', table)}


def row_of_xgboost(model: Any, predict: Callable[..., np.ndarray]) -> Answer | None:
    """Return a function of one row for a fitted model of XGBoost.

    None is returned for objectives whose predictions are not known here.

    Parameters
    ----------
    model : XGBClassifier or XGBRegressor
        The model.
    predict : callable
        `predict(X, predict_type="margin")` returns the sums of all trees for rows.
    """
    booster = model.get_booster()
    uses_all = model._get_iteration_range(None)[1] in (0, booster.num_boosted_rounds())
    is_large = len(booster.save_raw("ubj")) > BYTES_OF_VALUE * MOST_VALUES
    if is_large or not uses_all or not np.isnan(model.missing):
        return None
    learner = json.loads(booster.save_raw("json"))["learner"]
    finish = {
        "reg:squarederror": _as_values,
        "reg:absoluteerror": _as_values,
        "reg:quantileerror": _as_values,
        "count:poisson": _as_logarithms,
        "reg:gamma": _as_logarithms,
        "reg:tweedie": _as_logarithms,
        "binary:logistic": _as_probability,
        "multi:softprob": _as_probabilities,
    }.get(learner["objective"]["name"])
    if finish is None:
        return None
    trees = trees_of_xgboost(learner["gradient_booster"]["model"])
    some = np.zeros((1, model.n_features_in_), dtype=np.float32)
    start = predict(some, predict_type="margin")[0] - trees.outputs(some[0])
    return lambda row: finish(trees.outputs(row) + start).astype(np.float32)


def row_of_hist_gradient_boosting(model: Any, name: str) -> Answer:
    """Return a function of one row for a model of scikit-learn.

    Parameters
    ----------
    model : HistGradientBoostingClassifier or HistGradientBoostingRegressor
        The model, which takes encoded rows without changing them.
    name : {"predict", "predict_proba"}
        Its method.
    """
    trees, by_row = trees_of_hist_gradient_boosting(model), copy(model)

    def add(X, predictors, outputs, *others):
        outputs += trees.outputs(X[0])

    by_row._predict_iterations = add
    return lambda row: getattr(by_row, name)(row[None])


def _as_values(outputs: np.ndarray) -> np.ndarray:
    return outputs if len(outputs) == 1 else outputs[None]


def _as_logarithms(outputs: np.ndarray) -> np.ndarray:
    return _as_values(np.exp(outputs))


def _as_probability(outputs: np.ndarray) -> np.ndarray:
    proba = expit(outputs[0])
    return np.array([[1.0 - proba, proba]])


def _as_probabilities(outputs: np.ndarray) -> np.ndarray:
    return softmax(outputs)[None]
