"""Losses, with and without members, and the judgement of an epoch."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import mean_tweedie_deviance
from torch.nn import functional as F

from automodel.nets import RealMLPClassifier, RealMLPRegressor
from automodel.nets._objective import (
    CrossEntropy,
    Deviance,
    HuberError,
    LabelCrossEntropy,
    QuantileError,
    SquaredError,
    classifier_objective,
    regressor_objective,
)

GENERATOR = torch.Generator().manual_seed(0)
OUTPUT = torch.randn((20, 5, 3), generator=GENERATOR)
CLASSES = torch.arange(20) % 3
LABELS = (torch.rand((20, 3), generator=GENERATOR) < 0.4).float()
VALUES = torch.randn((20, 3), generator=GENERATOR)

CASES = {
    **{
        f"{loss} {smoothing}": (
            classifier_objective(loss, smoothing, is_multilabel=False),
            CLASSES,
        )
        for loss in ("cross_entropy", "focal")
        for smoothing in (0.0, 0.1)
    },
    **{
        f"labels, {loss} {smoothing}": (
            classifier_objective(loss, smoothing, is_multilabel=True),
            LABELS,
        )
        for loss in ("cross_entropy", "focal")
        for smoothing in (0.0, 0.1)
    },
    **{
        loss: (regressor_objective(loss, 0.3), VALUES)
        for loss in ("squared_error", "absolute_error", "huber", "quantile")
    },
    **{
        loss: (regressor_objective(loss, 0.5, 1.3), VALUES.exp())
        for loss in ("poisson", "gamma", "tweedie")
    },
}
each_case = pytest.mark.parametrize(
    ("objective", "target"), CASES.values(), ids=CASES.keys()
)


@each_case
def test_loss_of_members_is_the_mean_of_their_losses(objective, target):
    each = torch.stack([objective(OUTPUT[:, i], target) for i in range(5)])
    torch.testing.assert_close(objective(OUTPUT, target), each.mean(0))


@each_case
def test_loss_has_one_value_per_row_and_is_never_negative(objective, target):
    loss = objective(OUTPUT[:, 0], target)
    assert loss.shape == (20,)
    assert (loss >= 0).all()


@each_case
def test_members_are_judged_by_their_combination(objective, target):
    combined = objective.combine(OUTPUT)
    assert combined.shape == (20, 3)
    judged = objective.judge(OUTPUT, target, None)
    assert judged == pytest.approx(objective.judge(combined, target, None))


@each_case
def test_equal_members_combine_to_their_own_predictions(objective, target):
    one = OUTPUT[:, :1]
    combined = objective.combine(one.expand(-1, 4, -1))
    if target is CLASSES:
        torch.testing.assert_close(combined.softmax(1), one[:, 0].softmax(1))
    else:
        torch.testing.assert_close(combined, one[:, 0])


def test_probabilities_of_members_are_averaged():
    mean = OUTPUT.softmax(2).mean(1)
    torch.testing.assert_close(CrossEntropy().combine(OUTPUT).softmax(1), mean)
    mean = OUTPUT.sigmoid().mean(1)
    torch.testing.assert_close(LabelCrossEntropy().combine(OUTPUT).sigmoid(), mean)


def test_combination_of_sure_members_is_finite():
    output = torch.tensor([[[200.0], [-200.0]], [[300.0], [300.0]]])
    assert LabelCrossEntropy().combine(output).isfinite().all()


POWERS = [1.0, 1.01, 1.5, 1.99, 2.0]


@pytest.mark.parametrize("power", POWERS)
def test_a_deviance_is_half_the_usual_one(power):
    means = OUTPUT[:, 0, 0].exp()
    values = VALUES[:, :1].exp()
    if power < 2:
        values[::3] = 0
    losses = Deviance(power)(OUTPUT[:, 0, :1], values)
    for loss, value, mean in zip(losses, values[:, 0], means, strict=True):
        usual = mean_tweedie_deviance([float(value)], [float(mean)], power=power)
        assert float(loss) == pytest.approx(usual / 2, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("power", POWERS)
def test_a_deviance_is_finite_and_leads_back_from_afar(power):
    output = torch.tensor([[-1e4], [-100.0], [-1.0], [1.0], [100.0], [1e4]])
    for value in (1e-13, 1.0, 1e13):
        at = output.clone().requires_grad_()
        loss = Deviance(power)(at, torch.full((6, 1), value))
        loss.sum().backward()
        assert loss.isfinite().all()
        assert (loss >= 0).all()
        error = output[:, 0] - math.log(value)
        slope = at.grad[:, 0] * error.sign()
        assert (slope[error.abs() > 0.5] > 0).all()


def test_means_of_members_are_averaged():
    combined = Deviance(1.5).combine(OUTPUT)
    torch.testing.assert_close(combined.exp(), OUTPUT.exp().mean(1))


def test_focal_loss_is_that_of_the_paper():
    loss = CrossEntropy(is_focal=True)(OUTPUT[:, 0], CLASSES)
    own = OUTPUT[:, 0].softmax(1)[torch.arange(20), CLASSES]
    torch.testing.assert_close(loss, -((1 - own) ** 2) * own.log())


def test_smoothing_moves_labels_towards_one_half():
    smooth = LabelCrossEntropy(0.2)(OUTPUT[:, 0], LABELS)
    moved = F.binary_cross_entropy_with_logits(
        OUTPUT[:, 0], LABELS * 0.8 + 0.1, reduction="none"
    )
    torch.testing.assert_close(smooth, moved.mean(1))


def test_errors_of_values():
    output, target = torch.tensor([[0.0], [0.0]]), torch.tensor([2.0, -0.5])
    assert SquaredError()(output, target).tolist() == [4.0, 0.25]
    assert HuberError()(output, target).tolist() == [1.5, 0.125]
    assert QuantileError(0.9)(output, target).tolist() == pytest.approx([1.8, 0.05])


def test_temperature_of_labels_is_the_best_one():
    generator = torch.Generator().manual_seed(1)
    output = 2 * torch.randn((5000, 3), generator=generator)
    drawn = torch.rand((5000, 3), generator=generator)
    target = (drawn < torch.sigmoid(output)).float()
    _, factor = LabelCrossEntropy().judge(output * 4, target, None)
    assert factor == pytest.approx(0.25, rel=0.1)


def test_a_judgement_follows_the_weights():
    weight = torch.zeros(20)
    weight[3] = 20
    expected = SquaredError()(OUTPUT[:, 0], VALUES)[3]
    loss, factor = SquaredError().judge(OUTPUT[:, 0], VALUES, weight)
    assert (loss, factor) == (pytest.approx(float(expected)), 1.0)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_each_loss_of_values_learns(loss):
    X, y = make_regression(300, 5, random_state=0)
    net = RealMLPRegressor(loss=loss, max_epochs=40, random_state=0)
    assert net.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_each_loss_of_classes_learns(loss, label_smoothing):
    X, y = make_classification(300, 6, n_informative=4, random_state=0)
    net = RealMLPClassifier(
        loss=loss, label_smoothing=label_smoothing, max_epochs=30, random_state=0
    )
    assert net.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.8


def test_a_quantile_is_exceeded_as_often_as_it_says():
    rng = np.random.default_rng(0)
    X, y = np.zeros((2000, 1)), rng.normal(size=2000)
    net = RealMLPRegressor(loss="quantile", quantile=0.8, max_epochs=20, random_state=0)
    assert (y <= net.fit(X, y).predict(X)).mean() == pytest.approx(0.8, abs=0.03)


def test_the_absolute_error_is_not_moved_by_outliers():
    y = np.r_[np.zeros(190), np.full(10, 1000.0)]
    net = RealMLPRegressor(loss="absolute_error", max_epochs=20, random_state=0)
    value = net.fit(np.zeros((200, 1)), y).predict([[0.0]])[0]
    assert math.fabs(value) < 20
