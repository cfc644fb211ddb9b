"""Large tables are encoded in blocks, and numbers stay in float32 if they were."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from automodel.preprocessing import encoded, numeric
from automodel.preprocessing.containers import open_columns
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.tabular import TabularEncoder

N_ROWS = 300
SETTINGS = [
    {},
    {"n_arithmetic": 20},
    {"n_arithmetic": 20, "missing": "impute", "scale": "standard"},
    {"categories": "target"},
    {"categories": "onehot", "missing": "impute", "scale": "standard"},
    {"categories": "onehot", "text": "tfidf", "sparse_output": True},
]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(N_ROWS, 6)).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    frame = pd.DataFrame(numbers).add_prefix("number")
    frame["city"] = rng.choice([f"city {i}" for i in range(40)], N_ROWS)
    frame["shop"] = rng.choice(["north", "south", None], N_ROWS)
    words = [f"word{i}" for i in range(30)]
    frame["review"] = [" ".join(rng.choice(words, 9)) for _ in range(N_ROWS)]
    return frame


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).integers(0, 2, N_ROWS)


def encoded_by(encoder, table, y, weight):
    parts = encoder.fit_transform(table, y, weight), encoder.transform(table)
    return [part.toarray() if sparse.issparse(part) else part for part in parts]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_blocks_of_rows_and_columns_change_nothing(
    setting, weighted, frame, y, monkeypatch
):
    table = TableReader().fit_transform(frame)
    weight = np.arange(N_ROWS) % 3 if weighted else None
    expected = encoded_by(TabularEncoder(**setting), table, y, weight)
    monkeypatch.setattr(encoded, "BLOCK_CELLS", 1)
    monkeypatch.setattr(encoded, "BLOCK_ROWS", 70)
    monkeypatch.setattr(numeric, "CELLS", 2 * N_ROWS)
    found = encoded_by(TabularEncoder(**setting), table, y, weight)
    for before, after in zip(expected, found, strict=True):
        assert type(after) is type(before)
        if isinstance(before, pd.DataFrame):
            pd.testing.assert_frame_equal(after, before)
        else:
            np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_float32_is_encoded_as_its_values_in_float64(setting, frame, y):
    X = frame.filter(like="number")
    tables = [TableReader().fit_transform(X.astype(d)) for d in ("float32", "float64")]
    small, large = (encoded_by(TabularEncoder(**setting), t, y, None) for t in tables)
    assert tables[0].numeric.nbytes == tables[1].numeric.nbytes / 2
    for one, other in zip(small, large, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["float32"], "float32"),
        (["uint8", "bool", "int16"], "float32"),
        (["float32", "int32"], "float64"),
        (["float64"], "float64"),
    ],
)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_numbers_are_in_float32_if_it_holds_them(dtypes, expected, container):
    pl = pytest.importorskip("polars")
    columns = {d: np.array([0, 1, 1]).astype(d) for d in dtypes}
    X = pd.DataFrame(columns) if container == "pandas" else pl.DataFrame(columns)
    block = open_columns(X).block
    assert block.dtype == expected
    np.testing.assert_array_equal(block.T, [[0, 1, 1]] * len(dtypes))


def test_an_array_in_float32_is_not_copied():
    X = np.random.default_rng(0).random((20, 3), dtype=np.float32)
    assert np.shares_memory(TableReader().fit_transform(X).numeric, X)


def test_large_numbers_in_float32_are_no_missing_values():
    X = np.array([[3e38, 1], [3e38, 2], [-3e38, 3], [-3e38, 4]], dtype=np.float32)
    table = TableReader().fit_transform(X)
    np.testing.assert_array_equal(table.numeric, X)
    assert np.isfinite(TabularEncoder().fit_transform(table)).all()


def test_encoding_takes_little_more_memory_than_its_result():
    X = np.random.default_rng(0).random((100_000, 20), dtype=np.float32)
    table = TableReader().fit_transform(X)
    encoder = TabularEncoder(n_arithmetic=100)
    tracemalloc.start()
    try:
        found = encoder.fit_transform(table, X[:, 0])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.dtype == np.float32
    assert peak < 2 * found.nbytes  # it was 6 times as much in float64


@pytest.mark.parametrize("setting", SETTINGS, ids=repr)
def test_no_rows_are_encoded_as_no_rows(setting, frame, y):
    table = TableReader().fit_transform(frame)
    encoder = TabularEncoder(**setting)
    n_columns = encoder.fit_transform(table, y).shape[1]
    assert encoder.transform(table.take(slice(0))).shape == (0, n_columns)


def test_float32_is_kept_if_columns_are_left_out():
    X = np.random.default_rng(0).random((20, 4), dtype=np.float32)
    X[:, 1], X[:, 2] = 1.0, X[:, 0]
    numeric = TableReader().fit_transform(X).numeric
    np.testing.assert_array_equal(numeric, X[:, [0, 3]])
    assert numeric.dtype == np.float32
