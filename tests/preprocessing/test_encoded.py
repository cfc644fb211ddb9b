"""What encoders return is taken, joined and counted alike, whatever it is."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from automodel.preprocessing.encoded import joined, nbytes_of, take_rows

VALUES = np.arange(20.0).reshape(5, 4)
KINDS = {
    "array": VALUES,
    "matrix": sparse.csr_matrix(VALUES),
    "frame": pd.DataFrame(VALUES, columns=list("abcd")),
}


def dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [np.array([3, 0]), slice(1, 3), np.arange(5) > 2])
def test_rows_are_taken(kind, rows):
    np.testing.assert_array_equal(dense(take_rows(KINDS[kind], rows)), VALUES[rows])


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_joined_to_what_they_were(kind):
    parts = [take_rows(KINDS[kind], slice(start, start + 2)) for start in (0, 2, 4)]
    whole = joined(parts)
    assert type(whole) is type(KINDS[kind])
    np.testing.assert_array_equal(dense(whole), VALUES)
    if kind == "frame":
        assert list(whole.index) == list(range(5))


def test_all_bytes_are_counted():
    matrix = KINDS["matrix"]
    arrays = matrix.data, matrix.indices, matrix.indptr
    assert nbytes_of(KINDS["array"]) == VALUES.nbytes
    assert nbytes_of(matrix) == sum(array.nbytes for array in arrays)
    assert nbytes_of(KINDS["frame"]) == VALUES.nbytes


def test_a_sparse_matrix_that_is_taken_can_be_written():
    matrix = sparse.csr_matrix(VALUES)
    matrix.data.flags.writeable = False
    assert take_rows(matrix, slice(None)).data.flags.writeable
