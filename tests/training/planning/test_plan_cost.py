import math

import pytest

from automodel.training.planning.ranges import Range
from tests.reporting.plans import plan

SECONDS = Range(3600.0, 7200.0, 10800.0)
HOURS = plan(seconds=SECONDS)


def values(found):
    return found.low, found.likely, found.high


def test_money_is_the_price_of_the_hours():
    cost = HOURS.cost(per_hour=2.5)
    assert values(cost.money) == pytest.approx((2.5, 5.0, 7.5))
    assert cost.energy is None
    assert cost.co2 is None


def test_energy_is_in_kilowatt_hours():
    cost = HOURS.cost(watts=150)
    assert values(cost.energy) == pytest.approx((0.15, 0.3, 0.45))
    assert cost.money is None
    assert cost.co2 is None


def test_energy_has_a_price_and_emits():
    cost = HOURS.cost(watts=1000, per_kwh=0.4, grams_per_kwh=300)
    assert values(cost.money) == pytest.approx((0.4, 0.8, 1.2))
    assert values(cost.co2) == pytest.approx((300, 600, 900))


def test_the_price_of_energy_is_added_to_that_of_the_machine():
    cost = HOURS.cost(per_hour=1, watts=1000, per_kwh=0.4)
    assert cost.money.likely == pytest.approx(2.8)


def test_without_rates_nothing_is_known():
    cost = HOURS.cost()
    assert (cost.money, cost.energy, cost.co2) == (None, None, None)


def test_a_rate_of_zero_is_a_rate():
    assert HOURS.cost(per_hour=0).money == Range(0, 0, 0)


@pytest.mark.parametrize("name", ["per_hour", "watts", "per_kwh", "grams_per_kwh"])
@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "2", True])
def test_a_rate_that_is_no_rate_is_refused_by_its_name(name, rate):
    rates = {"watts": 100, name: rate}
    with pytest.raises(ValueError, match=f"'{name}' of `cost` must be a finite"):
        HOURS.cost(**rates)


@pytest.mark.parametrize("name", ["per_kwh", "grams_per_kwh"])
def test_a_rate_of_energy_needs_the_watts(name):
    with pytest.raises(ValueError, match=f"'{name}' of `cost` needs 'watts'"):
        HOURS.cost(**{name: 0.3})
