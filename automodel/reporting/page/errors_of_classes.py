"""The errors of classes and of labels, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.calibration import calibration_curve

from automodel.reporting.page.names import names_of_classes, names_of_targets
from automodel.reporting.page.plain import rounded, thinned

MOST_IN_MATRIX = 25  # classes; of more, pairs are listed
MOST_CURVES = 5
N_BINS = 10


def of_classes(estimator, y, predictions, weight) -> dict[str, Any]:
    """Return the errors of a target whose rows have one class each.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier.
    y : ndarray of shape (n_samples,)
        Numbers of the classes.
    predictions : ndarray of shape (n_samples, n_classes)
        Outputs of the ensemble.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    """
    target, names = estimator._target, names_of_classes(estimator)
    proba = target.probabilities(np.asarray(predictions, dtype=float))
    decided = target.decode(proba, estimator.decision_weights_)
    found = np.searchsorted(target.classes, decided)
    counts = metrics.confusion_matrix(y, found, labels=range(len(names)))
    curves = range(1, 2) if len(names) == 2 else _most_frequent(y)
    likely = (proba[:, 1], y == 1) if len(names) == 2 else _of_the_likeliest(proba, y)
    return {
        "kind": "classes",
        "classes": names,
        "scores": _scores_of_classes(y, proba, found, weight),
        "confusion": counts.tolist() if len(names) <= MOST_IN_MATRIX else None,
        "confused": _confused(counts, names),
        "by_class": _by_class(counts, names),
        "curves": _curves(
            [(names[i], y == i, proba[:, i]) for i in curves], weight, len(names)
        ),
        "calibration": {
            "of": f"class {names[1]}" if len(names) == 2 else "the most probable class",
            **_calibration(*likely),
        },
    }


def of_labels(estimator, y, predictions, weight) -> dict[str, Any]:
    """Return the errors of a multilabel indicator."""
    target, names = estimator._target, names_of_targets(estimator)
    proba = target.probabilities(np.asarray(predictions, dtype=float))
    found = target.decode(proba, estimator.decision_thresholds_)
    frequent = np.sort(np.argsort(-y.sum(axis=0), kind="stable")[:MOST_CURVES])
    triples = [(names[i], y[:, i] == 1, proba[:, i]) for i in frequent]
    return {
        "kind": "labels",
        "classes": names,
        "scores": [
            _score("Share of rows with all labels right", (y == found).all(axis=1)),
            _score("Share of labels right", (y == found).mean(axis=1)),
        ],
        "confusion": None,
        "confused": [],
        "by_class": _by_label(y, found, names),
        "curves": _curves(triples, weight, len(names)),
        "calibration": {"of": "all labels", **_calibration(proba.ravel(), y.ravel())},
    }


def _scores_of_classes(y, proba, found, weight) -> list[dict[str, Any]]:
    labels = np.arange(proba.shape[1])
    options: dict[str, Any] = {"sample_weight": weight}
    scores = [
        ("Accuracy", metrics.accuracy_score(y, found, **options)),
        ("Recall, mean of the classes", _mean_recall(y, found, weight)),
        ("Log loss", metrics.log_loss(y, proba, labels=labels, **options)),
    ]
    if len(labels) == 2 and len(np.unique(y)) == 2:
        scores.append(("ROC AUC", metrics.roc_auc_score(y, proba[:, 1], **options)))
    return [{"name": name, "value": float(value)} for name, value in scores]


def _mean_recall(y, found, weight) -> float:
    return metrics.recall_score(
        y, found, labels=np.unique(y), average="macro", sample_weight=weight
    )


def _score(name: str, of_rows: np.ndarray) -> dict[str, Any]:
    return {"name": name, "value": float(np.mean(of_rows))}


def _most_frequent(y: np.ndarray) -> list[int]:
    found, counts = np.unique(y, return_counts=True)
    return sorted(found[np.argsort(-counts, kind="stable")][:MOST_CURVES].tolist())


def _of_the_likeliest(proba: np.ndarray, y: np.ndarray):
    likeliest = proba.argmax(axis=1)
    return proba[np.arange(len(y)), likeliest], likeliest == y


def _confused(counts: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the pairs of a true and a predicted class, the most frequent first."""
    wrong, totals = counts.copy(), counts.sum(axis=1)
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:100]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        {
            "true": names[i],
            "predicted": names[j],
            "n": int(wrong[i, j]),
            "share": float(wrong[i, j] / totals[i]),
        }
        for i, j in pairs
        if wrong[i, j]
    ]


def _by_class(counts: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how well each class is found, the worst first."""
    right = np.diag(counts)
    return _worst_first(names, counts.sum(axis=1), counts.sum(axis=0), right)


def _by_label(y, found, names: Sequence[str]) -> list[dict[str, Any]]:
    right = ((y == 1) & (found == 1)).sum(axis=0)
    return _worst_first(names, y.sum(axis=0), found.sum(axis=0), right)


def _worst_first(names, n_true, n_found, n_right) -> list[dict[str, Any]]:
    rows = [
        {
            "name": name,
            "n": int(true),
            "recall": float(right / true) if true else None,
            "precision": float(right / found) if found else None,
        }
        for name, true, found, right in zip(
            names, n_true, n_found, n_right, strict=True
        )
    ]
    return sorted(rows, key=lambda row: 2.0 if row["recall"] is None else row["recall"])


def _curves(triples, weight, n_classes: int) -> dict[str, Any]:
    """Return the ROC and precision-recall curves of classes that vary."""
    roc, precision_recall = [], []
    for name, is_class, proba in triples:
        if is_class.all() or not is_class.any():
            continue
        options: dict[str, Any] = {"sample_weight": weight}
        fpr, tpr, _ = metrics.roc_curve(is_class, proba, **options)
        precision, recall, _ = metrics.precision_recall_curve(
            is_class, proba, **options
        )
        x, y = thinned(fpr, tpr)
        area = float(metrics.auc(fpr, tpr))
        roc.append({"name": name, "x": x, "y": y, "area": area})
        x, y = thinned(recall, precision)
        area = metrics.average_precision_score(is_class, proba, **options)
        precision_recall.append(
            {
                "name": name,
                "x": x,
                "y": y,
                "area": float(area),
                "share": float(np.average(is_class, weights=weight)),
            }
        )
    return {
        "roc": roc,
        "precision_recall": precision_recall,
        "n_left_out": 0 if n_classes == 2 else n_classes - len(roc),
    }


def _calibration(proba: np.ndarray, is_right: np.ndarray) -> dict[str, Any]:
    """Return predicted probabilities and the shares of right rows, by quantiles."""
    proba = np.clip(proba, 0.0, 1.0)
    if len(np.unique(is_right)) < 2:
        return {"predicted": [], "observed": []}
    observed, predicted = calibration_curve(
        is_right.astype(int), proba, n_bins=N_BINS, strategy="quantile"
    )
    return {"predicted": rounded(predicted), "observed": rounded(observed)}
