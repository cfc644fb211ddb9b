import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from automodel.preprocessing.reader import TableReader

N = 60

RNG = np.random.default_rng(0)

NUMBERS = RNG.normal(size=N)

COLOURS = RNG.choice(["red", "green", "blue"], size=N)

DAYS = pd.date_range("2020-01-01", periods=N, freq="40h")


def read_column(values, **frame_options):
    """Return the reader and the table of one column."""
    frame = pd.DataFrame({"a": values}, **frame_options)
    reader = TableReader()
    return reader, reader.fit_transform(frame)


def test_repeated_column_names_are_an_error():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="repeats the column names 'a'"):
        TableReader().fit(frame)


@pytest.mark.parametrize("dtype", ["float64", "Int64", "object"])
def test_numbers_that_become_text_are_an_error_that_names_the_column(dtype):
    reader, _ = read_column(pd.array([1, 2, 3], dtype=dtype))
    with pytest.raises(ValueError, match="'a' .* was numeric .* text, as 'many'"):
        reader.transform(pd.DataFrame({"a": ["1", "many", None]}))


def test_numbers_that_become_numbers_in_strings_are_read():
    reader, _ = read_column([1.0, 2.0, 3.0])
    new = reader.transform(pd.DataFrame({"a": ["7", None, "NA"]}))
    np.testing.assert_array_equal(new.numeric[:, 0], [7, np.nan, np.nan])


def test_what_does_not_parse_is_missing_where_numbers_came_as_strings():
    reader, _ = read_column(["1", "2", "3"])
    new = reader.transform(pd.DataFrame({"a": ["7", "many", "2.5"]}))
    np.testing.assert_array_equal(new.numeric[:, 0], [7, np.nan, 2.5])


def test_what_does_not_parse_is_missing_where_dates_came_as_strings():
    reader, table = read_column(["2020-01-01", "2020-03-02", "2021-01-04"])
    new = reader.transform(pd.DataFrame({"a": ["2020-03-02", "soon", None]}))
    np.testing.assert_array_equal(new.numeric[0], table.numeric[1])
    assert np.isnan(new.numeric[1:]).all()


def test_dates_that_become_numbers_are_an_error():
    reader, _ = read_column(DAYS)
    with pytest.raises(ValueError, match="'a' .* was date .* holds number"):
        reader.transform(pd.DataFrame({"a": [1.0, 2.0]}))


@pytest.mark.parametrize("values", [NUMBERS, COLOURS, DAYS, pd.to_timedelta(NUMBERS)])
def test_a_column_without_a_value_can_be_read_whatever_its_kind(values):
    reader, table = read_column(values)
    for missing in ([None], [np.nan], [pd.NaT]):
        new = reader.transform(pd.DataFrame({"a": missing}))
        assert np.isnan(new.numeric).all()
        assert (new.codes == -1).all()
        assert new.numeric.shape[1] == table.numeric.shape[1]


@pytest.mark.parametrize("value", [{"foo": "bar"}, [1, 2], (1, 2), object()])
def test_values_that_are_no_scalars_are_a_type_error(value):
    X = np.empty((3, 2), dtype=object)
    X[:] = 1.5
    X[1, 1] = value
    with pytest.raises(TypeError, match="'1' .* argument must be .* string.* number"):
        TableReader().fit(X)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_lists_in_a_frame_are_a_type_error(kind):
    frame = pl.DataFrame({"a": [[1], [2], [3]]})
    if kind == "pandas":
        frame = frame.to_pandas(use_pyarrow_extension_array=True)
    with pytest.raises(TypeError, match="'a' .* argument must be .* string.* number"):
        TableReader().fit(frame)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((3, 1), dtype=complex),
        pd.DataFrame({"a": [1j, 2j]}),
        np.array([[1j], ["a"]], dtype=object),
        sparse.csr_matrix(np.ones((3, 1), dtype=complex)),
    ],
)
def test_complex_numbers_are_an_error(X):
    with pytest.raises(ValueError, match="Complex data not supported"):
        TableReader().fit(X)


def test_one_dimension_is_an_error_that_says_how_to_mend_it():
    with pytest.raises(ValueError, match=r"Expected 2D array.*reshape\(-1, 1\)"):
        TableReader().fit(np.ones(3))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_another_number_of_columns_is_an_error(make):
    reader = TableReader().fit(make(RNG.normal(size=(4, 3))))
    with pytest.raises(ValueError, match="X has 2 features, but TableReader is expect"):
        reader.transform(make(RNG.normal(size=(4, 2))))
