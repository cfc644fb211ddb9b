import datetime

import numpy as np
import pandas as pd
import pytest

from automodel.preprocessing.dates import date_parts, find_date_format, parse_dates
from automodel.preprocessing.reader import TableReader

N = 60
DAYS = pd.date_range("2020-01-01", periods=N, freq="40h")


def read_column(values):
    """Return the reader and the table of one column."""
    reader = TableReader()
    return reader, reader.fit_transform(pd.DataFrame({"a": values}))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["2020-01-31", "2020-02-01"], "ISO8601"),
        (["2020-01-31T10:00:00+02:00", "2020-02-01T10:00:00Z"], "ISO8601"),
        (["01/31/2020", "02/01/2020"], "%m/%d/%Y"),
        (["31/01/2020", "02/01/2020"], "%d/%m/%Y"),
        (["31.01.2020", "2.1.2020"], "%d.%m.%Y"),
        (["Feb-2018", "Mar-2018"], "%b-%Y"),
        (["2020-01-31", "soon"], None),
        (["2020-01-31", "2020-13-01"], None),
        (["31/01/2020", "01/31/2020"], None),
        (["12-34-5678"], None),
        ([], None),
    ],
)
def test_a_format_is_found_where_all_strings_are_dates(labels, expected):
    assert find_date_format(labels) == expected


def test_zones_in_strings_are_counted_in():
    moments, failed = parse_dates(["2020-01-01T01:00:00+02:00", "?", None], "ISO8601")
    assert str(moments[0]) == "2019-12-31T23:00:00.000000"
    assert failed.tolist() == [False, True, False]


def test_parts_before_1970_are_right():
    moments = np.array(["1960-02-29T23:59", "NaT"], dtype="datetime64[us]")
    parts = date_parts(moments, np.datetime64("1960-02-28", "us"), None)
    np.testing.assert_allclose(parts[0], [2 - 1 / 1440, 1960, 2, 29, 0, 23])
    assert np.isnan(parts[1]).all()


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
