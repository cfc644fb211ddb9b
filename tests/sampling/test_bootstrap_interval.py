"""Intervals of statistics, by bootstraps."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from automodel.clock import Deadline
from automodel.sampling.bootstrap_interval import bootstrap_interval
from tests.conftest import FakeClock


def interval_of_mean(values, *groups, **options):
    return bootstrap_interval(
        lambda rows: values[rows].mean(), len(values), *groups, **options
    )


def share_covered(truth, draw, n_draws=300, **options):
    rng = np.random.default_rng(0)
    intervals = [interval_of_mean(draw(rng), **options) for _ in range(n_draws)]
    return np.mean([low <= truth <= high for low, high in intervals])


def test_means_of_few_skewed_values_are_covered():
    def losses(rng):
        return rng.lognormal(size=40)

    def quantiles(rng):
        values = losses(rng)
        drawn = values[rng.integers(40, size=(300, 40))].mean(axis=1)
        return np.quantile(drawn, [0.025, 0.975])

    truth, rng = math.exp(0.5), np.random.default_rng(0)
    naive = [quantiles(rng) for _ in range(300)]
    naive = np.mean([low <= truth <= high for low, high in naive])
    found = share_covered(truth, losses, n_resamples=300)
    assert found > naive + 0.02
    assert found > 0.86


def test_a_normal_mean_has_its_usual_interval():
    values = np.random.default_rng(0).normal(size=2000)
    low, high = interval_of_mean(values)
    width = 2 * norm.ppf(0.975) * values.std() / math.sqrt(2000)
    assert high - low == pytest.approx(width, rel=0.1)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.1 * width)
    narrow = interval_of_mean(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_rows_of_a_group_are_drawn_together():
    means, groups = (
        np.random.default_rng(0).normal(size=30),
        np.repeat(np.arange(30), 9),
    )
    one = interval_of_mean(means)
    grouped = interval_of_mean(means[groups], groups)
    assert grouped == pytest.approx(one, rel=0.1)
    low, high = interval_of_mean(means[groups])
    assert high - low < 0.5 * (one[1] - one[0])


def test_five_groups_are_few():
    def alike(rng):
        return rng.normal(size=5)

    assert share_covered(0.0, alike, n_resamples=400) > 0.87


def test_without_time_the_interval_is_that_of_a_jackknife():
    values = np.random.default_rng(0).normal(size=500)
    clock = FakeClock()

    def mean(rows):
        clock.wait(1.0)
        return values[rows].mean()

    low, high = bootstrap_interval(mean, 500, deadline=Deadline.after(100.0, clock))
    assert clock.now() < 105
    assert low + high == pytest.approx(2 * values.mean())
    expected = interval_of_mean(values)
    assert high - low == pytest.approx(expected[1] - expected[0], rel=0.3)
    over = bootstrap_interval(mean, 500, deadline=Deadline.after(10.0, clock))
    assert np.isnan(over).all()


@pytest.mark.parametrize(
    ("statistic", "n_rows", "groups"),
    [
        (lambda rows: 1.0, 1, None),
        (lambda rows: 1.0, 0, None),
        (lambda rows: 1.0, 9, np.zeros(9)),
        (lambda rows: math.nan, 9, None),
        (lambda rows: float(len(np.unique(rows)) < 9) or math.nan, 9, None),
    ],
    ids=["a row", "no rows", "a group", "no statistic", "none of all rows"],
)
def test_what_has_no_interval(statistic, n_rows, groups):
    assert np.isnan(bootstrap_interval(statistic, n_rows, groups)).all()


def test_resamples_that_lack_a_class_are_left_out():
    y = np.arange(10) < 1

    def statistic(rows):
        return rows.mean() if y[rows].any() else math.nan

    low, high = bootstrap_interval(statistic, 10)
    assert low < high


def test_a_constant_has_no_width():
    assert interval_of_mean(np.ones(20)) == (1.0, 1.0)


def test_a_seed_repeats_the_interval():
    values = np.random.default_rng(0).normal(size=50)
    one, two = (interval_of_mean(values, random_state=seed) for seed in (0, 1))
    assert one == interval_of_mean(values, random_state=0)
    assert one != two
