"""Flips that change the meaning of images are found."""

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached
from automodel.nets.weights import find_weights
from automodel.preprocessing.image.flips import harmful_flips, is_harmful
from automodel.preprocessing.image.images import Images
from tests.conftest import FakeClock
from tests.tiny_backbone import write_backbone

HORIZONTAL, VERTICAL = "horizontal_flip", "vertical_flip"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (found,) = find_weights(write_backbone(folder / "resnet8.safetensors"), "image")
    return found


def draw_arrows(directions, seed=0, side=24):
    """Return arrows to the "left", "right" or "up", anywhere in a grey image."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, 140, (len(directions), side, side), dtype=np.uint8)
    for image, direction in zip(images, directions, strict=True):
        arrow = np.zeros((13, 13), dtype=bool)
        arrow[5:8, 3:] = True
        for i in range(6):
            arrow[6 - i : 7 + i, i] = True
        if direction == "right":
            arrow = arrow[:, ::-1]
        if direction == "up":
            arrow = arrow.T
        top, left = rng.integers(0, side - 13, 2)
        part = image[top : top + 13, left : left + 13]
        part[arrow] = rng.integers(200, 256)
    return images


def test_arrows_to_the_left_and_right_must_not_be_mirrored(weights):
    directions = np.random.default_rng(0).choice(["left", "right"], 150)
    images = Images(draw_arrows(directions))
    y = (directions == "right").astype(int)
    assert harmful_flips(images, y, weights) == (HORIZONTAL,)
    assert harmful_flips(images, y, weights, [VERTICAL]) == ()


def test_arrows_upwards_must_not_be_turned_upside_down(weights):
    shown = np.random.default_rng(0).choice(["up", "down"], 150)
    images = draw_arrows(np.full(150, "up"))
    images[shown == "down"] = images[shown == "down"][:, ::-1]
    y = (shown == "down").astype(int)
    assert harmful_flips(Images(images), y, weights) == (VERTICAL,)


def test_one_harmed_class_among_many_is_enough(weights):
    y = np.repeat(np.arange(10), 20)
    before = after = np.eye(10)[y]
    assert not is_harmful(before, after, y)
    after = after.copy()
    after[:20] = np.roll(after[:20], 1, axis=1)
    assert is_harmful(before, after, y)


def test_labels_are_judged_one_by_one(weights):
    rng = np.random.default_rng(0)
    directions = rng.choice(["left", "right"], 150)
    images = draw_arrows(directions)
    is_bright = rng.random(150) > 0.5
    images[~is_bright] //= 2
    y = np.column_stack([directions == "right", is_bright]).astype(int)
    assert harmful_flips(Images(images), y, weights) == (HORIZONTAL,)
    assert harmful_flips(Images(images), y[:, 1:], weights) == ()


def test_chance_is_not_harm():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    found = [is_harmful(*rng.random((2, 90, 3)), y) for _ in range(20)]
    assert sum(found) <= 2


def test_few_rows_show_nothing(weights):
    y = np.array([0, 1, 0, 1])
    images = Images(draw_arrows(np.array(["left", "right"])[y]))
    assert harmful_flips(images, y, weights) == ()


def test_it_ends_at_the_deadline(weights):
    images = Images(draw_arrows(np.full(30, "up")))
    with pytest.raises(DeadlineReached):
        deadline = Deadline.after(5, FakeClock(step=1.0))
        harmful_flips(images, np.arange(30) % 2, weights, deadline=deadline)


@pytest.mark.slow
def test_a_six_upside_down_is_no_six():
    """And a mirrored one is still nearer to a six than to a nine."""
    from sklearn.datasets import load_digits

    found = find_weights("auto", "image")
    if not found:
        pytest.skip("needs pretrained weights")
    X, y = load_digits(return_X_y=True)
    is_shown = np.isin(y, (6, 9))
    X = (X[is_shown].reshape(-1, 8, 8) * 15.9).astype(np.uint8)
    y = (y[is_shown] == 9).astype(int)
    assert harmful_flips(Images(X), y, found[0], [VERTICAL]) == (VERTICAL,)
