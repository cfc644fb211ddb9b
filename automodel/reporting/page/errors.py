"""The errors of the ensemble on rows that did not choose it."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.reporting.page.errors_of_classes import of_classes, of_labels
from automodel.reporting.page.errors_of_values import of_values
from automodel.reporting.page.honest import honest_of

MOST_CELLS = 5_000_000  # of predictions, from which errors are computed
LEAST_ROWS = 2_000
NO_HONEST = (
    "There are no predictions of rows that did not choose the ensemble. There were too "
    "few rows or models for them, or no time was left. Give the search more time, or "
    "pass rows of your own to the displays of scikit-learn."
)
KINDS = {
    "binary": of_classes,
    "multiclass": of_classes,
    "multilabel": of_labels,
    "regression": of_values,
    "multioutput": of_values,
}


def error_facts(estimator: Any) -> dict[str, Any]:
    """Return scores, curves and confusions of the honest predictions.

    Of very many predictions a random sample of the rows is used. The dict has the key
    "message" if there are none.
    """
    honest = honest_of(estimator)
    if honest is None:
        return {"message": NO_HONEST}
    kind = estimator.task_.kind
    if kind not in KINDS:
        return {"message": f"Errors of targets of the kind {kind!r} are not shown."}
    n_rows, n_outputs = np.shape(honest.predictions)[0], estimator.task_.n_outputs
    most = max(MOST_CELLS // max(n_outputs, 1), LEAST_ROWS)
    rows = np.arange(n_rows)
    if n_rows > most:
        rows = np.sort(np.random.RandomState(0).choice(n_rows, most, replace=False))
    weight = honest.sample_weight
    facts = KINDS[kind](
        estimator,
        np.asarray(honest.y)[rows],
        np.asarray(honest.predictions)[rows],
        None if weight is None else np.asarray(weight)[rows],
    )
    return {"n_rows": n_rows, "n_used": len(rows), **facts}
