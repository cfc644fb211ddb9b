import numpy as np
import pytest

from automodel.preprocessing.numeric import NumericColumns, weighted_quantiles

QUANTILES = [0.25, 0.5, 0.75]


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 10, 11])
def test_quantiles_are_the_averaged_ones_of_numpy(n_rows):
    X = np.random.default_rng(n_rows).normal(size=(n_rows, 3))
    expected = np.quantile(X, QUANTILES, axis=0, method="averaged_inverted_cdf")
    np.testing.assert_allclose(weighted_quantiles(X, QUANTILES), expected)
    weight = np.full(n_rows, 0.1)
    np.testing.assert_allclose(weighted_quantiles(X, QUANTILES, weight), expected)


def test_quantiles_leave_missing_values_out():
    X = np.array([[np.nan, 1.0], [2.0, np.nan], [4.0, 3.0]])
    assert weighted_quantiles(X, [0.5]).tolist() == [[3.0, 2.0]]
    assert weighted_quantiles(X, [0.5], np.ones(3)).tolist() == [[3.0, 2.0]]


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
