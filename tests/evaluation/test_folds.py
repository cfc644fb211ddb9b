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


def drawn(weight):
    folds = make_folds()
    splits = [(np.arange(2500), np.arange(2500, 5000))]
    facts = {"cv": splits, "task": folds.task, "metric": folds.metric, "seed": 0}
    return Folds.draw(folds.rows, folds.y, weight, None, **facts)


def test_rows_have_the_positions_that_the_user_knows():
    weight = np.tile([0.0, 1.0], 2500)
    folds = drawn(weight)
    assert len(folds.y) == 2500
    assert folds.n_given == 5000
    assert folds.positions(np.array([0, 2499])).tolist() == [1, 4999]
    for weight in (None, np.ones(5000)):
        folds = drawn(weight)
        assert folds.n_given == 5000
        assert folds.positions(np.array([0, 4999])).tolist() == [0, 4999]
