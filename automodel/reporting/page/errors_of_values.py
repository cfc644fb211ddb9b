"""The errors of values, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from automodel.reporting.page.names import names_of_targets
from automodel.reporting.page.plain import rounded

MOST_POINTS = 1_000  # of a scatter plot
MOST_PLOTTED = 3  # columns, those that are predicted worst


def of_values(estimator, y, predictions, weight) -> dict[str, Any]:
    """Return the errors of a target of numbers, in one or several columns.

    Parameters
    ----------
    estimator : estimator
        A fitted regressor.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Target as it is encoded.
    predictions : ndarray of shape (n_samples, n_outputs)
        Outputs of the ensemble.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    """
    target = estimator._target
    actual, found = target.restore(y), target.decode(predictions)
    is_one = np.ndim(actual) == 1
    actual, found = (np.reshape(v, (len(v), -1)) for v in (actual, found))
    names = ["the target"] if is_one else names_of_targets(estimator)
    columns = [
        {"name": name, **_scores(actual[:, i], found[:, i], weight)}
        for i, name in enumerate(names)
    ]
    order = np.argsort([column["r2"] for column in columns], kind="stable")
    rows = np.arange(len(actual))
    if len(rows) > MOST_POINTS:
        rows = np.random.RandomState(0).choice(rows, MOST_POINTS, replace=False)
    return {
        "kind": "values",
        "columns": columns,
        "points": [
            {
                "name": names[i],
                "actual": rounded(actual[rows, i]),
                "predicted": rounded(found[rows, i]),
            }
            for i in order[:MOST_PLOTTED]
        ],
    }


def _scores(actual: np.ndarray, found: np.ndarray, weight) -> dict[str, Any]:
    options: dict[str, Any] = {"sample_weight": weight}
    errors = np.abs(actual - found)
    r2 = metrics.r2_score(actual, found, **options) if len(actual) > 1 else np.nan
    return {
        "root_mean_squared_error": float(
            np.sqrt(np.average(errors**2, weights=weight))
        ),
        "mean_absolute_error": float(np.average(errors, weights=weight)),
        "median_absolute_error": float(np.median(errors)),
        "r2": float(r2),
        "standard_deviation": float(np.std(actual)),
    }
