import numpy as np
import pytest
from scipy import sparse

from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.tabular import TabularEncoder

LINEAR = {"missing": "impute", "categories": "onehot", "scale": "standard"}


def weighted_and_repeated(table, seed=3):
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 4, len(table)).astype(float)
    rows = np.repeat(np.arange(len(table)), weight.astype(int))
    return weight, rows


def sparse_table(n_rows=40, n_columns=30, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(n_rows, n_columns, 0.2, random_state=rng, format="csr")
    return TableReader().fit_transform(matrix * 8)


def test_sparse_tables_stay_sparse_where_that_is_asked():
    table = sparse_table()
    encoded = TabularEncoder(sparse_output=True).fit_transform(table)
    assert encoded.format == "csr"
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded.toarray(), table.sparse.toarray(), rtol=1e-6)
    dense = TabularEncoder().fit_transform(table)
    np.testing.assert_allclose(dense, table.sparse.toarray(), rtol=1e-6)


def test_sparse_tables_are_scaled_without_centring():
    encoded = TabularEncoder(**LINEAR, sparse_output=True).fit_transform(sparse_table())
    assert encoded.nnz == sparse_table().sparse.nnz
    np.testing.assert_allclose(abs(encoded).max(axis=0).toarray(), 1)


def test_wide_sparse_tables_become_few_dense_columns():
    table = sparse_table(150, 5000)
    encoder = TabularEncoder(missing="impute")
    assert encoder.fit_transform(table).shape == (150, 100)
    assert encoder.transform(table.take([3])).shape == (1, 100)


def test_missing_values_of_sparse_tables_are_zero_when_imputed():
    matrix = sparse.csr_matrix(np.array([[np.nan, 1.0], [2.0, 0.0]]))
    table = TableReader().fit_transform(matrix)
    assert np.isnan(TabularEncoder().fit_transform(table)[0, 0])
    encoded = TabularEncoder(missing="impute").fit_transform(table)
    np.testing.assert_array_equal(encoded, [[0, 1], [2, 0]])


@pytest.mark.parametrize("sparse_output", [True, False])
def test_weights_of_sparse_tables_have_the_effect_of_repeated_rows(sparse_output):
    table = sparse_table()
    setting = {**LINEAR, "sparse_output": sparse_output}
    weight, rows = weighted_and_repeated(table)
    one = TabularEncoder(**setting).fit(table, None, weight).transform(table)
    other = TabularEncoder(**setting).fit(table.take(rows)).transform(table)
    assert abs(one - other).max() == 0
