"""Checks of the arguments of `fit` and `predict`, before any model is trained."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import (
    _check_feature_names,
    _check_sample_weight,
    validate_data,
)

from automodel.callbacks.tracker import Tracker
from automodel.preprocessing.image.containers import Sources, as_sources
from automodel.preprocessing.image.images import AUGMENTATIONS
from automodel.preprocessing.text.strings import as_strings
from automodel.targets.checks import missing

MOST_COUNT = 100  # larger multiples of the least weight do not count rows
COUNT_TOLERANCE = 1e-6


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame (pandas, polars), without importing one."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and hasattr(X, "shape")


def check_X(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Check the shape and the columns of X.

    Data frames are returned unchanged, anything else as an array or a sparse matrix.

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
    if not reset and len(X) and columns == _names_of_fit(estimator):
        return X
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


def _names_of_fit(estimator: Any) -> list | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()


def check_texts(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """Check that X is a sequence of texts, and return them as strings or None.

    Raises
    ------
    TypeError, ValueError
        If X is empty or no sequence of texts, if no text of `fit` has any characters,
        or if X is a frame whose column is not that of `fit`.
    """
    strings, name = as_strings(X), type(estimator).__name__
    _check_column(estimator, X, len(strings), reset=reset)
    if reset and not any(text and text.strip() for text in strings):
        raise ValueError(
            f"All {len(strings)} texts of X are empty or missing, so that {name} has "
            "nothing to learn from."
        )
    return strings


def check_images(estimator: Any, X: Any, *, reset: bool) -> Sources:
    """Check that X is a sequence of images, and that those of fit can be read.

    Raises
    ------
    TypeError, ValueError
        If X is empty or no sequence of images, if a file of `fit` cannot be read, or if
        X is a frame whose column is not that of `fit`.
    """
    sources = as_sources(X)
    _check_column(estimator, X, len(sources), reset=reset)
    if reset:
        sources.check()
    return sources


def check_augmentations(
    augmentations: Any, known: Sequence[str] = AUGMENTATIONS
) -> None:
    """Check the names of augmentations.

    Parameters
    ----------
    augmentations : object
        The parameter of an estimator.
    known : sequence of str, default=AUGMENTATIONS
        The names that there are.

    Raises
    ------
    InvalidParameterError
        If they are not "auto", None, or names that are known.
    """
    is_named = isinstance(augmentations, tuple | list)
    unknown = [] if not is_named else [a for a in augmentations if a not in known]
    is_valid = is_named or augmentations is None or augmentations == "auto"
    if unknown or not is_valid:
        given = unknown[0] if unknown else augmentations
        raise InvalidParameterError(
            "The 'augmentations' parameter must be 'auto', None or a tuple of names. "
            f"Got {given!r} instead. The names are: {', '.join(known)}."
        )


def check_weights(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Return the weights in units of rows, or None.

    Penalties and priors are compared with the sum of the weights. The weights therefore
    need rows as their unit, and multiplying all of them by a constant must have no
    effect. If all weights are small multiples of the least one, they count rows: a row
    of twice that weight is two equal rows. Otherwise they are scaled so that the mean
    of those above zero is 1.

    Raises
    ------
    ValueError
        If their number is wrong, one is negative, or all are zero.
    """
    if sample_weight is None:
        return None
    weight = _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number, but all "
            f"{n_rows} are zero. Leave sample_weight out to weight all rows equally."
        )
    weight = weight / weight.max()
    positive = weight[weight > 0]
    counts = weight / positive.min()
    are_whole = np.abs(counts - np.rint(counts)).max() < COUNT_TOLERANCE
    if are_whole and counts.max() <= MOST_COUNT:
        return np.rint(counts)
    # Rounded, so that multiples of the weights give exactly the same numbers.
    return (weight / positive.mean()).astype(np.float32).astype(np.float64)


def check_groups(groups: Any, n_rows: int) -> np.ndarray | None:
    """Return the group of each row as a number, or None.

    Raises
    ------
    ValueError
        If there are more or fewer groups than rows, or one is missing.
    """
    if groups is None:
        return None
    groups = column_or_1d(groups)
    if len(groups) != n_rows:
        raise ValueError(
            f"groups has {len(groups)} values and X has {n_rows} rows. Pass one group "
            "for each row."
        )
    n_missing = int(missing(groups).sum())
    if n_missing:
        raise ValueError(
            f"groups contains {n_missing} missing values. Give these rows a group of "
            "their own."
        )
    return np.unique(_plain_objects(groups), return_inverse=True)[1]


def check_same_length(X: Any, y: Any) -> int:
    """Return the number of rows of X, which must be that of y."""
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_rows != len(y):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"X has {n_rows} rows and y has {len(y)}."
        )
    return n_rows


def _check_column(estimator: Any, X: Any, n_rows: int, *, reset: bool) -> None:
    """Check that there are rows, and that a frame has the column of fit."""
    if not n_rows:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required by "
            f"{type(estimator).__name__}."
        )
    if is_frame(X):
        _check_feature_names(estimator, X, reset=reset)
    elif reset:
        estimator.__dict__.pop("feature_names_in_", None)


def _plain_objects(y: np.ndarray) -> np.ndarray:
    """Convert an object array to a plain type, whose values have an order."""
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
            f"X has duplicate column names: {', '.join(twice)}. Rename or drop them, "
            "because predict matches columns by name."
        )


def as_bytes(size: int | str | None, name: str = "memory_limit") -> int | None:
    """Convert a size such as 4_000_000_000, "4GB", "512 MiB" or "4e9" to bytes.

    `name` is the parameter that errors name.

    Raises
    ------
    InvalidParameterError
        If the text is not a size.
    """
    if not isinstance(size, str):
        return size
    found = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kMGT]?)(i?)B?\s*", size)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or number <= 0:
        raise InvalidParameterError(
            f"The {name!r} parameter must be a number of bytes or a text such as '4GB' "
            f"or '512MiB'. Got {size!r} instead."
        )
    base = 1024 if found[3] else 1000
    return int(number * base ** " kMGT".index(found[2] or " "))


def check_callbacks(callbacks: Any) -> None:
    """Check that each callback is a tracker or can be called.

    Raises
    ------
    TypeError
        If one of them is neither.
    """
    for callback in callbacks:
        if not callable(callback) and not isinstance(callback, Tracker):
            raise TypeError(
                "The 'callbacks' parameter must contain trackers, and callables, which "
                "are called as callback(study, trial) after each trial. "
                f"Got {callback!r} of type {type(callback).__name__} instead."
            )
