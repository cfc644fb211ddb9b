"""Folds and evaluations of a small search that never ran."""

import numpy as np

from automodel.evaluation.evaluate import Candidate, Evaluation
from automodel.evaluation.folds import Folds
from tests.conftest import StubFamily, make_task
from tests.makers import make_metric

N_ROWS = 60
Y = np.arange(N_ROWS) % 2


def class_folds(scoring="roc_auc", n_folds=3):
    task = make_task("binary", N_ROWS, 1, n_classes=2)
    parts = np.array_split(np.arange(N_ROWS), 3)
    splits = [(np.setdiff1d(np.arange(N_ROWS), part), part) for part in parts]
    metric = make_metric(scoring, task, np.arange(2))
    return Folds(None, Y, None, splits[:n_folds], task, metric)


def make_evaluation(models=(None,) * 3, **family):
    stub = StubFamily()
    for name, value in family.items():
        setattr(stub, name, value)
    candidate = Candidate(stub, {}, seed=7)
    return Evaluation(candidate, "complete", models=list(models))
