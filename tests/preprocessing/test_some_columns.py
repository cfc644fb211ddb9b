"""A part of the columns of an encoder."""

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from automodel.evaluation.encoding import full_repr, learns_nothing
from automodel.preprocessing.some_columns import SomeColumns

X = np.arange(12.0).reshape(3, 4)


def test_columns_of_some_rows_are_selected():
    encoder = SomeColumns(FunctionTransformer(), ((0, 1), (2, 4)))
    np.testing.assert_array_equal(encoder.fit().transform(X), X[:, [0, 2, 3]])
    rows = np.array([2, 0])
    found = encoder.select(X, rows)
    np.testing.assert_array_equal(found, X[rows][:, [0, 2, 3]])
    assert found.flags.writeable
    assert not np.shares_memory(found, X)


def test_it_learns_nothing_and_is_told_apart_by_its_columns():
    one, other = (SomeColumns(FunctionTransformer(), ((0, i),)) for i in (1, 2))
    assert learns_nothing(one)
    assert full_repr(one) == full_repr(clone(one)) != full_repr(other)
    another = SomeColumns(FunctionTransformer(np.log1p), ((0, 1),))
    assert full_repr(one) != full_repr(another)


def test_an_output_that_users_set_for_transformers_changes_nothing():
    encoder = SomeColumns(StandardScaler().fit(X), ((0, 1), (2, 4)))
    expected = encoder.transform(X)
    with config_context(transform_output="pandas"):
        found = encoder.transform(X)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, expected)
