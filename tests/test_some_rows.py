"""Rows of an array that stay where they are."""

import numpy as np

from automodel.some_rows import SomeRows

ARRAY = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
ROWS = np.array([4, 1, 3])


def test_they_look_like_an_array_of_their_own():
    some = SomeRows(ARRAY, ROWS)
    assert (len(some), some.shape, some.ndim, some.dtype) == (3, (3, 2, 2), 3, np.uint8)
    np.testing.assert_array_equal(np.asarray(some), ARRAY[ROWS])
    assert np.asarray(some, dtype=float).dtype == float
    assert some.nbytes == ROWS.nbytes


def test_rows_of_rows_share_the_array():
    some = SomeRows(ARRAY, ROWS)[np.array([2, 0])]
    assert some.array is ARRAY
    np.testing.assert_array_equal(np.asarray(some), ARRAY[[3, 4]])
    np.testing.assert_array_equal(some.copied([1]), ARRAY[[4]])


def test_an_array_stands_for_all_of_its_rows():
    assert SomeRows.of(ARRAY).array is ARRAY
    np.testing.assert_array_equal(np.asarray(SomeRows.of(ARRAY)), ARRAY)
    some = SomeRows(ARRAY, ROWS)
    assert SomeRows.of(some) is some
