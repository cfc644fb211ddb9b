import numpy as np
import pytest

from automodel.preprocessing.numeric import NumericColumns, weighted_medians


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 10, 11])
def test_medians_are_those_of_numpy(n_rows):
    X = np.random.default_rng(n_rows).normal(size=(n_rows, 3))
    np.testing.assert_allclose(weighted_medians(X), np.median(X, axis=0))
    weight = np.full(n_rows, 0.1)
    np.testing.assert_allclose(weighted_medians(X, weight), np.median(X, axis=0))


def test_medians_of_weighted_rows_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(20, 3)), rng.integers(1, 4, 20)
    repeated = np.repeat(X, weight, axis=0)
    expected = np.median(repeated, axis=0)
    np.testing.assert_allclose(weighted_medians(X, weight.astype(float)), expected)


def test_medians_leave_missing_values_out():
    X = np.array([[np.nan, 1.0], [2.0, np.nan], [4.0, 3.0]])
    assert weighted_medians(X).tolist() == [3.0, 2.0]
    assert weighted_medians(X, np.ones(3)).tolist() == [3.0, 2.0]


@pytest.mark.parametrize("weight", [None, np.array([2.0, 1.0, 1.0])])
def test_missing_values_that_are_kept_do_not_count_in_the_scale(weight):
    X = np.array([[1.0], [np.nan], [3.0]])
    scaled = NumericColumns(scale="standard").fit(X, None, weight).transform(X)
    known = np.average([1.0, 3.0], weights=None if weight is None else [2.0, 1.0])
    assert np.isnan(scaled[1, 0])
    assert scaled[0, 0] * (3.0 - known) == pytest.approx(scaled[2, 0] * (1.0 - known))


def test_columns_without_a_value_are_left_out():
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    columns = NumericColumns(missing="impute").fit(X)
    assert columns.transform(X).tolist() == [[1.0], [2.0]]
