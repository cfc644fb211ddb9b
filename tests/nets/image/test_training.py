"""Training: the deadline, the parts of an epoch, and what is kept."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from automodel.exceptions import DeadlineReached
from automodel.nets._device import has_bfloat16
from automodel.nets._recipe import Recipe
from automodel.nets.image._resnet_module import ResNetModule
from automodel.nets.image._training import settled
from tests.nets.image.images import classifier, make_arrows, make_images

IMAGES, VALUES = make_images()
CLASSES = (VALUES > 0).astype(int)
SHORT = {"max_epochs": 4, "batch_size": 8, "translate": 0.1, "noise": 0.05}


class Tick(Callback):
    """Let a second go by with each step."""

    def __init__(self, left):
        self.left = left

    def on_batch_begin(self, net, **kwargs):
        self.left[0] -= 1.0


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": False},
        {"averaging": 0.9},
        {"mixup": 0.2, "stochastic_depth": 0.2},
        {"horizontal_flip": 0.5, "guard_flips": True, "validations_per_epoch": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("seconds", [12.0, 30.0])
def test_a_training_that_time_has_cut_is_repeated_without_it(seconds, params):
    options = {**SHORT, **params}
    left = [seconds]
    net = classifier(callbacks=[Tick(left)], **options)
    cut = net._fit(IMAGES, CLASSES, seconds_left=lambda: left[0])
    assert cut.step_plan_
    assert left[0] >= 0
    again = classifier(**options)
    again._fit(IMAGES, CLASSES, step_plan=cut.step_plan_)
    assert again.n_steps_ == cut.n_steps_ <= seconds
    np.testing.assert_array_equal(
        again.predict_proba(IMAGES), cut.predict_proba(IMAGES)
    )


def test_nothing_is_trained_without_time():
    with pytest.raises(DeadlineReached):
        classifier()._fit(IMAGES, CLASSES, seconds_left=lambda: -1.0)


def test_reports_come_after_each_part_of_an_epoch():
    parts = []

    def on_epoch(part, net):
        parts.append(part)
        assert net.predict_proba(IMAGES[:5]).shape == (5, 2)
        return False

    net = classifier(max_epochs=2, validations_per_epoch=3)
    net._fit(IMAGES, CLASSES, on_epoch=on_epoch)
    assert parts == list(range(1, 7))
    assert len(net.history_["valid_loss"]) == 6


def test_a_search_can_end_the_training():
    net = classifier(max_epochs=5)
    net._fit(IMAGES, CLASSES, on_epoch=lambda part, net: part == 2)
    assert len(net.history_["valid_loss"]) == 2


def test_the_best_weights_are_kept():
    images, y = make_arrows(120)
    net = classifier(max_epochs=20, learning_rate=0.02).fit(images, y)
    losses = net.history_["valid_loss"]
    assert net.n_iter_ == int(np.argmin(losses)) + 1


def test_means_of_batch_normalisation_follow_the_averaged_weights():
    net = classifier(averaging=0.99, max_epochs=6).fit(IMAGES, CLASSES)
    plain = classifier(max_epochs=6).fit(IMAGES, CLASSES)
    assert net.score(IMAGES, CLASSES) > 0.8
    name = "layers.0.1.running_mean"
    assert not np.allclose(net.state_[name], plain.state_[name])


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        classifier(learning_rate=1e9, max_epochs=20).fit(IMAGES, CLASSES)


def recipe(**options):
    usual = {"learning_rate": 0.1, "weight_decay": 0.0, "schedule": "constant"}
    usual |= {"batch_size": 8, "max_epochs": 1, "patience": 1, "device": "cpu"}
    return Recipe(**{**usual, "seed": 0, "precision": "auto", **options})


def test_bfloat16_is_used_where_it_pays():
    whole, apart = ResNetModule(2, width=4), nn.Conv2d(4, 4, 3, groups=4)
    fast = "bfloat16" if has_bfloat16() else "float32"
    assert settled(recipe(), whole).precision == fast
    assert settled(recipe(), apart).precision == "float32"
    assert settled(recipe(precision="bfloat16"), apart).precision == "bfloat16"


def test_training_uses_one_thread():
    seen = []

    class Threads(Callback):
        def on_batch_begin(self, net, **kwargs):
            seen.append(torch.get_num_threads())

    classifier(max_epochs=1, callbacks=[Threads()]).fit(IMAGES, CLASSES)
    assert set(seen) == {1}
