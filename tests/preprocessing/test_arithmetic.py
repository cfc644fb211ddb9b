import numpy as np
import pytest

from automodel.preprocessing.arithmetic import ArithmeticColumns
from automodel.preprocessing.table import Table
from automodel.preprocessing.tabular import TabularEncoder


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(200, 4)) * [1.0, 10.0, 0.1, 1e6]


def test_all_operations_of_two_columns_are_made(X):
    X = X[:, :2]
    a, b = (X / X.std(axis=0)).T
    made = ArithmeticColumns().fit_transform(X)
    expected = np.column_stack([a + b, a - b, a * b, a / b, b / a])
    assert made == pytest.approx(expected)


def test_no_more_are_made_than_wanted_and_a_seed_repeats_them(X):
    first, again, other = (
        ArithmeticColumns(7, random_state=seed).fit(X) for seed in (0, 0, 1)
    )
    assert first.transform(X).shape == (200, 7)
    assert first.operations_ == again.operations_ != other.operations_


def test_columns_of_two_values_and_constant_ones_take_no_part(X):
    X[:, 0] = 5.0
    X[:, 1] = X[:, 1] > 0
    made = ArithmeticColumns().fit(X)
    assert {i for _, *pair in made.operations_ for i in pair} == {2, 3}
    assert ArithmeticColumns().fit_transform(X[:, :2]).shape == (200, 0)


def test_the_columns_of_most_values_take_part(X):
    X[:, 2] = np.round(X[:, 2], 1)
    made = ArithmeticColumns(n_columns=3).fit(X)
    assert {i for _, *pair in made.operations_ for i in pair} == {0, 1, 3}


def test_what_cannot_be_computed_is_missing(X):
    X[0, 0], X[1, 1], X[2] = np.nan, 0.0, 1e308
    made = ArithmeticColumns().fit(X[3:]).transform(X)
    assert np.isnan(made[0]).any() and np.isnan(made[1]).any()
    assert not np.isinf(made).any()
    assert np.isfinite(made[3:]).all()


def test_rows_of_weight_zero_do_not_matter(X):
    weight = np.repeat([1.0, 0.0], 100)
    weighted = ArithmeticColumns().fit(X, None, weight)
    assert (weighted.scale_ == ArithmeticColumns().fit(X[:100]).scale_).all()


def test_the_encoder_appends_them_to_the_numbers(X):
    table = Table(X, np.zeros((200, 1), dtype=np.int32), (1,))
    plain = TabularEncoder(categories="onehot").fit_transform(table)
    encoder = TabularEncoder(categories="onehot", n_arithmetic=6)
    encoded = encoder.fit_transform(table)
    assert encoded.shape == (200, plain.shape[1] + 6)
    assert (encoded[:, :4] == plain[:, :4]).all()
    assert encoder.transform(table) == pytest.approx(encoded, nan_ok=True)
    assert encoder.n_features_out_ == encoded.shape[1]


def test_a_single_row_is_computed_as_in_a_table():
    X = np.random.default_rng(0).normal(size=(40, 6))
    X[3, 2], X[5, 1] = np.nan, 0.0
    encoder = ArithmeticColumns().fit(X)
    rows = [encoder.transform(X[[i]]) for i in range(len(X))]
    np.testing.assert_array_equal(np.vstack(rows), encoder.transform(X))
