"""The rows that are predicted worst, and those of which the ensemble is least sure."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from automodel.reporting.one_line import one_line
from automodel.reporting.page.honest import honest_of, n_rows_of_fit
from automodel.reporting.page.names import names_of_classes, names_of_targets

MOST_EXAMPLES = 8
MOST_CHARACTERS = 500  # of a text
MOST_COLUMNS, MOST_IN_CELL = 8, 60  # of a table
SIDE = 112  # pixels of the longer side of an image
QUALITY = 80  # of JPEG


def example_facts(estimator: Any, X: Any, show_examples: bool) -> dict[str, Any]:
    """Return examples by their honest predictions, if the user wants to see rows."""
    if not show_examples:
        return {"message": "Rows are shown only with `show_examples=True` and X."}
    if X is None:
        return {"message": "Pass the X of `fit` to `report` to see examples."}
    honest = honest_of(estimator)
    if honest is None:
        return {"message": "There are no honest predictions to choose examples by."}
    n_given, n_rows = _length(X), n_rows_of_fit(estimator)
    if n_given != n_rows:
        return {
            "message": f"X has {n_given} rows, but that of `fit` had {n_rows}. "
            "Examples need the X of `fit`."
        }
    target = estimator._target
    loss = np.asarray(target.losses(honest.y, honest.predictions), dtype=float)
    worst = np.argsort(-loss, kind="stable")[:MOST_EXAMPLES]
    doubt = _doubt(estimator, honest)
    unsure = np.argsort(-doubt, kind="stable")[:MOST_EXAMPLES]
    show = {"text": _texts, "image": _images}.get(estimator.task_.modality, _cells)
    described = _described(estimator, honest, worst, loss, show, X)
    return {
        "worst": described,
        "unsure": _described(estimator, honest, unsure, loss, show, X),
        "columns": _columns(X, len(described[0].get("cells", []))),
    }


def _length(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _doubt(estimator: Any, honest: Any) -> np.ndarray:
    """Return how unsure the ensemble is of each row: entropy, or spread of members."""
    if not estimator.task_.is_classification:
        return np.asarray(honest.spread, dtype=float).mean(axis=1)
    proba = np.asarray(estimator._target.probabilities(honest.predictions), dtype=float)
    logs = np.log(np.clip(proba, 1e-12, 1.0))
    if estimator.task_.kind == "multilabel":
        rest = np.clip(1.0 - proba, 1e-12, 1.0)
        return -(proba * logs + rest * np.log(rest)).sum(axis=1)
    return -(proba * logs).sum(axis=1)


def _described(estimator, honest, chosen, loss, show, X) -> list[dict[str, Any]]:
    rows = np.asarray(honest.rows)[chosen]
    truths = _truths(estimator, np.asarray(honest.y)[chosen])
    found = _answers(estimator, np.asarray(honest.predictions)[chosen])
    shown = show(estimator, _safe_indexing(X, rows.tolist()))
    return [
        {
            "row": int(row),
            "actual": truth,
            "predicted": answer,
            "loss": float(loss[place]),
            **own,
        }
        for row, place, truth, answer, own in zip(
            rows, chosen, truths, found, shown, strict=True
        )
    ]


def _truths(estimator: Any, y: np.ndarray) -> list[str]:
    """Return values of an encoded y as text."""
    if estimator.task_.kind in ("binary", "multiclass"):
        names = names_of_classes(estimator)
        return [names[i] for i in y]
    if estimator.task_.kind == "multilabel":
        return _labels(estimator, y)
    return _numbers(estimator._target.restore(y))


def _answers(estimator: Any, outputs: np.ndarray) -> list[str]:
    """Return predictions as text: a class with its probability, labels or numbers."""
    kind, target = estimator.task_.kind, estimator._target
    if kind in ("binary", "multiclass"):
        proba, names = target.probabilities(outputs), names_of_classes(estimator)
        best = proba.argmax(axis=1)
        likely = proba[np.arange(len(best)), best]
        return [f"{names[i]} ({p:.0%})" for i, p in zip(best, likely, strict=True)]
    if kind == "multilabel":
        decided = target.decode(outputs, estimator.decision_thresholds_)
        return _labels(estimator, decided)
    return _numbers(target.decode(outputs))


def _labels(estimator: Any, indicator: np.ndarray) -> list[str]:
    names = names_of_targets(estimator)
    labels = [[names[i] for i in np.flatnonzero(row)] for row in indicator]
    return [one_line(", ".join(own) or "none", MOST_CHARACTERS) for own in labels]


def _numbers(values: Any) -> list[str]:
    rows = np.reshape(values, (len(values), -1))
    return [
        one_line(", ".join(f"{v:.5g}" for v in row), MOST_CHARACTERS) for row in rows
    ]


def _texts(estimator: Any, X: Any) -> list[dict[str, Any]]:
    rows = estimator._reader.transform(estimator._check_X(X, reset=False))
    return [{"text": one_line(text, MOST_CHARACTERS)} for text in rows]


def _images(estimator: Any, X: Any) -> list[dict[str, Any]]:
    rows = estimator._reader.transform(estimator._check_X(X, reset=False))
    return [{"image": _as_jpeg(image)} for image in rows]


def _as_jpeg(image: np.ndarray) -> str:
    """Return a small copy of an image as the content of an attribute `src`."""
    from PIL import Image

    small = Image.fromarray(image)
    scale = SIDE / max(small.size)
    size = [max(round(scale * length), 1) for length in small.size]
    # Tiny images are enlarged without a blur, since each pixel counts.
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR
    content = BytesIO()
    small.resize(size, how).save(content, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{b64encode(content.getvalue()).decode()}"


def _cells(estimator: Any, X: Any) -> list[dict[str, Any]]:
    first = X.iloc[:, :MOST_COLUMNS].to_numpy() if hasattr(X, "iloc") else None
    if first is None and hasattr(X, "toarray"):
        first = X[:, :MOST_COLUMNS].toarray()
    if first is None:
        first = np.asarray(X)[:, :MOST_COLUMNS]
    return [{"cells": [one_line(cell, MOST_IN_CELL) for cell in row]} for row in first]


def _columns(X: Any, n_columns: int) -> list[str]:
    """Return the names of the first columns of a table; their places, if X has none."""
    names = list(getattr(X, "columns", range(n_columns)))
    return [one_line(name, MOST_IN_CELL) for name in names[:n_columns]]
