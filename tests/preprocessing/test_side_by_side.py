"""The columns of several encoders beside each other."""

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import FunctionTransformer

from automodel.evaluation.encoding import full_repr, learns_nothing
from automodel.preprocessing.side_by_side import MeanOf, SideBySide, beside

X = np.arange(6.0).reshape(3, 2)


def test_columns_are_dense_unless_an_encoder_returns_sparse_ones():
    dense = SideBySide([FunctionTransformer(), FunctionTransformer(np.negative)])
    np.testing.assert_array_equal(dense.transform(X), np.hstack([X, -X]))
    mixed = SideBySide([FunctionTransformer(), FunctionTransformer(sparse.csr_array)])
    found = mixed.fit().transform(X)
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), np.hstack([X, X]))


def test_it_learns_nothing_and_its_parameters_are_those_of_its_encoders():
    one, other = (SideBySide([FunctionTransformer(kw_args={"a": i})]) for i in (1, 2))
    assert learns_nothing(one)
    assert full_repr(one) == full_repr(clone(one)) != full_repr(other)


def test_no_rows_have_all_columns():
    assert beside([X[:0], sparse.csr_array(X[:0])]).shape == (0, 4)


def test_the_mean_of_several_encoders():
    both = MeanOf([FunctionTransformer(), FunctionTransformer(np.square)])
    np.testing.assert_array_equal(both.fit().transform(X), (X + X**2) / 2)
    assert learns_nothing(both)
    assert full_repr(both) != full_repr(SideBySide(both.encoders))
