"""Bins of columns, and what they tell of other values."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from automodel.preprocessing.bins import (
    bins_of_codes,
    bins_of_numbers,
    explained_shares,
    parts_of_rows,
)


def test_few_distinct_numbers_have_a_bin_each():
    bins = bins_of_numbers(np.array([5.0, 0.0, 5.0, -1.0]))
    assert bins.tolist() == [2, 1, 2, 0]


def test_many_numbers_are_cut_into_bins_of_equal_size():
    bins = bins_of_numbers(np.random.default_rng(0).normal(size=3200), most=32)
    assert np.bincount(bins).tolist() == [100] * 32


def test_a_frequent_number_does_not_take_several_bins():
    values = np.concatenate([np.zeros(900), np.arange(1, 101)])
    bins = bins_of_numbers(values, most=10)
    assert (bins[:900] == bins[0]).all()
    assert (bins[900:] != bins[0]).all()


@pytest.mark.parametrize("values", [[np.nan, np.nan], [1.0, np.nan]])
def test_missing_numbers_have_a_bin_of_their_own(values):
    bins = bins_of_numbers(np.array(values))
    assert bins[1] == bins.max()
    assert (bins[0] == bins[1]) == np.isnan(values[0])


def test_rare_categories_share_a_bin_and_missing_ones_have_another():
    bins = bins_of_codes(np.array([0, 0, 0, 1, 1, 2, 3, -1]), most=2)
    assert bins.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]


def test_bins_that_determine_the_values_explain_nearly_all_of_their_variance():
    bins = np.arange(1000) % 4
    values = np.column_stack([bins, 3.0 - bins, np.ones(1000)])
    shares = explained_shares(bins, values, parts_of_rows(1000))
    assert (shares[:2] > 0.999).all()
    assert shares[2] == 0


def test_bins_of_single_rows_explain_nothing():
    values = np.random.default_rng(0).normal(size=(500, 1))
    assert explained_shares(np.arange(500), values, parts_of_rows(500))[0] < 0.01


def test_sparse_values_are_explained_like_dense_ones():
    rng = np.random.default_rng(0)
    values, bins = rng.integers(0, 2, (300, 3)).astype(float), rng.integers(0, 9, 300)
    parts = parts_of_rows(300)
    dense = explained_shares(bins, values, parts)
    assert np.allclose(explained_shares(bins, csr_matrix(values), parts), dense)
