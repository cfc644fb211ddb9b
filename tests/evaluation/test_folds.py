"""The data of a search, as it travels."""

import sys

import numpy as np

from automodel.evaluation.folds import Folds
from automodel.preprocessing.reader import TableReader
from tests.conftest import make_task
from tests.makers import make_metric


def make_folds(n_rows=5000):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_rows, 5)), rng.integers(0, 2, n_rows)
    task = make_task("binary", n_rows, 5, 2)
    metric = make_metric(None, task, np.array([0, 1]))
    splits = [(np.arange(0, 4000), np.arange(4000, n_rows))]
    return Folds(TableReader().fit_transform(X), y, None, splits, task, metric)


def test_their_size_is_told_so_that_dask_sends_them_once():
    folds = make_folds()
    assert sys.getsizeof(folds) > folds.rows.nbytes
