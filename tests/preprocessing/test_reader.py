import datetime
import decimal
import pickle
import subprocess
import sys

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


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        NUMBERS.astype("float32"),
        np.arange(N, dtype="uint8"),
        NUMBERS > 0,
        pd.array([*range(N - 1), None], dtype="Int64"),
        pd.array([True, False] * (N // 2 - 1) + [None, None], dtype="boolean"),
        pd.array([*NUMBERS[:-1], None], dtype="float64[pyarrow]"),
        pd.array([True, False, None] * (N // 3), dtype="bool[pyarrow]"),
        [decimal.Decimal("1.5"), None] * (N // 2) + [decimal.Decimal("2.5")],
        np.array([1, 2.5, None, True] * 15, dtype=object),
        [str(v) for v in NUMBERS],
        ["1", " 2.5", "", "n/a", "-3e2"] * 12,
        np.array([1, "2", 3.5, None] * 15, dtype=object),
        pd.arrays.SparseArray([0.0, 0.0, 1.0] * 20),
    ],
    ids=lambda v: str(getattr(v, "dtype", "list")) + str(v[0]),
)
def test_columns_of_numbers_are_numeric(values):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "numeric"}
    assert table.numeric.dtype == np.float64
    expected = [
        np.nan if pd.isna(v) or str(v).strip() in ("", "n/a") else float(v)
        for v in values
    ]
    np.testing.assert_allclose(table.numeric[:, 0], expected)


@pytest.mark.parametrize(
    "values",
    [
        DAYS,
        DAYS.tz_localize("UTC"),
        pd.Series(DAYS).astype("timestamp[us][pyarrow]"),
        [*DAYS.to_pydatetime()],
        [str(day) for day in DAYS],
        DAYS.strftime("%m/%d/%Y %H:%M:%S"),
        pd.array(DAYS, dtype="datetime64[s]"),
        pd.Series(DAYS).astype("timestamp[ns, tz=UTC][pyarrow]"),
    ],
    ids=[
        "naive",
        "zone",
        "arrow",
        "objects",
        "iso strings",
        "us strings",
        "seconds",
        "arrow zone",
    ],
)
def test_dates_give_the_same_numbers_in_every_form(values):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "date"}
    hours = np.arange(N) * 40
    np.testing.assert_allclose(table.numeric[:, 0], hours / 24)
    # The year is constant, the others follow.
    assert table.numeric.shape[1] == 5
    expected = [[d.month, d.day, d.weekday(), d.hour] for d in DAYS]
    np.testing.assert_array_equal(table.numeric[:, 1:], expected)


@pytest.mark.parametrize(
    "values",
    [
        [d.date() for d in DAYS],
        pd.Series([d.date() for d in DAYS]).astype("date32[pyarrow]"),
        [str(d.date()) for d in DAYS],
        pd.PeriodIndex(DAYS, freq="D"),
    ],
    ids=["objects", "arrow", "strings", "periods"],
)
def test_dates_without_a_time_have_no_hour(values):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "date"}
    assert table.numeric.shape[1] == 4  # time, month, day, weekday


def test_constant_parts_of_a_date_with_missing_values_are_left_out():
    days = [datetime.date(2020, 1, i + 1) if i % 2 else None for i in range(20)]
    _, table = read_column(days)
    assert table.numeric.shape[1] == 3  # time, day, weekday
    assert np.isnan(table.numeric[::2]).all()


def test_parts_of_a_date_follow_the_clock_of_its_zone():
    winter = pd.date_range("2020-01-31 23:30", periods=2, freq="366D", tz="UTC")
    _, table = read_column(winter.tz_convert("Asia/Tokyo"))
    frame = pd.DataFrame({"a": winter.tz_convert("Asia/Tokyo")})
    reader = TableReader().fit(pd.concat([frame, frame + pd.Timedelta("30D 5h")]))
    # 23:30 in UTC is 8:30 of the next day in Tokyo.
    assert reader.transform(frame).numeric[0, 1:].tolist() == [2020, 2, 1, 5, 8]
    in_utc = pd.DataFrame({"a": winter})
    np.testing.assert_array_equal(
        reader.transform(in_utc).numeric, reader.transform(frame).numeric
    )
    assert len(table) == 2


def test_arrays_of_dates_and_durations_are_read():
    dates = DAYS.to_numpy().reshape(-1, 1)
    reader = TableReader()
    assert reader.fit_transform(dates).numeric.shape == (N, 5)
    assert reader.kinds_ == {"0": "date"}
    seconds = TableReader().fit_transform(dates - dates[0]).numeric[:, 0]
    np.testing.assert_allclose(seconds, np.arange(N) * 40 * 3600)


def test_missing_and_far_away_dates_are_read():
    _, table = read_column(["0201-01-01", "9999-12-31", None, "2020-05-05"])
    assert np.isnan(table.numeric[2]).all()
    assert table.numeric[:2, 1].tolist() == [201, 9999]


@pytest.mark.parametrize(
    "values",
    [
        pd.to_timedelta(np.arange(N), unit="h"),
        [datetime.timedelta(hours=h) for h in range(N)],
        pd.Series(pd.to_timedelta(np.arange(N), unit="h")).astype(
            "duration[us][pyarrow]"
        ),
    ],
    ids=["pandas", "objects", "arrow"],
)
def test_durations_are_seconds(values):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "duration"}
    np.testing.assert_allclose(table.numeric[:, 0], np.arange(N) * 3600)


@pytest.mark.parametrize(
    "values",
    [
        COLOURS.astype(object),
        pd.array(COLOURS, dtype="string"),
        pd.array(COLOURS, dtype="string[pyarrow]"),
        pd.Categorical(COLOURS),
        pd.Categorical(COLOURS, categories=["unused", "red", "green", "blue", "a"]),
        pd.Series(COLOURS).astype(pd.ArrowDtype(__import__("pyarrow").string())),
        np.array([c.encode() for c in COLOURS], dtype=object),
    ],
)
def test_strings_and_categories_give_codes_sorted_by_string(values):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "categorical"}
    assert table.cardinalities == (3,)
    assert table.codes.dtype == np.int32
    expected = [["blue", "green", "red"].index(c) for c in COLOURS]
    assert table.codes[:, 0].tolist() == expected


def test_numbers_that_are_declared_categories_stay_categories():
    reader, table = read_column(pd.Categorical([3, 1, 2, 1]))
    assert reader.kinds_ == {"a": "categorical"}
    # A missing value turns whole numbers into floats: they are the same category.
    new = reader.transform(pd.DataFrame({"a": [1.0, np.nan, 3.0, 9.0]}))
    assert new.codes[:, 0].tolist() == [0, -1, 2, -1]
    assert table.codes[:, 0].tolist() == [2, 0, 1, 0]


def test_mixed_types_are_categories_of_their_strings():
    values = np.array([1, "one", None, 1.0, "1", True, b"one"], dtype=object)
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "categorical"}
    assert table.codes[:, 0].tolist()[1:5] == [1, -1, 0, 0]
    assert table.codes[6, 0] == 1


def test_unseen_and_missing_and_blank_strings_are_minus_one():
    reader, _ = read_column(["a", "b"])
    new = pd.DataFrame({"a": ["b", "new", None, " "]})
    assert reader.transform(new).codes[:, 0].tolist() == [1, -1, -1, -1]


def test_long_strings_are_text():
    words = np.array(
        ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "again"]
    )
    values = [" ".join(RNG.permutation(words)) for _ in range(200)]
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "text"}
    assert table.codes.shape == (200, 0)
    assert table.text[0].shape == (200, 2**18)
    # Nine words of two letters and more, and their eight pairs.
    assert (table.text[0].sum(axis=1) == 17).all()


def test_short_strings_of_several_words_are_categories_and_text():
    titles = [f"{a} {b} officer" for a in range(15) for b in range(15)] * 2
    reader, table = read_column(titles)
    assert reader.kinds_ == {"a": "categorical+text"}
    assert table.cardinalities == (225,)
    assert table.text[0].shape == (450, 2**18)


def test_names_that_never_repeat_are_text():
    reader, _ = read_column([f"Smith{i}, Mr. John" for i in range(200)])
    assert reader.kinds_ == {"a": "text"}


def test_missing_text_has_no_tokens():
    values = [f"word{i} and more words of a long text here" for i in range(150)]
    _, table = read_column([*values, None, ""])
    assert table.text[0][-2:].nnz == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0] * N, "constant"),
        (["x"] * N, "constant"),
        ([pd.Timestamp("2020-01-01")] * N, "constant"),
        ([np.nan] * N, "all missing"),
        ([None] * N, "all missing"),
        ([" "] * N, "all missing"),
        ([pd.NaT] * N, "all missing"),
        ([np.inf] * N, "all missing"),
        ([f"id{i}" for i in range(N)], "id-like"),
    ],
)
def test_columns_that_tell_nothing_are_dropped(values, reason):
    reader, table = read_column(values)
    assert reader.kinds_ == {"a": "dropped"}
    assert reader.dropped_ == {"a": reason}
    assert reader.all_missing_ == (["a"] if reason == "all missing" else [])
    assert table.numeric.shape == (N, 0)
    assert table.codes.shape == (N, 0)


@pytest.mark.parametrize("values", [[7.0, np.nan], ["x", None], ["x", ""]])
def test_one_value_and_missing_ones_are_kept(values):
    _, table = read_column(values * 10)
    assert table.numeric.shape[1] + table.codes.shape[1] == 1


@pytest.mark.parametrize("values", [NUMBERS, COLOURS, DAYS])
def test_the_second_of_two_equal_columns_is_dropped(values):
    frame = pd.DataFrame({"first": values, "second": values, "other": range(N)})
    reader = TableReader().fit(frame)
    assert reader.dropped_ == {"second": "duplicate"}


def test_equal_columns_with_missing_values_are_duplicates():
    column = np.where(NUMBERS > 0, NUMBERS, np.nan)
    nearly = np.where(NUMBERS > -0.1, NUMBERS, np.nan)
    reader = TableReader().fit(np.column_stack([column, nearly, column]))
    assert reader.dropped_ == {"2": "duplicate"}


def test_infinities_are_missing_and_large_values_are_clipped():
    X = np.array([[np.inf, 1e300], [1.0, -1e300], [-np.inf, 3.0]])
    largest = float(np.finfo(np.float32).max)
    numeric = TableReader().fit_transform(X).numeric
    np.testing.assert_array_equal(numeric[:, 0], [np.nan, 1.0, np.nan])
    np.testing.assert_array_equal(numeric[:, 1], [largest, -largest, 3.0])


def test_whole_numbers_of_any_size_are_read():
    X = np.array([[10**400, 1], [-(10**400), 2], [5, 10**30]], dtype=object)
    numeric = TableReader().fit_transform(X).numeric
    assert np.isfinite(numeric).all()
    assert numeric[2].tolist() == [5.0, 1e30]


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


def mixed_frame():
    return pd.DataFrame(
        {
            "number": np.where(NUMBERS > 1, np.nan, NUMBERS),
            "count": np.arange(N) % 7,
            "flag": NUMBERS > 0,
            "colour": pd.Series(COLOURS, dtype=object).where(NUMBERS > -1, None),
            "category": pd.Categorical(COLOURS[::-1]),
            "date": DAYS,
            "zoned": DAYS[::-1].tz_localize("Europe/Berlin"),
            "duration": pd.to_timedelta(np.arange(N) % 5, unit="min"),
            "text": [
                " ".join(RNG.choice(COLOURS, size=12)) + f" end{i}" for i in range(N)
            ],
        }
    )


def assert_same_tables(one, other):
    np.testing.assert_array_equal(one.numeric, other.numeric)
    np.testing.assert_array_equal(one.codes, other.codes)
    assert one.cardinalities == other.cardinalities
    assert len(one.text) == len(other.text)
    for matrix, matching in zip(one.text, other.text, strict=True):
        assert (matrix != matching).nnz == 0


def polars_of(frame):
    """Return the polars frame of a pandas frame, made without pyarrow."""
    columns = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = pl.Series(
                column.astype(object).tolist(), dtype=pl.Categorical
            )
        else:
            values = [None if pd.isna(v) else v for v in column.tolist()]
            columns[name] = pl.Series(values)
    columns["zoned"] = columns["zoned"].dt.convert_time_zone("Europe/Berlin")
    return pl.DataFrame(columns)


def test_polars_and_pandas_give_the_same_table():
    frame = mixed_frame()
    pandas_reader, polars_reader = TableReader(), TableReader()
    one = pandas_reader.fit_transform(frame)
    other = polars_reader.fit_transform(polars_of(frame))
    assert pandas_reader.kinds_ == polars_reader.kinds_
    assert_same_tables(one, other)
    assert_same_tables(one, pandas_reader.transform(polars_of(frame)))


def test_object_arrays_and_lists_give_the_table_of_the_frame():
    frame = mixed_frame().drop(columns=["zoned", "category"])
    reader = TableReader()
    table = reader.fit_transform(frame)
    array = frame.to_numpy(dtype=object)
    assert_same_tables(table, reader.transform(array))
    assert_same_tables(table, TableReader().fit_transform(array))
    assert_same_tables(table, TableReader().fit_transform(array.tolist()))


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


def test_transform_of_all_rows_equals_fit_transform():
    reader = TableReader()
    assert_same_tables(
        reader.fit_transform(mixed_frame()), reader.transform(mixed_frame())
    )


def test_a_row_is_read_alike_alone_and_among_others():
    frame = mixed_frame()
    reader = TableReader()
    table = reader.fit_transform(frame)
    for row in (0, 17, N - 1):
        assert_same_tables(table.take([row]), reader.transform(frame.iloc[[row]]))


def test_numeric_columns_keep_the_order_of_the_user():
    frame = pd.DataFrame(
        {"a": ["3", "1", "2"], "b": [1.0, 5.0, 9.0], "c": [True, None, False]}
    )
    numeric = TableReader().fit_transform(frame).numeric
    np.testing.assert_array_equal(numeric, [[3, 1, 1], [1, 5, np.nan], [2, 9, 0]])


def test_column_names_may_be_anything():
    labels = ["[a]<b>", "", 'quote"', "ünï", "x0", 3, 2.5, ("t", 1), None, "3"]
    frame = pd.DataFrame(RNG.normal(size=(5, len(labels))))
    frame.columns = pd.Index(labels, dtype=object, tupleize_cols=False)
    reader = TableReader().fit(frame)
    assert len(reader.kinds_) == len(labels)
    assert set(reader.kinds_.values()) == {"numeric"}


def test_thousands_of_categories_and_of_numeric_columns_are_read():
    frame = pd.DataFrame(RNG.normal(size=(50, 3000)))
    frame["many"] = [f"c{i % 49}" for i in range(50)]
    table = TableReader().fit_transform(frame)
    assert table.numeric.shape == (50, 3000)
    values = [f"c{i % 5000}" for i in range(10_000)]
    assert read_column(values)[1].cardinalities == (5000,)


def test_fitted_state_survives_pickle():
    frame = mixed_frame()
    reader = TableReader()
    table = reader.fit_transform(frame)
    copy = pickle.loads(pickle.dumps(reader))
    assert_same_tables(table, copy.transform(frame))


def test_fitted_state_holds_no_objects_of_pandas():
    reader = TableReader().fit(mixed_frame())
    assert b"pandas" not in pickle.dumps(reader)


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
