"""Out-of-fold predictions that are made by hand, and the folds they belong to."""

import numpy as np

from automodel.ensemble.blend import Blend
from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.folds import Folds
from automodel.families import all_families
from automodel.metrics.metric import Metric
from automodel.preprocessing.table import Table
from tests.conftest import StubFamily, make_task
from tests.makers import make_metric
from tests.modality.signals import AngleTarget


def make_table(values):
    numeric = np.asarray(values, dtype=float).reshape(-1, 1)
    return Table(numeric, np.empty((len(numeric), 0), dtype=np.int32))


def make_folds(y):
    task = make_task("regression", len(y), 1)
    rows = np.arange(len(y))
    splits = [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])]
    metric = make_metric(None, task)
    return Folds(make_table(y), y, None, splits, task, metric)


def make_evaluations(folds, errors, names=None):
    names = names or ["linear"] * len(errors)
    evaluations = []
    for error, name in zip(errors, names, strict=True):
        oof = (folds.y + error)[:, None].astype(np.float32)
        candidate = Candidate(all_families()[name], {})
        score = folds.score(oof)
        evaluations.append(Evaluation(candidate, "complete", score, oof=oof))
    return evaluations


def mixture(evaluations, weights):
    return Blend.mean(weights).predict([e.oof for e in evaluations])


def class_folds(rows, n_classes=2):
    y = np.random.default_rng(0).integers(n_classes, size=rows)
    kind = "binary" if n_classes == 2 else "multiclass"
    task = make_task(kind, rows, 1, n_classes=n_classes)
    metric = make_metric("neg_log_loss", task, np.arange(n_classes))
    halves = np.arange(rows)[::2], np.arange(rows)[1::2]
    return Folds(make_table(y), y, None, [halves, halves[::-1]], task, metric)


def directions(n_rows, errors):
    """Return folds of directions, and models with these errors in degrees."""
    target = AngleTarget()
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 360, n_rows)
    metric = Metric.from_scoring(None, target)
    rows = np.arange(n_rows)
    splits = [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])]
    task = make_task("angle", n_rows, 1)
    y = target.encode(angles)
    folds = Folds(make_table(np.zeros(n_rows)), y, None, splits, task, metric)
    candidate = Candidate(StubFamily(), {})
    oofs = [target.encode(angles + error) for error in errors]
    evaluations = [
        Evaluation(candidate, "complete", folds.score(oof), oof=oof) for oof in oofs
    ]
    return folds, evaluations
