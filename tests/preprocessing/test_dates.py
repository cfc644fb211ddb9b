import numpy as np
import pytest

from automodel.preprocessing.dates import date_parts, find_date_format, parse_dates


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
