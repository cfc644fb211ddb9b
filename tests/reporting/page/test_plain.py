import json

import numpy as np

from automodel.reporting.page.plain import plain, rounded, thinned


def test_values_become_those_of_json():
    value = {
        1: np.array([1.5, np.nan, np.inf]),
        "a": (np.int8(3), np.bool_(True), None, "text"),
        "b": {"set": {2}},
        "c": np.mean,
        "d": np.array(["x"], dtype=object),
    }
    found = plain(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "1": [1.5, None, None],
        "a": [3, True, None, "text"],
        "b": {"set": [2]},
        "c": "mean",
        "d": ["x"],
    }


def test_what_has_no_plain_form_becomes_a_limited_text():
    class Endless:
        def __repr__(self):
            return "word " * 10_000

    assert len(plain(Endless())) == 2_000


def test_numbers_keep_a_few_digits():
    assert rounded([1 / 3, np.nan, 123456.7]) == [0.33333, None, 123460.0]


def test_a_thinned_curve_keeps_its_ends_and_its_shape():
    x = np.linspace(0, 1, 100_000)
    y = (x > 0.73).astype(float)
    thin_x, thin_y = thinned(x, y, 100)
    assert len(thin_x) <= 102
    assert (thin_x[0], thin_x[-1], thin_y[0], thin_y[-1]) == (0, 1, 0, 1)
    step = next(i for i, value in enumerate(thin_y) if value)
    assert 0.7 < thin_x[step] < 0.76


def test_a_short_or_constant_curve_stays():
    assert thinned([0, 1], [0, 1]) == ([0, 1], [0, 1])
    assert thinned([0.5] * 2000, [0.5] * 2000, 10)[0][0] == 0.5
