"""Flips are made only where they keep the meaning of images."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from automodel.nets._objective import (
    CrossEntropy,
    Deviance,
    LabelCrossEntropy,
    SquaredError,
)
from automodel.nets.image._batches import ImageDataset
from automodel.nets.image._flips import kept_flips
from tests.nets.image.images import classifier, make_arrows, make_images, regressor

BOTH = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "guard_flips": True}


def brightness_of(columns):
    """Return a net that looks at some columns of the pixels."""

    def predict(dataset):
        pixels = dataset.inputs(range(len(dataset)))["images"].float()
        return (pixels[:, :, columns].mean((1, 2, 3)) - 100)[:, None] / 10

    return predict


def make_halves(n_images=60):
    """Return images whose left half has a brightness of its own."""
    values = np.random.default_rng(0).uniform(50, 150, n_images)
    images = np.full((n_images, 6, 6, 3), 100, dtype=np.uint8)
    images[:, :, :3] = values[:, None, None, None]
    return images, torch.from_numpy((values - 100) / 10).float()


def test_a_net_that_confuses_flipped_images_forbids_the_flip():
    images, y = make_halves()
    dataset = ImageDataset(images, y)
    left, whole = brightness_of(slice(3)), brightness_of(slice(None))
    assert kept_flips(left, dataset, SquaredError()) == ("vertical_flip",)

    def doubled(dataset):
        return 2 * whole(dataset)

    both = ("horizontal_flip", "vertical_flip")
    assert kept_flips(doubled, dataset, SquaredError()) == both


def test_a_net_that_knows_nothing_cannot_tell():
    images, y = make_halves()

    def constant(dataset):
        return torch.zeros(len(dataset), 1)

    assert kept_flips(constant, ImageDataset(images, y), SquaredError()) is None


def test_a_net_of_a_deviance_that_knows_nothing_cannot_tell():
    images, y = make_halves()
    dataset = ImageDataset(images, y.exp() / y.exp().mean())

    def constant(dataset):
        return torch.zeros(len(dataset), 1)  # the logarithm of the mean

    assert kept_flips(constant, dataset, Deviance(1.0)) is None


@pytest.mark.parametrize("several", [False, True])
def test_classes_and_labels_are_judged_by_their_frequencies(several):
    images, y = make_halves()
    left = brightness_of(slice(3))
    is_bright = y > 3  # a rare class
    objective = LabelCrossEntropy() if several else CrossEntropy()
    target = is_bright.float()[:, None] if several else is_bright.long()

    def predict(dataset):
        score = 5 * (left(dataset) - 3)
        return score if several else torch.cat([-score, score], 1)

    found = kept_flips(predict, ImageDataset(images, target), objective)
    assert found == ("vertical_flip",)


def test_arrows_to_the_left_and_right_are_not_swapped():
    images, y = make_arrows(240)
    net = classifier(max_epochs=20, width=8, **BOTH).fit(images, y)
    assert net.flips_ == ("vertical_flip",)
    turned = np.swapaxes(images, 1, 2)
    net = classifier(max_epochs=20, width=8, **BOTH).fit(turned, y)
    assert net.flips_ == ("horizontal_flip",)


def test_a_six_is_not_turned_into_a_nine():
    digits = load_digits()
    chosen = np.isin(digits.target, [6, 9])
    X, y = digits.images[chosen], digits.target[chosen]
    net = classifier(width=8, **BOTH).fit(X, y)
    assert "vertical_flip" not in net.flips_
    assert net.score(X, y) > 0.95


def test_digits_are_not_flipped():
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)[:600]
    net = classifier(width=8, max_epochs=6, **BOTH).fit(X, y[:600])
    assert net.flips_ == ()


def test_images_without_a_direction_are_flipped():
    images, values = make_images(200)
    both = ("horizontal_flip", "vertical_flip")
    assert classifier(**BOTH).fit(images, values > 0).flips_ == both
    assert regressor(**BOTH).fit(images, values).flips_ == both


def test_only_named_flips_are_made():
    images, values = make_images(100)
    net = classifier(horizontal_flip=0.5, guard_flips=True).fit(images, values > 0)
    assert net.flips_ == ("horizontal_flip",)
    assert classifier(guard_flips=True).fit(images, values > 0).flips_ == ()


def test_without_a_guard_users_are_obeyed():
    images, y = make_arrows()
    net = classifier(max_epochs=2, horizontal_flip=0.5).fit(images, y)
    assert net.flips_ == ("horizontal_flip",)


def test_predictions_are_averaged_over_flips_unless_the_guard_forbids_it():
    images, y = make_arrows(240)
    options = {"width": 8, "max_epochs": 20, "horizontal_flip": 0.5}
    net = classifier(guard_flips=True, flip_average=True, **options).fit(images, y)
    proba = net.predict_proba(images)
    np.testing.assert_array_equal(
        net.set_params(flip_average=False).predict_proba(images), proba
    )
    free = classifier(flip_average=True, **options).fit(images, y)
    np.testing.assert_allclose(
        free.predict_proba(images), free.predict_proba(images[:, :, ::-1]), atol=1e-5
    )
