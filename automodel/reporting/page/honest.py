"""The predictions of rows that did not choose the ensemble."""

from __future__ import annotations

from typing import Any


def honest_of(estimator: Any) -> Any:
    """Return the honest predictions of an estimator; None if there are none."""
    honest = vars(estimator).get("_honest")
    return None if honest is None or len(honest.rows) == 0 else honest


def n_rows_of_fit(estimator: Any) -> int:
    """Return the number of rows of the X of `fit`, also those with a weight of 0."""
    n_rows = estimator.task_.n_samples
    return getattr(honest_of(estimator), "n_rows", n_rows)
