"""Checks of what the user gives to `fit` and `predict`, before any model is trained."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    validate_data,
)

from automodel.exceptions import FitWarning

MOST_COUNT = 100  # that a weight is taken to count rows up to
COUNT_TOLERANCE = 1e-6


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame (pandas, polars), without importing one."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and hasattr(X, "shape")


def check_X(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Check the shape and the columns of X, and return it as a container of rows.

    Frames are returned as they are, anything else as an array or a sparse matrix.

    Raises
    ------
    ValueError
        If X is empty or not two-dimensional, or its columns are not those of `fit`.
    """
    name = type(estimator).__name__
    if not is_frame(X):
        return validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=True,
            dtype=None,
            ensure_all_finite=False,
        )
    columns = list(X.columns)
    if reset:
        _check_distinct(columns)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if X.shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
            f"required by {name}."
        )
    if X.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is "
            f"required by {name}."
        )
    return X


def check_classes(y: Any) -> np.ndarray:
    """Return the labels as a one-dimensional array.

    Raises
    ------
    ValueError
        If labels are missing, continuous, or of more than one kind.
    """
    y = _target_array(y)
    missing = _missing(y)
    if missing.any():
        raise ValueError(
            f"Input y contains NaN: {int(missing.sum())} labels are missing or "
            "infinite. Drop those rows, or give them a label of their own."
        )
    y = _plain_labels(y)
    if type_of_target(y) == "continuous":
        raise ValueError(
            "Unknown label type: continuous. y holds real numbers, as a regression "
            "target does. Use AutoRegressor, or bin y into classes."
        )
    check_classification_targets(y)
    return y


def encode_classes(y: np.ndarray, sample_weight: np.ndarray | None):
    """Return the classes and y as positions among them.

    Raises
    ------
    ValueError
        If there is one class only, also after rows of weight zero are left out.
    """
    classes, codes = np.unique(y, return_inverse=True)
    weighted = codes if sample_weight is None else codes[sample_weight > 0]
    if len(np.unique(weighted)) < 2:
        with_weight = "" if sample_weight is None else " with a positive sample weight"
        raise ValueError(
            f"y holds only one class{with_weight}: {classes.tolist()[weighted[0]]!r}. "
            "A classifier needs at least two classes."
        )
    single = classes[np.bincount(codes) == 1].tolist()
    if single:
        warnings.warn(
            f"Classes with a single row: {single[:10]}. No model can be judged on "
            "them: add rows, merge or drop these classes.",
            FitWarning,
            stacklevel=2,
        )
    return classes, codes


def check_values(y: Any) -> np.ndarray:
    """Return a regression target as a one-dimensional float array.

    Raises
    ------
    ValueError
        If it holds text, dates, missing or infinite values.
    """
    y = _target_array(y)
    bad = _missing(y)
    if bad.any():
        raise ValueError(
            f"Input y contains NaN or infinity in {int(bad.sum())} of {len(y)} rows. "
            "Drop those rows or fill them."
        )
    if y.dtype.kind not in "biuf":
        wrong = [value for value in y if not _is_number(value)]
        if wrong:
            example = next((v for v in wrong if not _is_numeral(v)), wrong[0])
            raise ValueError(
                f"y of AutoRegressor must hold numbers. Got {str(example)!r} of type "
                f"{type(example).__name__.rstrip('_')}. "
                "Convert y to numbers, or use AutoClassifier for labels."
            )
    y = y.astype(np.float64)
    if len(y) > 1 and y.min() == y.max():
        warnings.warn(
            f"The target y is constant: {y[0]} in all rows. So is every prediction.",
            FitWarning,
            stacklevel=2,
        )
    return y


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Return the weights in units of rows, or None.

    Penalties and priors are held against the sum of the weights, so that their unit
    has to be that of a row, and a multiple of all weights has to mean the same. Where
    all are small multiples of the least one they count rows: a row of twice its weight
    is that row twice. All others have a mean of 1, but for rows of weight zero.

    Raises
    ------
    ValueError
        If there are too many or too few, one is negative, or all are zero.
    """
    if sample_weight is None:
        return None
    n_rows = X.shape[0]
    weight = _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number; all "
            f"{n_rows} are zero. Leave sample_weight out to weight all rows alike."
        )
    weight = weight / weight.max()
    positive = weight[weight > 0]
    counts = weight / positive.min()
    are_whole = np.abs(counts - np.rint(counts)).max() < COUNT_TOLERANCE
    if are_whole and counts.max() <= MOST_COUNT:
        return np.rint(counts)
    # Rounded, so that multiples of the weights are equal to the last bit.
    return (weight / positive.mean()).astype(np.float32).astype(np.float64)


def check_groups(groups: Any, X: Any) -> np.ndarray | None:
    """Return the groups as numbers, one a row, or None.

    Raises
    ------
    ValueError
        If their number is not that of the rows, or one is missing.
    """
    if groups is None:
        return None
    groups = column_or_1d(groups)
    if len(groups) != X.shape[0]:
        raise ValueError(
            f"groups has {len(groups)} values and X has {X.shape[0]} rows. Give the "
            "group of each row."
        )
    n_missing = int(_missing(groups).sum())
    if n_missing:
        raise ValueError(
            f"groups holds {n_missing} missing values. Give these rows a group of "
            "their own."
        )
    return np.unique(_plain_objects(groups), return_inverse=True)[1]


def check_same_length(X: Any, y: np.ndarray) -> None:
    """Raise if X and y do not have the same number of rows."""
    if X.shape[0] != len(y):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"X has {X.shape[0]} rows and y has {len(y)}."
        )


def _target_array(y: Any) -> np.ndarray:
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None."
        )
    if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
        y = y.to_numpy()
    y = check_array(
        y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y"
    )
    return column_or_1d(y, warn=True)


def _missing(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind == "f":
        return ~np.isfinite(y)
    if y.dtype == object:
        return np.array([_is_missing(value) for value in y.tolist()], dtype=bool)
    if y.dtype.kind in "mM":
        return np.isnat(y)
    return np.zeros(len(y), dtype=bool)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and not np.isfinite(value)


def _plain_labels(y: np.ndarray) -> np.ndarray:
    """Return labels of one kind: strings, numbers or booleans."""
    if y.dtype.kind not in "OmM":
        return y
    values = y.tolist() if y.dtype == object else list(y)
    if all(isinstance(value, str) for value in values):
        return y
    if all(isinstance(value, bool | np.bool_) for value in values):
        return y.astype(bool)
    if all(_is_number(value) for value in values):
        return np.array(values)
    kinds = sorted({type(value).__name__ for value in values})
    raise ValueError(
        "The labels in y must be all strings, all numbers or all booleans. Got values "
        f"of type {', '.join(kinds)}. Convert them to one type, as y.astype(str) does."
    )


def _is_number(value: Any) -> bool:
    # a timedelta64 is an integer to numpy
    return isinstance(value, Real | Decimal) and not isinstance(value, np.timedelta64)


def _is_numeral(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _plain_objects(y: np.ndarray) -> np.ndarray:
    """Return an object array as one of a plain type, for a defined order."""
    if y.dtype != object:
        return y
    kinds = {type(value) for value in y.tolist()}
    if kinds <= {bool, np.bool_}:
        return y.astype(bool)
    if kinds <= {int, np.int64, np.int32}:
        return y.astype(np.int64)
    if len(kinds) > 1 and not all(issubclass(k, int | float) for k in kinds):
        return y.astype(str)
    return y


def _check_distinct(columns: list) -> None:
    twice = sorted(str(c) for c, count in Counter(columns).items() if count > 1)
    if twice:
        raise ValueError(
            f"X has duplicate column names: {', '.join(twice)}. "
            "Rename or drop them; columns are matched by name at predict."
        )


def as_bytes(memory_limit: int | str | None) -> int | None:
    """Return a size such as 4_000_000_000, "4GB", "512 MiB" or "4e9" in bytes.

    Raises
    ------
    InvalidParameterError
        If the text is no size.
    """
    if not isinstance(memory_limit, str):
        return memory_limit
    found = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kMGT]?)(i?)B?\s*", memory_limit)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or number <= 0:
        raise InvalidParameterError(
            "The 'memory_limit' parameter must be a number of bytes or a text such as "
            f"'4GB' or '512MiB'. Got {memory_limit!r} instead."
        )
    base = 1024 if found[3] else 1000
    return int(number * base ** " kMGT".index(found[2] or " "))


def check_callbacks(callbacks: Any) -> None:
    """Check that each callback can be called.

    Raises
    ------
    TypeError
        If one cannot.
    """
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(
                "The 'callbacks' parameter must hold callables, called as "
                "callback(study, trial) after each trial. "
                f"Got {callback!r} of type {type(callback).__name__} instead."
            )
