"""What nets read from canvases: sizes, boxes, and parts of the pixels."""

import numpy as np
import pytest

from automodel.nets.detection._canvas import (
    GREY,
    as_canvases,
    canvas_of,
    on_canvas,
    pixels_of,
    rounded_up,
    sizes_of,
)
from automodel.preprocessing.image.canvas import ImageCanvas
from automodel.some_rows import SomeRows

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 30, 40, 3), dtype=np.uint8)
CANVASES = ImageCanvas(30, (30, 40)).transform(IMAGES)


def test_canvases_are_rows_of_an_array():
    rows = as_canvases(CANVASES, "Net")
    assert isinstance(rows, SomeRows)
    assert canvas_of(rows) == (30, 40)
    assert sizes_of(rows[[2, 1]]).tolist() == [[30, 40]] * 2
    assert as_canvases(rows, "Net") is rows


@pytest.mark.parametrize("X", [IMAGES, list(IMAGES), CANVASES[:, None], None])
def test_anything_else_is_an_error_that_says_what_to_use(X):
    with pytest.raises(ValueError, match="Net expects images on canvases.*ImageCanvas"):
        as_canvases(X, "Net")


def test_too_few_images_are_an_error():
    with pytest.raises(ValueError, match="0 sample.*minimum of 1 is required by Net"):
        as_canvases(CANVASES[:0], "Net")


def test_sides_become_multiples_of_the_stride():
    assert rounded_up((30, 40)) == (32, 64)
    assert rounded_up((64, 1)) == (64, 32)


def test_a_part_of_a_canvas_is_cut_off_or_continued_in_grey():
    rows = as_canvases(CANVASES, "Net")[[3, 0]]
    found = pixels_of(rows, np.array([1, 0]), (32, 24))
    np.testing.assert_array_equal(found[:, :30], CANVASES["pixels"][[0, 3], :, :24])
    assert (found[:, 30:] == GREY).all()
    assert not np.shares_memory(found, CANVASES["pixels"])


def test_boxes_are_scaled_with_their_images_and_clipped():
    sizes, extents = np.array([[100, 200]] * 2), np.array([[50, 100]] * 2)
    boxes = np.array([[20, 40, 60, 80], [-4, 0, 300, 101]])
    found = on_canvas(boxes, sizes, extents)
    assert found.tolist() == [[10, 20, 30, 40], [0, 0, 100, 50]]
    assert found.dtype == np.float32
