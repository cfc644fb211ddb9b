"""What is found out from X and y: importance, dependence and notes about the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from automodel.clock import Deadline
from automodel.reporting.one_line import one_line
from automodel.reporting.page.honest import honest_of, n_rows_of_fit
from automodel.reporting.page.names import names_of_classes, names_of_targets
from automodel.reporting.page.plain import rounded

NEEDS_DATA = "Pass the X and y of `fit` to `report` for this part."
NO_COLUMNS = "Only columns of tables have an importance and a dependence."
LEAST_SECONDS = 0.01
N_DEPENDENCE = 6  # features whose dependence is shown
MOST_OUTPUTS = 5  # classes or targets, those that change most


def importance_facts(
    estimator: Any, X: Any, y: Any, deadline: Deadline
) -> dict[str, Any]:
    """Return the permutation importance of the features, the greatest first."""
    measure = getattr(estimator, "permutation_importance", None)
    if measure is None:
        return {"message": "This estimator does not measure importance."}
    if estimator.task_.modality != "tabular":
        return {"message": NO_COLUMNS}
    if X is None or y is None:
        return {"message": NEEDS_DATA}
    try:
        left = max(deadline.seconds_left, LEAST_SECONDS)
        found = measure(X, y, **_of_fit(estimator), seconds=left)
    except ValueError as error:  # such as rows that are not those of `fit`
        return {"message": one_line(error, 600)}
    order = np.argsort(-np.asarray(found.importances_mean), kind="stable")
    features = [
        {
            "name": one_line(found.feature_names[i], 200),
            "position": int(i),
            "mean": float(found.importances_mean[i]),
            "std": float(found.importances_std[i]),
        }
        for i in order
    ]
    return {
        "features": features,
        "n_repeats": int(np.shape(found.importances)[1]),
        "members": list(getattr(found, "members", [])),
        "n_rows": getattr(found, "n_rows", None),
        "notes": [str(note) for note in getattr(found, "notes", [])],
    }


def _of_fit(estimator: Any) -> dict[str, np.ndarray]:
    """Return the weights and groups of the rows of `fit`, if all of them are known."""
    honest = honest_of(estimator)
    if honest is None or len(honest.rows) < n_rows_of_fit(estimator):
        return {}
    given = {"sample_weight": honest.sample_weight, "groups": honest.groups}
    return {name: values for name, values in given.items() if values is not None}


def dependence_facts(
    estimator: Any, X: Any, importance: dict[str, Any], deadline: Deadline
) -> dict[str, Any]:
    """Return how predictions depend on the most important features."""
    if "message" in importance:
        return {"message": importance["message"]}
    features = [f for f in importance["features"] if f["mean"] > 0][:N_DEPENDENCE]
    if not features:
        return {"message": "No feature has an importance above 0."}
    from automodel.reporting.dependence import partial_dependence

    positions = [feature["position"] for feature in features]
    left = max(deadline.seconds_left, 0.0)
    found = partial_dependence(estimator, X, positions, seconds=left)
    if not found:
        return {"message": "There was no time for this part, or its columns are texts."}
    names = _names_of_outputs(estimator)
    outputs = _outputs_that_change(found, len(names))
    return {
        "outputs": [names[i] for i in outputs],
        "is_probability": hasattr(estimator, "classes_"),
        "features": [_plain_dependence(own, outputs) for own in found],
    }


def note_facts(estimator: Any, X: Any, y: Any) -> dict[str, Any]:
    """Return what looks wrong with the data, the gravest first."""
    if X is None or y is None:
        return {"message": NEEDS_DATA}
    if estimator.task_.kind == "detection":
        return {"message": "Images with boxes are not checked."}
    from automodel.reporting.data_notes import data_notes

    names = ("kind", "columns", "text", "severity")
    found = data_notes(estimator, X, y)
    return {"notes": [{name: getattr(note, name) for name in names} for note in found]}


def _names_of_outputs(estimator: Any) -> list[str]:
    kind = estimator.task_.kind
    if kind in ("binary", "multiclass"):
        return names_of_classes(estimator)
    return ["the target"] if kind == "regression" else names_of_targets(estimator)


def _outputs_that_change(found: Any, n_outputs: int) -> list[int]:
    """Return the outputs that change most with the features; of two classes, one."""
    if n_outputs == 2 and found[0].average.shape[1] == 2:
        return [1]
    ranges = np.max([np.ptp(own.average, axis=0) for own in found], axis=0)
    return np.sort(np.argsort(-ranges, kind="stable")[:MOST_OUTPUTS]).tolist()


def _plain_dependence(own: Any, outputs: list[int]) -> dict[str, Any]:
    return {
        "name": one_line(own.feature, 200),
        "kind": own.kind,
        "values": [_plain_value(value) for value in own.values],
        "average": [rounded(column) for column in own.average[:, outputs].T],
        "low": [rounded(column) for column in own.low[:, outputs].T],
        "high": [rounded(column) for column in own.high[:, outputs].T],
        "shares": rounded(own.shares),
    }


def _plain_value(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return one_line(value, 60) if isinstance(value, str) else value
