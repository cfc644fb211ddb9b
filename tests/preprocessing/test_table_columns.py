"""The columns of X in a table, and their permutation."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import random as random_matrix

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.table_columns import TableColumns

N = 60
WORDS = ["good", "bad", "film", "plot", "the", "so", "fine", "dull"]


@pytest.fixture
def mixed():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "same": 1,
            "age": rng.normal(size=N),
            "sold": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "city": pd.Categorical(rng.choice(["Oslo", "Rome", None], N)),
            "name": [f"{a}{i % 40}" for i, a in enumerate(rng.choice(WORDS, N))],
            "said": [" ".join(rng.choice(WORDS, 10)) for _ in range(N)],
            "copy": 0.0,
        }
    ).assign(copy=lambda frame: frame["age"])


@pytest.mark.parametrize("column", ["age", "sold", "city", "name", "said"])
def test_a_permuted_table_is_that_of_the_permuted_column(mixed, column):
    reader = TableReader()
    table = reader.fit_transform(mixed)
    columns = TableColumns(reader)
    order = np.random.default_rng(1).permutation(N)
    values = mixed[column].take(order).set_axis(mixed.index)
    expected = reader.transform(mixed.assign(**{column: values}))
    permuted = columns.permuted(table, list(columns.names).index(column), order)
    assert np.array_equal(permuted.numeric, expected.numeric, equal_nan=True)
    assert np.array_equal(permuted.codes, expected.codes)
    for own, other in zip(permuted.text, expected.text, strict=True):
        ours, theirs = own.counts[own.codes], other.counts[other.codes]
        assert (ours != theirs).nnz == 0
    assert any(
        not np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
        for before, after in [
            (table.numeric, permuted.numeric),
            (table.codes, permuted.codes),
            *zip(
                (t.codes for t in table.text),
                (t.codes for t in permuted.text),
                strict=True,
            ),
        ]
    )


def test_columns_that_are_dropped_are_not_permuted(mixed):
    reader = TableReader()
    table = reader.fit_transform(mixed)
    columns = TableColumns(reader)
    assert columns.is_read.tolist() == [False, True, True, True, True, True, False]
    assert columns.permuted(table, 0, np.arange(N)[::-1]) is None


def test_a_permutation_that_changes_nothing_is_no_table(mixed):
    reader = TableReader()
    table = reader.fit_transform(mixed)
    assert TableColumns(reader).permuted(table, 1, np.arange(N)) is None


def test_a_column_of_a_sparse_matrix_is_permuted():
    X = random_matrix(N, 5, density=0.3, format="csr", random_state=0)
    reader = TableReader()
    table = reader.fit_transform(X)
    columns = TableColumns(reader)
    order = np.random.default_rng(1).permutation(N)
    expected = X.toarray()
    expected[:, 2] = expected[order, 2]
    permuted = columns.permuted(table, 2, order)
    assert np.array_equal(permuted.sparse.toarray(), expected)
    assert list(columns.names) == ["x0", "x1", "x2", "x3", "x4"]
    assert columns.permuted(table, 2, np.arange(N)) is None


@pytest.mark.parametrize("is_sparse", [False, True])
def test_columns_that_tell_the_values_come_first(is_sparse):
    X = random_matrix(1500, 4, density=0.5, format="csr", random_state=0)
    values = np.sin(3 * X[:, [2]].toarray())
    reader = TableReader()
    table = reader.fit_transform(X if is_sparse else X.toarray())
    shares = TableColumns(reader).association(table, values)
    assert shares.argmax() == 2
    assert shares[2] > 0.9
    assert (np.delete(shares, 2) < 0.1).all()


def test_texts_come_first_and_dropped_columns_last(mixed):
    reader = TableReader()
    table = reader.fit_transform(mixed)
    values = mixed[["age"]].to_numpy()
    shares = TableColumns(reader).association(table, values)
    assert shares[5] == 1
    assert shares[[0, 6]].tolist() == [-1, -1]
    assert shares[1] > shares[[2, 3]].max()
