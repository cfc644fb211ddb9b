"""Lines over the logarithm of the rows."""

import math

import numpy as np
import pytest

from automodel.training.planning.law import Belief, Law

SHARES = np.array([0.01, 0.1, 1.0])


def test_a_power_of_the_rows_is_found():
    nothing_known = Belief(0.0, 10.0, 0.0, 10.0)
    law = Law.fitted(nothing_known, SHARES, [2.0] * 3, 6 * SHARES**0.5)
    assert math.exp(law.log_ratio(1.0)) == pytest.approx(3, rel=0.01)
    assert math.exp(law.log_ratio(4.0)) == pytest.approx(6, rel=0.01)


def test_without_measurements_a_law_is_what_was_believed():
    law = Law.fitted(Belief(0.7, 0.5, 0.3, 0.1))
    assert law.log_ratio(1.0) == pytest.approx(0.7)
    assert law.deviation(1.0) == pytest.approx(0.5)
    assert law.log_ratio(math.e) == pytest.approx(1.0)


def test_a_law_is_the_less_sure_the_farther_it_reaches():
    law = Law.fitted(Belief(0.0, 0.5), [0.01], [1.0], [2.0])
    deviations = [law.deviation(share) for share in (0.01, 0.1, 1.0)]
    assert deviations == sorted(deviations)
    assert deviations[0] < 0.2 < deviations[2]


@pytest.mark.parametrize("of_offset", [0.1, 0.5, 2.0])
def test_a_measurement_counts_the_more_the_less_was_known(of_offset):
    law = Law.fitted(Belief(0.0, of_offset), [1.0], [1.0], [math.e])
    weight = of_offset**2 / (of_offset**2 + 0.15**2)
    assert law.log_ratio(1.0) == pytest.approx(weight)
