"""Links lead to their scale and back; the one of classes has a temperature."""

import numpy as np
import pytest

from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from automodel.targets.link import (
    LEAST_PROBABILITY,
    MOST_LOG_CHANGE,
    Identity,
    Log,
    Logistic,
    Softmax,
    log_proba,
    softmax,
)

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.full(3, 2.0), size=20)
VALUES = np.exp(RNG.normal(size=(20, 1)))
LINKS = [
    (Identity(), VALUES - 1),
    (Log(), VALUES),
    (Softmax(), PROBA),
    (Logistic(), PROBA),
]

every_link = pytest.mark.parametrize("link, prediction", LINKS)


@every_link
def test_the_inverse_leads_back(link, prediction):
    base = link.forward(prediction.astype(np.float32))
    assert base.dtype == np.float64  # sums on this scale are not rounded to float32
    np.testing.assert_allclose(link.inverse(base), prediction, rtol=1e-6)


@every_link
def test_no_change_moves_nothing_and_a_change_is_added(link, prediction):
    base = link.forward(prediction)
    np.testing.assert_allclose(link.moved(base, np.zeros_like(base)), prediction)
    change = RNG.normal(size=base.shape)
    np.testing.assert_allclose(link.moved(base, change), link.inverse(base + change))


def test_a_change_of_logarithms_is_bounded():
    base = Log().forward(np.array([[2.0], [2.0]]))
    most = np.exp(MOST_LOG_CHANGE)
    moved = Log().moved(base, np.array([[100.0], [-100.0]]))
    np.testing.assert_allclose(moved, [[2.0 * most], [2.0 / most]])


@pytest.mark.parametrize("link", [Log(), Softmax(), Logistic()])
def test_a_prediction_of_nothing_has_a_finite_logarithm(link):
    assert np.isfinite(link.forward(np.array([[0.0, 1.0]]))).all()


def test_probabilities_sum_to_one_wherever_they_are_moved():
    base = Softmax().forward(PROBA)
    moved = Softmax().moved(base, 50 * RNG.normal(size=base.shape))
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)
    assert np.isfinite(softmax(np.array([[1000.0, -1000.0]]))).all()
    assert log_proba(np.zeros(1))[0] == pytest.approx(np.log(LEAST_PROBABILITY))


def test_a_temperature_below_one_makes_probabilities_surer():
    link = Softmax()
    assert link.has_temperature
    assert link.sharpened(PROBA, 1.0) is PROBA
    surer, modest = link.sharpened(PROBA, 0.5), link.sharpened(PROBA, 2.0)
    assert (surer.max(axis=1) > PROBA.max(axis=1)).all()
    assert (modest.max(axis=1) < PROBA.max(axis=1)).all()
    for other in (surer, modest):
        np.testing.assert_array_equal(other.argsort(axis=1), PROBA.argsort(axis=1))
    squares = PROBA**2 / (PROBA**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(surer, squares)


CLASSES = ClassTarget(["a", "b", "c"]), RNG.integers(3, size=20)
LABELS = LabelsTarget(3), RNG.integers(2, size=(20, 3))


@pytest.mark.parametrize("target, y", [CLASSES, LABELS], ids=["classes", "labels"])
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_derivatives_by_the_temperature_are_those_of_the_loss(target, y, factor):
    base = target.link.forward(PROBA)
    slope, curvature = target.link.temperature_derivatives(y, base, factor)
    h = 1e-4
    up, here, down = (
        target.losses(y, target.link.inverse((factor + step) * base))
        for step in (h, 0.0, -h)
    )
    assert slope.shape == curvature.shape == (20,)
    np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-5, atol=1e-6)
    numeric = (up - 2 * here + down) / h**2
    np.testing.assert_allclose(curvature, numeric, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("link", [Identity(), Log()])
def test_values_have_no_temperature(link):
    assert not link.has_temperature
    with pytest.raises(NotImplementedError, match="has no temperature"):
        link.temperature_derivatives(VALUES, VALUES, 1.0)


def test_labels_are_made_surer_each_for_itself():
    link = Logistic()
    surer, modest = link.sharpened(PROBA, 0.5), link.sharpened(PROBA, 2.0)
    is_likely = PROBA > 0.5
    np.testing.assert_array_equal(surer > PROBA, is_likely)
    np.testing.assert_array_equal(modest < PROBA, is_likely)
    odds = (PROBA / (1 - PROBA)) ** 2
    np.testing.assert_allclose(surer, odds / (1 + odds))
