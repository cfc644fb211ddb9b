"""Predictions that are kept of the rows that did not choose their ensemble."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from automodel.ensemble.honest import HonestPredictions
from tests.conftest import make_task
from tests.ensemble.makers import class_folds, make_folds
from tests.makers import make_metric

ROWS = np.array([2, 3, 7])


def honest_of(folds, rows=ROWS, n_outputs=1):
    values = np.arange(len(rows) * n_outputs, dtype=float).reshape(-1, n_outputs)
    return HonestPredictions.of(folds, rows, values, 0.1 * values)


@pytest.fixture
def folds():
    return make_folds(np.arange(10.0))


def test_rows_are_those_of_the_user(folds):
    kept = np.ones(12, dtype=bool)
    kept[[0, 4]] = False
    own = honest_of(replace(folds, kept=kept, sample_weight=np.arange(10.0)))
    assert own.rows.tolist() == [3, 5, 9]
    assert own.y.tolist() == [2, 3, 7]
    assert own.sample_weight.tolist() == [2, 3, 7]
    assert own.n_rows == 12
    placed = own.placed(own.predictions[:, 0])
    assert np.flatnonzero(np.isfinite(placed)).tolist() == [3, 5, 9]


def test_rows_that_have_none_are_nan(folds):
    placed = honest_of(folds, n_outputs=2).placed(np.ones((3, 2)))
    assert placed.shape == (10, 2)
    assert np.isnan(placed).all(axis=1).sum() == 7


def test_their_arrays_are_all_that_is_kept(folds):
    own = honest_of(make_folds(np.arange(5000.0)), np.arange(5000))
    assert own.predictions.dtype == own.spread.dtype == np.float32
    n_bytes = sum(array.nbytes for array in vars(own).values() if np.ndim(array))
    assert len(pickle.dumps(own)) < n_bytes + 2000


def test_an_indicator_of_labels_is_kept_in_bytes():
    folds = make_folds(np.arange(10.0))
    metric = make_metric(None, make_task("multilabel", 10, 1, 3))
    labels = replace(folds, y=np.eye(10, 3, dtype=np.int64), metric=metric)
    assert honest_of(labels, n_outputs=3).y.dtype == np.int8
    assert honest_of(class_folds(10), n_outputs=2).y.dtype == np.int64


def test_of_too_many_cells_some_rows_are_kept(folds):
    own = honest_of(replace(folds, groups=np.arange(10)), np.arange(10), 2)
    assert own.sample(0, most_cells=20) is own
    part = own.sample(0, most_cells=9)
    assert len(part.rows) == 4
    assert (np.diff(part.rows) > 0).all()
    assert part.y.tolist() == part.groups.tolist() == part.rows.tolist()
    np.testing.assert_array_equal(part.predictions, own.predictions[part.rows])
    np.testing.assert_array_equal(part.spread, own.spread[part.rows])


def test_they_know_the_data_that_they_are_of(folds):
    own = honest_of(folds)
    assert own.is_of(folds)
    assert own.is_of(make_folds(np.arange(10.0)))
    assert not own.is_of(make_folds(np.arange(11.0)))
    assert not own.is_of(make_folds(np.arange(10.0)[::-1].copy()))
    assert not own.is_of(replace(folds, sample_weight=np.ones(10)))
    assert not own.is_of(replace(folds, groups=np.arange(10)))
    weighted = replace(folds, kept=np.arange(11) > 0)
    assert not own.is_of(weighted)
    assert honest_of(weighted).is_of(weighted)
