"""Losses of the stack: their derivatives, their units, and where they stop."""

import numpy as np
import pytest

from automodel.targets.classes import ClassTarget
from automodel.targets.labels import LabelsTarget
from automodel.targets.losses import Deviance, LabelLoss, LogLoss, Pinball, Squares
from automodel.targets.objective import Objective
from automodel.targets.values import ValueTarget

N_ROWS, H = 200, 1e-4
RNG = np.random.default_rng(0)
WEIGHT = RNG.uniform(0.5, 2.0, N_ROWS)
SQUARES = Objective()
ABSOLUTE = Objective("absolute_error")
TENTH = Objective("quantile", quantile=0.1)
DEVIANCES = [
    Objective("poisson", power=1.0),
    Objective("gamma", power=2.0),
    Objective("tweedie", power=1.5),
]

every_kind = pytest.mark.parametrize(
    "kind, objective",
    [(Squares, SQUARES), (Pinball, ABSOLUTE), (Deviance, DEVIANCES[0])],
)


def problem_of(target):
    """Return values, a mixture on the scale of the link, and two columns."""
    rng = np.random.default_rng(1)
    y = np.exp(rng.normal(size=N_ROWS))
    base = target.link.forward(np.exp(rng.normal(size=(N_ROWS, 1))))
    return y, base, rng.normal(size=(2, N_ROWS, 1))


def numeric_derivatives(loss, columns):
    """Return those of `loss(change)` by the coefficients of two columns, at none."""

    def at(first, second):
        return loss(H * (first * columns[0] + second * columns[1]))

    gradient = [at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)]
    mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    own = [at(1, 0) - 2 * at(0, 0) + at(-1, 0), at(0, 1) - 2 * at(0, 0) + at(0, -1)]
    curvature = np.array([[own[0], mixed], [mixed, own[1]]])
    return np.array(gradient) / (2 * H), curvature / H**2


@pytest.mark.parametrize("objective", [SQUARES, *DEVIANCES], ids=lambda o: o.loss)
def test_derivatives_of_values_are_those_of_half_the_loss(objective):
    """In units of the mean loss of the mixture."""
    target = ValueTarget(objective)
    y, base, columns = problem_of(target)
    own = target.stacking_loss(y, base, WEIGHT)

    def mean_loss(change):
        values = target.link.inverse(base + change)
        return 0.5 * WEIGHT @ objective.losses(y, values.ravel())

    mixed = target.link.inverse(base).ravel()
    unit = np.average(objective.losses(y, mixed), weights=WEIGHT)
    gradient, curvature = own.derivatives(base, columns)
    slopes, curvatures = numeric_derivatives(mean_loss, columns)
    np.testing.assert_allclose(gradient, slopes / unit, rtol=1e-5)
    np.testing.assert_allclose(curvature, curvatures / unit, rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("objective", [ABSOLUTE, TENTH], ids=lambda o: o.loss)
def test_squares_touch_a_pinball_loss_and_lie_above_it(objective):
    """Up to the share of the mean loss by which its kink is made blunt."""
    target = ValueTarget(objective)
    y, base, _ = problem_of(target)
    own, at = target.stacking_loss(y, base, np.ones(N_ROWS)), base.ravel()
    here = objective.losses(y, at)
    slope, curvature = (part * here.mean() for part in own.by_row(at))
    is_far = np.abs(y - at) > 20 * own.blunt
    exact = np.where(y > at, -objective.quantile, 1 - objective.quantile)
    assert is_far.sum() > 100
    np.testing.assert_allclose(slope[is_far], exact[is_far], atol=0.03)
    for step in (-3.0, -0.5, -0.01, 0.01, 0.5, 3.0):
        squares = here + slope * step + curvature * step**2 / 2
        assert (squares > objective.losses(y, at + step) - 3 * own.blunt).all()


CLASSES = ClassTarget(["a", "b", "c"]), RNG.integers(3, size=N_ROWS), LogLoss
LABELS = LabelsTarget(3), RNG.integers(2, size=(N_ROWS, 3)), LabelLoss


@pytest.mark.parametrize(
    "target, y, kind", [CLASSES, LABELS], ids=["classes", "labels"]
)
def test_derivatives_of_classes_and_labels_are_those_of_the_log_loss(target, y, kind):
    rng = np.random.default_rng(2)
    base, columns = rng.normal(size=(N_ROWS, 3)), rng.normal(size=(2, N_ROWS, 3))
    own = target.stacking_loss(y, base, WEIGHT)
    assert isinstance(own, kind)

    def loss(change):
        return WEIGHT @ target.losses(y, target.link.inverse(base + change))

    gradient, curvature = own.derivatives(base, columns)
    slopes, curvatures = numeric_derivatives(loss, columns)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5)
    np.testing.assert_allclose(curvature, curvatures, rtol=1e-3, atol=0.1)
    np.testing.assert_array_equal(own.first_columns(base), base[None])


TARGETS = [ValueTarget(o) for o in (SQUARES, ABSOLUTE, *DEVIANCES)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.objective.loss)
def test_each_column_alone_is_a_diagonal_of_values(target):
    y, base, columns = problem_of(target)
    own = target.stacking_loss(y, base, WEIGHT)
    gradient, curvature = own.derivatives(base, columns)
    alone = own.derivatives_alone(base, columns)
    np.testing.assert_allclose(alone, [gradient, np.diag(curvature)])


@pytest.mark.parametrize(
    "target, y, kind", [CLASSES, LABELS], ids=["classes", "labels"]
)
def test_each_column_alone_is_a_diagonal_of_classes_and_labels(target, y, kind):
    rng = np.random.default_rng(2)
    base = rng.normal(size=(N_ROWS, 3))
    own, columns = kind(y, WEIGHT), rng.normal(size=(2, N_ROWS, 3))
    gradient, curvature = own.derivatives(base, columns)
    alone = own.derivatives_alone(base, columns)
    np.testing.assert_allclose(alone, [gradient, np.diag(curvature)])


@every_kind
def test_a_mixture_is_moved_by_its_slope_around_the_center_and_by_a_constant(
    kind, objective
):
    target = ValueTarget(objective)
    y, base, _ = problem_of(target)
    own = kind(y, base, WEIGHT, objective)
    slope, constant = own.first_columns(base)
    assert np.average(slope.ravel(), weights=WEIGHT) == pytest.approx(0, abs=1e-12)
    assert own.center == pytest.approx(np.average(base.ravel(), weights=WEIGHT))
    assert (constant == own.spread).all()
    assert own.spread > 0
    assert own.limits == (y.min(), y.max())


def test_the_unit_of_a_loss_does_not_depend_on_that_of_the_target():
    y, base, columns = problem_of(ValueTarget())
    for kind, objective in ((Squares, SQUARES), (Pinball, ABSOLUTE)):
        own = kind(y, base, WEIGHT, objective)
        large = kind(1000 * y, 1000 * base, WEIGHT, objective)
        assert large.spread == pytest.approx(1000 * own.spread)
        found = large.derivatives(1000 * base, 1000 * columns)
        expected = own.derivatives(base, columns)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other)


@every_kind
def test_a_mixture_that_is_exact_is_left_alone(kind, objective):
    y = np.full(N_ROWS, 2.0)
    base = ValueTarget(objective).link.forward(y[:, None])
    own = kind(y, base, WEIGHT, objective)
    columns = RNG.normal(size=(2, N_ROWS, 1))
    gradient, curvature = own.derivatives(base, columns)
    np.testing.assert_array_equal(gradient, 0)
    np.testing.assert_array_equal(curvature, 0)
