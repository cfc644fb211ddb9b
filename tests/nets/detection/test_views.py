"""Images and their boxes are changed together."""

import numpy as np
import pytest
import torch

from automodel.nets.detection._canvas import GREY
from automodel.nets.detection._views import (
    BoxAugmentation,
    View,
    ViewChanger,
    flipped,
    zoomed,
)

HEIGHT, WIDTH = 40, 60
CHANGES = {
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "scale": 0.5,
    "crop": 0.6,
    "brightness": 0.3,
}


def view_of(boxes=((10, 8, 22, 20),), extent=(32, 50)):
    """Return a black image with white boxes."""
    pixels = torch.full((HEIGHT, WIDTH, 3), GREY, dtype=torch.uint8)
    pixels[: extent[0], : extent[1]] = 0
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    n_boxes = len(boxes)
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    none = torch.zeros(n_boxes, dtype=torch.bool)
    return View(pixels, extent, corners, torch.arange(n_boxes) + 1, none)


def changer(seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return ViewChanger(BoxAugmentation(**changes), generator)


def white_box(view):
    """Return the box of what is white."""
    rows, columns = np.nonzero(view.pixels[..., 0].numpy() > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_flip_moves_boxes_with_what_they_show(axis):
    found = flipped(view_of(), axis)
    assert found.boxes[0].tolist() == white_box(found)
    assert found.boxes[0].tolist() != view_of().boxes[0].tolist()
    back = flipped(found, axis)
    assert torch.equal(back.pixels, view_of().pixels)
    assert torch.equal(back.boxes, view_of().boxes)


def test_a_part_is_enlarged_with_its_boxes():
    found = zoomed(view_of(), (4, 6), (16, 25), (32, 50))
    assert found.boxes[0].tolist() == [8, 8, 32, 32]
    np.testing.assert_allclose(white_box(found), [8, 8, 32, 32], atol=1)


def test_an_image_is_made_smaller_and_grey_surrounds_it():
    found = zoomed(view_of(), (0, 0), (32, 50), (16, 25))
    assert found.extent == (16, 25)
    assert found.boxes[0].tolist() == [5, 4, 11, 10]
    assert (found.pixels[16:] == GREY).all()
    assert (found.pixels[:, 25:] == GREY).all()


def test_boxes_whose_centre_is_cut_off_are_dropped_and_others_clipped():
    view = view_of([(0, 0, 12, 12), (14, 4, 30, 12), (40, 0, 50, 10)])
    found = zoomed(view, (0, 8), (32, 30), (32, 30))
    assert found.labels.tolist() == [2]
    assert found.boxes.tolist() == [[6, 4, 22, 12]]
    found = zoomed(view, (0, 4), (32, 20), (32, 20))
    assert found.labels.tolist() == [1, 2]
    assert found.boxes.tolist() == [[0, 0, 8, 12], [10, 4, 20, 12]]


def test_no_change_makes_an_invalid_box():
    rng = np.random.default_rng(0)
    changes = changer(**CHANGES)
    for _ in range(200):
        corners = rng.integers(0, 30, (4, 2))
        boxes = np.hstack([corners, corners + rng.integers(1, 20, (4, 2))])
        boxes = np.minimum(boxes, [50, 32, 50, 32])
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        found = changes(view_of(boxes.tolist()))
        assert (found.boxes[:, 2:] - found.boxes[:, :2] >= 1).all()
        assert (found.boxes >= 0).all()
        height, width = found.extent
        assert height <= HEIGHT
        assert width <= WIDTH
        assert (found.boxes <= torch.tensor([width, height] * 2)).all()
        assert len(found.labels) == len(found.boxes) == len(found.ignored)
        assert found.pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_made_and_moves_the_boxes_along(name):
    found = changer(seed=3, **{name: 1.0 if "flip" in name else 0.4})(view_of())
    assert not torch.equal(found.pixels, view_of().pixels)
    if name != "brightness":
        expected = white_box(found)
        np.testing.assert_allclose(found.boxes[0].tolist(), expected, atol=1.5)


def test_an_image_without_boxes_is_changed_too():
    found = changer(**CHANGES)(view_of(()))
    assert found.boxes.shape == (0, 4)


def test_brightness_does_not_change_the_grey_around_an_image():
    found = changer(brightness=0.5)(view_of())
    assert (found.pixels[32:] == GREY).all()


def test_without_changes_a_view_stays_as_it_is():
    view = view_of()
    assert changer()(view) is view


def test_the_same_seed_makes_the_same_changes():
    one, two = (changer(seed=5, **CHANGES)(view_of()) for _ in range(2))
    assert torch.equal(one.pixels, two.pixels)
    assert torch.equal(one.boxes, two.boxes)
