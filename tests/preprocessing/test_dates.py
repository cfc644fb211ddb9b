import datetime
import pickle
import time
import zoneinfo

import dateutil.tz
import numpy as np
import pandas as pd
import polars as pl
import pytest

from automodel.preprocessing.columns import moments_of
from automodel.preprocessing.dates import date_parts, find_date_format, parse_dates
from automodel.preprocessing.reader import TableReader

try:
    import pytz
except ImportError:  # pandas 3 does without
    pytz = None

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


@pytest.mark.skipif(
    pd.__version__ < "3", reason="pandas 2 reads dates of the years 1678 to 2262 only"
)
def test_missing_and_far_away_dates_are_read():
    _, table = read_column(["0201-01-01", "9999-12-31", None, "2020-05-05"])
    assert np.isnan(table.numeric[2]).all()
    assert table.numeric[:2, 1].tolist() == [201, 9999]


HOURS = pd.date_range("2020-01-05", periods=N, freq="139h", tz="UTC")  # of one year
OSLO = zoneinfo.ZoneInfo("Europe/Oslo")


def clock(offset):
    """Return what a clock shows that is ahead of UTC by hours."""
    return [day.tz_localize(None) + pd.Timedelta(offset, "h") for day in HOURS]


def parts_of(moments):
    return np.array([[d.month, d.day, d.weekday(), d.hour] for d in moments])


IN_OSLO = [day.tz_localize(None) for day in HOURS.tz_convert("Europe/Oslo")]
UTC_PLUS_2 = datetime.timezone(datetime.timedelta(hours=2), "CET")
ODD = datetime.timezone(datetime.timedelta(hours=5, minutes=53, seconds=28))


def zones():
    """Yield the names of zones, the zones, how they are kept, and what they show."""
    yield "utc", datetime.UTC, "UTC", clock(0)
    yield "named offset", UTC_PLUS_2, "UTC+02:00", clock(2)
    yield (
        "negative",
        datetime.timezone(-datetime.timedelta(hours=3.5)),
        "UTC-03:30",
        clock(-3.5),
    )
    yield "seconds", ODD, "UTC+05:53:28", clock(5 + 53 / 60 + 28 / 3600)
    yield "zoneinfo", OSLO, "Europe/Oslo", IN_OSLO
    yield "dateutil utc", dateutil.tz.tzutc(), "UTC", clock(0)
    yield "dateutil", dateutil.tz.gettz("Europe/Oslo"), "Europe/Oslo", IN_OSLO
    yield "dateutil offset", dateutil.tz.tzoffset(None, 7200), "UTC+02:00", clock(2)
    named = dateutil.tz.tzoffset("CET", -5400)
    yield "dateutil named offset", named, "UTC-01:30", clock(-1.5)
    if pytz is not None:
        yield "pytz utc", pytz.utc, "UTC", clock(0)
        yield "pytz", pytz.timezone("Europe/Oslo"), "Europe/Oslo", IN_OSLO
        yield "pytz offset", pytz.FixedOffset(125), "UTC+02:05", clock(2 + 5 / 60)
        yield "pytz static", pytz.timezone("Etc/GMT-2"), "Etc/GMT-2", clock(2)


ZONES = [pytest.param(*row[1:], id=row[0]) for row in zones()]
FORMS = {
    "series": lambda days: days,
    "timestamps": lambda days: pd.Series(list(days), dtype=object),
    "datetimes": lambda days: pd.Series(list(days.to_pydatetime()), dtype=object),
    "missing": lambda days: pd.Series([*days.to_pydatetime()[:-1], None], dtype=object),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("zone", "kept", "shown"), ZONES)
def test_every_zone_gives_the_parts_of_its_clock(form, zone, kept, shown):
    days = HOURS.tz_convert(zone)
    reader, table = read_column(FORMS[form](days))
    assert reader.plans_[0].zone == kept
    rows = slice(N - 1 if form == "missing" else N)
    np.testing.assert_array_equal(table.numeric[rows, 1:], parts_of(shown)[rows])
    hours = np.arange(N) * 139
    np.testing.assert_allclose(table.numeric[rows, 0], hours[rows] / 24)


@pytest.mark.parametrize(("zone", "kept", "shown"), ZONES)
def test_rows_of_any_container_are_read_by_the_clock_of_the_fit(zone, kept, shown):
    days = HOURS.tz_convert(zone)
    reader = pickle.loads(pickle.dumps(read_column(days)[0]))
    arrow = pd.Series(HOURS).astype("timestamp[us, tz=-03:30][pyarrow]")
    others = [
        pd.DataFrame({"a": pd.Series(list(days), dtype=object)}),
        pd.DataFrame({"a": pd.Categorical(list(days))}),
        pd.DataFrame({"a": [str(day) for day in HOURS]}),
        pd.DataFrame({"a": arrow}),
        pl.DataFrame({"a": pl.Series(list(HOURS.to_pydatetime()))}),
        np.array([[day] for day in days.to_pydatetime()], dtype=object),
    ]
    for rows in others:
        table = reader.transform(rows)
        np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(shown))


@pytest.mark.parametrize(
    ("zone", "kept", "shown"),
    [
        ("Europe/Oslo", "Europe/Oslo", IN_OSLO),
        ("+02:00", "UTC+02:00", clock(2)),
        ("-03:30", "UTC-03:30", clock(-3.5)),
        ("UTC", "UTC", clock(0)),
    ],
)
def test_zones_of_arrow_columns_are_kept(zone, kept, shown):
    days = pd.Series(HOURS).astype(f"timestamp[us, tz={zone}][pyarrow]")
    reader, table = read_column(days)
    assert reader.plans_[0].zone == kept
    np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(shown))


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("Europe/Oslo", IN_OSLO), ("UTC", clock(0)), ("Etc/GMT-2", clock(2))],
)
def test_zones_of_polars_columns_are_kept(zone, shown):
    days = pl.Series("a", list(HOURS.to_pydatetime())).dt.convert_time_zone(zone)
    reader = TableReader()
    table = reader.fit_transform(pl.DataFrame({"a": days}))
    assert reader.plans_[0].zone == zone
    np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(shown))


@pytest.mark.parametrize(("zone", "kept", "shown"), ZONES)
def test_categories_that_are_dates_of_a_zone_are_found_among_dates(zone, kept, shown):
    days = HOURS[:10].tz_convert(zone)
    frame = pd.DataFrame({"a": pd.Categorical(list(days) * 3)})
    reader = TableReader()
    table = reader.fit_transform(frame)
    assert reader.kinds_ == {"a": "categorical"}
    for again in (pd.Series(days), pd.Series(list(days), dtype=object)):
        codes = reader.transform(pd.DataFrame({"a": again})).codes
        np.testing.assert_array_equal(codes, table.codes[:10])


def test_dates_with_several_zones_go_by_the_clock_that_most_rows_have():
    in_tokyo = HOURS.tz_convert("Asia/Tokyo")
    days = [*in_tokyo[:20], *HOURS[20:].tz_convert("Europe/Oslo")]
    reader, table = read_column(pd.Series(days, dtype=object))
    assert reader.plans_[0].zone == "Europe/Oslo"
    np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(IN_OSLO))


@pytest.fixture
def oslo_machine(monkeypatch):
    """Let the local time be that of Oslo, in a way that no name tells."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no tzset")
@pytest.mark.parametrize("form", ["series", "datetimes"])
def test_local_time_stays_that_of_the_machine_of_the_fit(oslo_machine, form):
    values = FORMS[form](HOURS.tz_convert(dateutil.tz.tzlocal()))
    reader, table = read_column(values)
    np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(IN_OSLO))
    state = pickle.dumps(reader)
    oslo_machine.setenv("TZ", "JST-9")
    time.tzset()
    rows = pickle.loads(state).transform(pd.DataFrame({"a": HOURS}))
    np.testing.assert_array_equal(rows.numeric, table.numeric)


@pytest.mark.parametrize(
    "zone",
    [
        dateutil.tz.tzstr("CET-1CEST,M3.5.0,M10.5.0/3"),
        dateutil.tz.tzrange("CET", 3600, "CEST"),
    ],
    ids=["tzstr", "tzrange"],
)
def test_zones_by_a_rule_are_read(zone):
    days = [day.to_pydatetime().astimezone(zone) for day in HOURS]
    reader, table = read_column(pd.Series(days, dtype=object))
    np.testing.assert_array_equal(table.numeric[:, 1:], parts_of(days))
    again = pickle.loads(pickle.dumps(reader)).transform(pd.DataFrame({"a": HOURS}))
    np.testing.assert_array_equal(again.numeric, table.numeric)


def test_moments_heed_which_of_two_equal_hours_is_meant():
    first = datetime.datetime(2020, 10, 25, 2, 30, tzinfo=OSLO)
    hour = np.diff(moments_of([first, first.replace(fold=1)]))
    assert hour.tolist() == [datetime.timedelta(hours=1)]


def test_far_away_dates_of_a_zone_are_read():
    zone = datetime.timezone(-datetime.timedelta(hours=5))
    days = [datetime.datetime.max.replace(tzinfo=zone), *HOURS.tz_convert(zone)]
    _, table = read_column(pd.Series(days, dtype=object))
    assert table.numeric[0, 1] == 9999
