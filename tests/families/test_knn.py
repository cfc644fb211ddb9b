"""Nearest neighbours predict the quantile of their targets."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel.families import _quantile_neighbors
from automodel.families._quantile_neighbors import QuantileNeighborsRegressor
from automodel.families._weighted_quantile import weighted_quantile


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 2)), rng.normal(size=60)


@parametrize_with_checks([QuantileNeighborsRegressor()])
def test_it_is_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("quantile", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_equal_weights_give_the_quantile_of_numpy(quantile):
    values = np.random.default_rng(0).normal(size=(50, 7))
    for weight in (1.0, 3.0):
        np.testing.assert_allclose(
            weighted_quantile(values, np.full_like(values, weight), quantile),
            np.quantile(values, quantile, axis=1, method="hazen"),
        )


def test_a_value_without_weight_does_not_count():
    values = np.array([[1.0, 2.0, 4.0, -50.0, 50.0]])
    weights = np.array([[1.0, 1.0, 1.0, 0.0, 0.0]])
    for quantile in (0.01, 0.2, 0.5, 0.99):
        assert weighted_quantile(values, weights, quantile) == weighted_quantile(
            values[:, :3], weights[:, :3], quantile
        )


def test_a_heavy_value_is_the_median():
    values = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])
    weights = np.array([[98.0, 1.0, 1.0], [98.0, 1.0, 1.0]])
    answer = weighted_quantile(values, weights, 0.5)
    np.testing.assert_allclose(answer, [1.0, 3.0], rtol=0.03)


def test_the_median_is_that_of_the_neighbours(rows):
    X, y = rows
    model = QuantileNeighborsRegressor(7).fit(X, y)
    neighbors = model.kneighbors(X, return_distance=False)
    np.testing.assert_allclose(model.predict(X), np.median(y[neighbors], axis=1))


def test_near_neighbours_count_for_more(rows):
    X, y = rows
    model = QuantileNeighborsRegressor(60, weights="distance", quantile=0.5).fit(X, y)
    answer = model.predict(X + 1e-9)
    np.testing.assert_allclose(answer, y, atol=1e-6)
    assert np.ptp(QuantileNeighborsRegressor(60).fit(X, y).predict(X)) == 0


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_rows_that_are_known_have_the_targets_of_their_likes(rows, quantile):
    X, y = rows
    X, y = np.concatenate([X, X[:5]]), np.append(y, y[:5])
    model = QuantileNeighborsRegressor(9, weights="distance", quantile=quantile)
    np.testing.assert_array_equal(model.fit(X, y).predict(X), y)


def test_batches_do_not_change_the_answers(rows, monkeypatch):
    X, y = rows
    model = QuantileNeighborsRegressor(9, weights="distance").fit(X, y)
    whole = model.predict(X)
    monkeypatch.setattr(_quantile_neighbors, "POOLED", 40)
    np.testing.assert_array_equal(model.predict(X), whole)


def test_the_neighbours_are_those_of_the_mean(rows):
    X, y = rows
    mean = KNeighborsRegressor(1).fit(X, y)
    np.testing.assert_array_equal(
        QuantileNeighborsRegressor(1).fit(X, y).predict(X + 0.1), mean.predict(X + 0.1)
    )
