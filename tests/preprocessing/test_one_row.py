"""A single row is encoded as it is in a table, bit by bit."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from automodel.preprocessing.encoded import MixedRows, joined_columns
from automodel.preprocessing.reader import TableReader
from automodel.preprocessing.tabular import TabularEncoder

N_ROWS = 120
RNG = np.random.default_rng(0)
WORDS = ["good", "bad", "dog", "cat", "food", "very", "quite", "never", "cheap", "toy"]
TABLE = pd.DataFrame(
    {
        "price": np.where(RNG.random(N_ROWS) < 0.2, np.nan, RNG.normal(size=N_ROWS)),
        "sold": pd.date_range("2020-01-01", periods=N_ROWS, freq="11h").astype(str),
        "when": pd.date_range("2020-01-01", periods=N_ROWS, tz="Europe/Berlin"),
        "shop": pd.Categorical(RNG.choice(["north", "south", "east"], N_ROWS)),
        "city": RNG.choice([f"city {i}" for i in range(40)], N_ROWS),
        "is_new": RNG.random(N_ROWS) < 0.5,
        "review": [" ".join(RNG.choice(WORDS, 9)) for _ in range(N_ROWS)],
    }
)
y = (TABLE["review"].str.contains("good")).to_numpy().astype(int)
SETTINGS = [
    {},
    {"n_arithmetic": 20},
    {"categories": "target"},
    {"categories": "onehot", "missing": "impute", "scale": "standard"},
    {"categories": "onehot", "missing": "impute", "text": "tfidf"}
    | {"sparse_output": True, "dtype": "float64"},
]


def as_array(encoded):
    if isinstance(encoded, MixedRows):
        return encoded.matrix
    return encoded.toarray() if sparse.issparse(encoded) else encoded


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_row_is_encoded_as_in_a_table(settings):
    reader = TableReader()
    encoder = TabularEncoder(**settings).fit(reader.fit_transform(TABLE), y)
    new = TABLE.iloc[:12].copy()
    new.loc[3, ["review", "city", "sold"]] = None
    new.loc[4, ["review", "city"]] = ["unheard", "nowhere"]
    expected = encoder.transform_mixed(reader.transform(new))
    for i in range(len(new)):
        row = encoder.transform_mixed(reader.transform(new.iloc[[i]]))
        assert sparse.issparse(row) == sparse.issparse(expected)
        np.testing.assert_array_equal(as_array(row)[0], as_array(expected)[i])


@pytest.mark.parametrize("name", ["frame", "list", "array", "polars"])
def test_a_row_of_any_container_is_read_as_in_a_table(name):
    table = TABLE.drop(columns="when")
    reader = TableReader().fit(table)
    rows = table.iloc[[7]]
    if name == "list":
        rows = rows.to_numpy(dtype=object).tolist()
    elif name == "array":
        rows = rows.to_numpy(dtype=object)
    elif name == "polars":
        polars = pytest.importorskip("polars")
        rows = polars.DataFrame(rows.astype({"shop": str}).to_dict("list"))
    one, all_rows = reader.transform(rows), reader.transform(table)
    np.testing.assert_array_equal(one.numeric[0], all_rows.numeric[7])
    np.testing.assert_array_equal(one.codes[0], all_rows.codes[7])
    assert list(one.text[0].tokens(0)[0]) == list(all_rows.text[0].tokens(7)[0])


def test_columns_with_odd_names_are_read_one_by_one():
    names = [("a", "b"), 2, True]
    table = pd.DataFrame([["x", "y", "z"], ["y", "x", "z"]] * 9)
    table.columns = pd.Index(names, tupleize_cols=False)
    reader = TableReader()
    codes = reader.fit_transform(table).codes
    np.testing.assert_array_equal(reader.transform(table.iloc[[1]]).codes[0], codes[1])


def test_columns_of_one_row_are_joined_as_those_of_several():
    dense = np.array([[1.0, 0.0, np.nan], [0.0, 2.0, 3.0]])
    light = sparse.csr_matrix([[0.0, 4.0], [5.0, 0.0]])
    expected = joined_columns([dense, light]).toarray()
    np.testing.assert_array_equal(expected, np.hstack([dense, light.toarray()]))
    for i in range(2):
        row = joined_columns([dense[[i]], light[[i]]])
        np.testing.assert_array_equal(row.toarray()[0], expected[i])
