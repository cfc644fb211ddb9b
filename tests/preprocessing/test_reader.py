import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automodel.preprocessing import plans
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
    is_small = isinstance(values, np.ndarray) and np.can_cast(values.dtype, np.float32)
    assert table.numeric.dtype == (np.float32 if is_small else np.float64)
    expected = [
        np.nan if pd.isna(v) or str(v).strip() in ("", "n/a") else float(v)
        for v in values
    ]
    np.testing.assert_allclose(table.numeric[:, 0], expected)


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
    texts = table.text[0]
    assert texts.counts[texts.codes].shape == (200, 2**18)
    # Nine words of two letters and more, and their eight pairs.
    assert (texts.counts[texts.codes].sum(axis=1) == 17).all()


def test_short_strings_of_several_words_are_categories_and_text():
    titles = [f"{a} {b} officer" for a in range(15) for b in range(15)] * 2
    reader, table = read_column(titles)
    assert reader.kinds_ == {"a": "categorical+text"}
    assert table.cardinalities == (225,)
    assert table.text[0].codes.tolist() == [*range(225), *range(225)]
    assert table.text[0].counts.shape == (226, 2**18)  # and the blank one


def test_short_strings_are_cut_into_pieces_unless_very_many_differ(monkeypatch):
    titles = [f"{a} {b} officer" for a in range(15) for b in range(15)]
    plan = read_column(titles * 240)[0].plans_[0]
    assert plan.tokens == "char"
    assert len(plan.alphabet) == 225
    monkeypatch.setattr(plans, "MAX_CHAR_TEXTS", 200)
    plan = read_column(titles * 2)[0].plans_[0]
    assert plan.tokens == "word"
    assert len(plan.alphabet) == 225


def test_names_that_never_repeat_are_text():
    reader, _ = read_column([f"Smith{i}, Mr. John" for i in range(200)])
    assert reader.kinds_ == {"a": "text"}


def test_codes_that_seldom_repeat_are_text_unless_declared_categories():
    codes = [f"C{i}" for i in range(60)] + [f"C{i}" for i in range(40)]
    reader, table = read_column(codes)
    assert reader.kinds_ == {"a": "text"}
    assert table.numeric.shape == (100, 1)
    assert len(table.text[0]) == 100
    assert read_column(pd.Categorical(codes))[0].kinds_ == {"a": "categorical"}
    assert read_column([*codes, *codes[:30]])[0].kinds_ == {"a": "categorical"}


@pytest.mark.parametrize("suffix", ["", ", Mr. John"], ids=["codes", "names"])
def test_the_place_of_a_string_among_many_is_a_number(suffix):
    names = [f"{letter}{i}{suffix}" for i in range(4) for letter in "bdfhjlnprt"]
    reader, table = read_column([*names, *names[:30], None])
    expected = np.argsort(np.argsort(names))
    np.testing.assert_array_equal(table.numeric[:40, 0], expected)
    assert np.isnan(table.numeric[-1, 0])
    new = reader.transform(pd.DataFrame({"a": ["a", "b2x", "zebra"]}))
    assert new.numeric[:, 0].tolist() == [0, 3, 40]


def test_few_strings_and_long_texts_have_no_place():
    assert read_column([f"{i % 30}x" for i in range(90)])[1].numeric.shape == (90, 0)
    texts = [f"number {i} of the many long texts that there are" for i in range(90)]
    assert read_column(texts)[1].numeric.shape == (90, 0)


def test_places_are_told_apart_coarsely_among_very_many_strings():
    reader, table = read_column([f"{i:05d}x" for i in range(5000)] * 2)
    assert len(reader.plans_[0].alphabet) == 1000
    assert (np.diff(table.numeric[:5000, 0]) >= 0).all()
    assert len(np.unique(table.numeric)) == 1001


def test_missing_text_has_no_tokens():
    values = [f"word{i} and more words of a long text here" for i in range(150)]
    _, table = read_column([*values, None, ""])
    texts = table.text[0]
    assert (np.diff(texts.counts.indptr)[texts.codes] == 0).tolist() == [
        *[False] * 150,
        *[True] * 2,
    ]


def test_rows_without_any_text_are_read():
    reader, _ = read_column(
        [f"word{i} and more words of a long text" for i in range(99)]
    )
    for values in ([None], [None, ""]):
        table = reader.transform(pd.DataFrame({"a": values}, dtype=object))
        assert table.text[0].counts.nnz == 0
        assert len(table) == len(values)


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


@pytest.mark.parametrize("n_words", [2, 12])
def test_different_texts_of_several_words_are_no_ids_in_few_rows_either(n_words):
    texts = [f"{' '.join(['word'] * (n_words - 1))} end{i}" for i in range(30)]
    reader, table = read_column(texts)
    assert reader.kinds_ == {"a": "text"}
    assert len(table.text) == 1


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


def mixed_frame():
    rng = np.random.default_rng(1)
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
                " ".join(rng.choice(COLOURS, size=12)) + f" end{i}" for i in range(N)
            ],
        }
    )


def assert_same_tables(one, other):
    np.testing.assert_array_equal(one.numeric, other.numeric)
    np.testing.assert_array_equal(one.codes, other.codes)
    assert one.cardinalities == other.cardinalities
    assert len(one.text) == len(other.text)
    for texts, matching in zip(one.text, other.text, strict=True):
        differ = texts.counts[texts.codes] != matching.counts[matching.codes]
        assert differ.nnz == 0


def python_value(value):
    """Return a value of pandas as one of Python."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.to_pytimedelta() if isinstance(value, pd.Timedelta) else value


def polars_of(frame):
    """Return the polars frame of a pandas frame, made without pyarrow."""
    columns = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = pl.Series(
                column.astype(object).tolist(), dtype=pl.Categorical
            )
        else:
            columns[name] = pl.Series(list(map(python_value, column.tolist())))
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
    assert table.numeric.shape == (50, 3001)  # and the places of the 49 strings
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
