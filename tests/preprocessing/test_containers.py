import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from automodel.preprocessing.reader import TableReader

RNG = np.random.default_rng(0)


def test_read_only_arrays_are_read_and_left_as_they_are():
    X = RNG.normal(size=(20, 3))
    X[0, 0] = np.inf
    before = X.copy()
    X.flags.writeable = False
    table = TableReader().fit_transform(X)
    np.testing.assert_array_equal(X, before)
    assert np.isnan(table.numeric[0, 0])


@pytest.mark.parametrize(
    "make", [sparse.csr_matrix, sparse.coo_array, sparse.dok_matrix]
)
def test_sparse_matrices_stay_sparse(make):
    dense = RNG.normal(size=(10, 4)) * (RNG.random((10, 4)) < 0.3)
    table = TableReader().fit_transform(make(dense))
    assert table.sparse.format == "csr"
    assert table.sparse.dtype == np.float64
    np.testing.assert_array_equal(table.sparse.toarray(), dense)
    assert len(table) == 10


def test_sparse_infinities_are_missing_and_the_matrix_is_left_as_it_is():
    X = sparse.csr_matrix(np.array([[0, np.inf], [1e300, 2.0]]))
    data = X.data.copy()
    table = TableReader().fit_transform(X)
    assert np.isnan(table.sparse[0, 1])
    assert table.sparse[1, 0] == float(np.finfo(np.float32).max)
    np.testing.assert_array_equal(X.data, data)


def test_sparse_and_dense_are_read_in_the_form_of_fit():
    dense = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    from_dense = TableReader().fit(dense)
    from_sparse = TableReader().fit(sparse.csc_array(dense))
    np.testing.assert_array_equal(
        from_dense.transform(sparse.csr_array(dense)).numeric, dense
    )
    np.testing.assert_array_equal(from_sparse.transform(dense).sparse.toarray(), dense)


def test_polars_is_read_without_pyarrow():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import datetime, polars as pl\n"
        "from automodel.preprocessing.reader import TableReader\n"
        "day = datetime.datetime(2020, 1, 1)\n"
        "X = pl.DataFrame({'a': [1, None, 3], 'b': ['x', 'y', None],\n"
        "  'c': [day, None, day + datetime.timedelta(days=40)],\n"
        "  'd': pl.Series(['u', 'v', 'u'], dtype=pl.Categorical)})\n"
        "table = TableReader().fit_transform(X)\n"
        "assert table.codes.tolist() == [[0, 0], [1, 1], [-1, 0]]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_and_sparse_matrices_are_read_without_pandas():
    code = (
        "import sys; sys.modules['pandas'] = sys.modules['polars'] = None\n"
        "import numpy as np, scipy.sparse as sparse\n"
        "from automodel.preprocessing.reader import TableReader\n"
        "assert TableReader().fit_transform(np.eye(3)).numeric.shape == (3, 3)\n"
        "assert TableReader().fit_transform(sparse.eye_array(3)).sparse.nnz == 3\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
