"""The data of a search, as it travels."""

import pickle
import sys

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

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


def test_what_is_encoded_does_not_travel():
    from automodel.preprocessing.tabular import TabularEncoder

    folds = make_folds()
    folds.encoded(0, TabularEncoder(), folds.y[folds.splits[0][0]])
    assert folds._cache
    assert pickle.loads(pickle.dumps(folds))._cache == {}
    folds.forget_encoded()
    assert not folds._cache


class Chosen(TransformerMixin, BaseEstimator):
    """Takes some columns, whose list is long."""

    def __init__(self, columns):
        self.columns = columns

    def fit_transform(self, X, y=None, sample_weight=None):
        return X.numeric[:, self.columns]

    def transform(self, X):
        return X.numeric[:, self.columns]


def test_encoders_whose_repr_is_shortened_are_told_apart():
    folds = make_folds()
    one, other = [0] * 400, [0] * 400
    other[200] = 1
    assert repr(Chosen(one)) == repr(Chosen(other))
    y = folds.y[folds.splits[0][0]]
    parts = [folds.encoded(0, Chosen(columns), y)[1] for columns in (one, other)]
    assert not np.array_equal(*parts)


def test_refits_share_what_is_encoded_of_all_rows():
    folds = make_folds()
    encoder, X, none = folds.encoded(-1, Chosen([0, 1]), folds.y)
    assert (X.shape, none.shape) == ((5000, 2), (0, 2))
    folds.encoded(0, Chosen([0, 1]), folds.y[folds.splits[0][0]])
    folds.forget_encoded(but=-1)
    assert folds.encoded(-1, Chosen([0, 1]), folds.y)[0] is encoder
    assert [fold for fold, _ in folds._cache] == [-1]
