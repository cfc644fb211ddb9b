"""What the checks of all targets have in common."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from automodel.targets.checks import as_column, is_number, is_numeral, missing


@pytest.mark.parametrize(
    "y",
    [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), pd.Series([1, 2, 3], index=[7, 7, 9])],
    ids=["list", "tuple", "array", "series"],
)
def test_a_column_comes_as_an_array_of_one_dimension(y):
    found = as_column(y)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, [1, 2, 3])


def test_a_container_of_another_library_is_asked_for_an_array():
    class Column:
        def to_numpy(self):
            return np.array([1, 2, 3])

        def __len__(self):
            return 3

    np.testing.assert_array_equal(as_column(Column()), [1, 2, 3])


def test_a_matrix_of_one_column_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert as_column(np.ones((3, 1))).shape == (3,)


def test_values_are_left_unchecked_and_of_their_type():
    y = np.array(["a", None, float("nan")], dtype=object)
    assert as_column(y) is not None
    assert as_column(y).dtype == object
    assert np.isinf(as_column([1.0, np.inf])).sum() == 1


@pytest.mark.parametrize(
    "y, match",
    [(None, "requires y to be passed"), (np.ones((3, 2)), "1d array")],
)
def test_what_is_no_column_is_refused(y, match):
    with pytest.raises(ValueError, match=match):
        as_column(y)


NOTHING = [None, float("nan"), np.float32("inf"), pd.NA, pd.NaT]


@pytest.mark.parametrize("value", NOTHING, ids=str)
def test_missing_values_among_objects_are_found(value):
    y = np.empty(3, dtype=object)
    y[:] = ["a", value, 7]
    assert missing(y).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "y",
    [
        np.array([1.0, np.nan, 2.0]),
        np.array([1.0, -np.inf, 2.0], dtype=np.float32),
        np.array(["2020-01-01", "NaT", "2021-01-01"], dtype="datetime64[D]"),
        np.array([1, "NaT", 2], dtype="timedelta64[s]"),
    ],
    ids=lambda y: y.dtype.name,
)
def test_missing_values_of_each_type_are_found(y):
    assert missing(y).tolist() == [False, True, False]


@pytest.mark.parametrize("y", [[1, 2], [True, False], ["", "nan"]], ids=str)
def test_types_that_cannot_be_missing_are_not(y):
    found = missing(np.array(y))
    assert found.dtype == bool
    assert found.tolist() == [False, False]


@pytest.mark.parametrize(
    "value", [1, 1.5, True, np.float32(2), Decimal("1.5")], ids=str
)
def test_numbers_are_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize(
    "value", ["1", None, np.timedelta64(1, "s"), timedelta(1), 1j], ids=repr
)
def test_durations_and_numerals_are_no_numbers(value):
    assert not is_number(value)


def test_a_numeral_can_be_read_as_a_number():
    assert all(map(is_numeral, ["1", " 1e3 ", "nan", 2, Decimal("1.5")]))
    assert not any(map(is_numeral, ["one", "", None, 1j, "1,5"]))
