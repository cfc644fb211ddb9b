"""Intervals and sets have the level that they state."""

import math

import numpy as np
import pytest

from automodel.ensemble.conformal import (
    ConformalRegressor,
    ErrorScale,
    Ranks,
    effective_size,
    least_probabilities,
)

LEVELS = [0.05, 0.5, 0.8, 0.9, 1 - 1 / 20]


def left_out(values, *facts):
    """Yield each value, and the ranks of all others with their facts."""
    for i in range(len(values)):
        others = np.arange(len(values)) != i
        yield values[i], Ranks.of(values[others], *(fact[others] for fact in facts))


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_is_exact_for_exchangeable_rows(level):
    """Of 20 rows, each may be the new one."""
    values = np.random.default_rng(0).normal(size=20)
    pairs = list(left_out(values))
    assert sum(v <= r.upper(level) for v, r in pairs) == math.ceil(20 * level - 1e-9)
    assert sum(v >= r.lower(1 - level) for v, r in pairs) == math.ceil(
        20 * level - 1e-9
    )


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_the_level_is_exact_for_rows_of_new_groups(level):
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(20), 4)
    values = 3 * rng.normal(size=20)[groups] + rng.normal(size=80)
    covered = []
    for group in range(20):
        new = groups == group
        ranks = Ranks.of(values[~new], None, groups[~new])
        covered.append(np.mean(values[new] <= ranks.upper(level)))
    assert level <= np.mean(covered) <= level + 1 / 20 + 1 / 80


def test_too_few_rows_have_an_infinite_bound():
    ranks = Ranks.of(np.arange(9.0))
    assert ranks.upper(0.9) == 8.0
    assert ranks.upper(0.91) == math.inf
    assert ranks.lower(0.1) == 0.0
    assert ranks.lower(0.09) == -math.inf
    assert Ranks.of(np.zeros(0)).upper(0.1) == math.inf
    groups = np.repeat(np.arange(8), 100)
    assert Ranks.of(np.arange(800.0), None, groups).upper(0.9) == math.inf


def test_a_row_of_twice_the_weight_counts_as_two_of_a_group():
    values = np.array([3.0, 1.0, 2.0, 0.0])
    weight = np.array([1.0, 2.0, 1.0, 2.0])
    repeated = np.repeat(np.arange(4), weight.astype(int))
    weighted, grouped = (
        Ranks.of(values, weight),
        Ranks.of(values[repeated], None, repeated),
    )
    levels = np.linspace(0.01, 0.99, 40)
    assert [weighted.upper(x) for x in levels] == [grouped.upper(x) for x in levels]
    assert effective_size(weight, None) == pytest.approx(36 / 10)
    assert effective_size(np.ones(7), None) == 7


def test_weights_move_the_level_to_the_population_that_they_stand_for():
    rng = np.random.default_rng(0)
    is_large = rng.random(4000) < 0.5
    values = rng.random(4000) + is_large
    ranks = Ranks.of(values, np.where(is_large, 0.2, 1.0))
    new = rng.random(4000) + (rng.random(4000) < 1 / 6)
    assert np.mean(new <= ranks.upper(0.9)) == pytest.approx(0.9, abs=0.02)
    assert np.mean(new <= Ranks.of(values).upper(0.9)) > 0.95


def difficult(rng, n_rows):
    """Return errors that grow with the spread, the spread, and the size."""
    spread = rng.lognormal(sigma=0.8, size=n_rows)
    scale = 0.4 + spread
    return scale * rng.normal(size=n_rows), spread, rng.uniform(1, 2, n_rows)


def test_the_scale_follows_the_spread_where_errors_do():
    errors, spread, size = difficult(np.random.default_rng(0), 500)
    ones = np.ones(500)
    assert ErrorScale.fit(errors, spread, size, ones, 500.0).exponents == (1.0, 0.0)
    size = np.random.default_rng(1).lognormal(size=500)
    errors = size * errors / (0.4 + spread)
    assert ErrorScale.fit(errors, spread, size, ones, 500.0).exponents[1] == 1.0


def test_the_scale_is_constant_where_nothing_tells_of_errors():
    chosen = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        _, spread, size = difficult(rng, 100)
        scale = ErrorScale.fit(rng.normal(size=100), spread, size, np.ones(100), 100.0)
        chosen.append(scale.exponents)
    assert np.mean([each == (0.0, 0.0) for each in chosen]) > 0.8


def test_one_member_alone_has_no_spread():
    errors = np.random.default_rng(0).normal(size=50)
    scale = ErrorScale.fit(errors, np.zeros(50), np.zeros(50), np.ones(50), 50.0)
    assert scale.exponents == (0.0, 0.0)
    nothing = ErrorScale.fit(np.zeros(50), errors**2, errors**2, np.ones(50), 50.0)
    assert nothing.exponents == (0.0, 0.0)


def coverage(n_rows, seed, n_new=2000):
    """Return which new rows are in their intervals, their spread, and the widths."""
    rng = np.random.default_rng(seed)
    fitted = ConformalRegressor.fit(*difficult(rng, n_rows))
    errors, spread, size = difficult(rng, n_new)
    low, high = fitted.interval(np.zeros(n_new), spread, size, 0.9).T
    return (low <= errors) & (errors <= high), spread, high - low


@pytest.mark.parametrize("n_rows", [30, 100, 1000])
def test_nine_of_ten_intervals_contain_the_target(n_rows):
    covered = np.mean([coverage(n_rows, seed)[0].mean() for seed in range(100)])
    assert 0.885 < covered < 0.925


def test_hard_rows_are_covered_as_well_as_easy_ones():
    is_in, spread, width = coverage(1000, seed=0)
    hard = spread > np.quantile(spread, 0.8)
    assert 0.87 < is_in[hard].mean() < 0.93
    assert 0.87 < is_in[~hard].mean() < 0.93
    assert width[hard].mean() > 2 * width[~hard].mean()


def test_an_error_that_is_unlike_the_others_is_not_covered_by_chance():
    """Predictions that were fitted to their own rows have errors that are too small."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        X, new = rng.normal(size=(60, 30)), rng.normal(size=(200, 30))
        y, of_new = rng.normal(size=60), rng.normal(size=200)
        honest = np.empty(60)
        for part in np.array_split(np.arange(60), 5):
            others = np.setdiff1d(np.arange(60), part)
            honest[part] = X[part] @ np.linalg.lstsq(X[others], y[others])[0]
        coefficients = np.linalg.lstsq(X, y)[0]
        ones = np.ones(60)
        row = []
        for errors in (y - honest, y - X @ coefficients):
            fitted = ConformalRegressor.fit(errors, ones, ones)
            low, high = fitted.interval(new @ coefficients, *np.ones((2, 200)), 0.9).T
            row.append(np.mean((low <= of_new) & (of_new <= high)))
        covered.append(row)
    honest, naive = np.mean(covered, axis=0)
    assert honest > 0.88
    assert naive < 0.75


def test_quantiles_of_skewed_errors_are_not_symmetric():
    rng = np.random.default_rng(0)
    errors, ones = rng.exponential(size=2000) - 1.0, np.ones(2000)
    fitted = ConformalRegressor.fit(errors, ones, ones)
    one = np.ones(1)
    low, middle, high = fitted.quantiles(one, one, one, np.array([0.1, 0.5, 0.9]))[0]
    assert low == pytest.approx(-np.log(0.9), abs=0.03)
    assert middle == pytest.approx(np.log(2), abs=0.06)
    assert high == pytest.approx(np.log(10), abs=0.15)


def test_quantiles_are_in_order():
    errors, spread, size = difficult(np.random.default_rng(0), 40)
    fitted = ConformalRegressor.fit(errors, spread, size)
    levels = np.linspace(0.01, 0.99, 99)
    found = fitted.quantiles(np.zeros(40), spread, size, levels)
    assert (found[:, 1:] >= found[:, :-1]).all()
    assert np.isinf(found[:, [0, -1]]).all()


def test_the_level_of_sets_is_exact_for_each_class():
    """Of the 20 rows of each class, each may be the new one."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 20)
    proba = rng.beta(5, 1 + classes)
    is_in = np.array(
        [
            proba[i]
            >= least_probabilities(
                np.delete(classes, i), np.delete(proba, i), n_categories=3, level=0.9
            )[classes[i]]
            for i in range(60)
        ]
    )
    assert [is_in[classes == c].sum() for c in range(3)] == [18, 18, 18]


def test_rare_classes_share_a_threshold():
    classes = np.array([0] * 30 + [1] * 5 + [2] * 4)
    proba = np.concatenate([np.full(30, 0.9), np.full(5, 0.5), np.full(4, 0.2)])
    found = least_probabilities(classes, proba, n_categories=3, level=0.9)
    assert found.tolist() == [0.9, 0.2, 0.2]


def test_classes_that_are_too_few_together_are_in_every_set():
    classes = np.array([0] * 30 + [1] * 5)
    proba = np.full(35, 0.8)
    found = least_probabilities(classes, proba, n_categories=3, level=0.9)
    assert found.tolist() == [0.8, -np.inf, -np.inf]


def test_five_hundred_classes_of_few_rows_have_sets():
    rng = np.random.default_rng(0)
    classes = rng.integers(500, size=4000)
    found = least_probabilities(classes, rng.random(4000), n_categories=500, level=0.9)
    assert np.isfinite(found).all()
