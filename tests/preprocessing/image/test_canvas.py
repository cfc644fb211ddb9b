"""Images keep their aspect ratio on a canvas, and their original size beside it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached
from automodel.nets.detection._canvas import GREY, canvas_dtype, extents_of
from automodel.preprocessing.image.canvas import ImageCanvas
from automodel.preprocessing.image.reader import read_images
from automodel.preprocessing.image.resize import resized_to
from automodel.preprocessing.stateless import output_of
from automodel.some_rows import SomeRows

RNG = np.random.default_rng(0)
SHAPES = [(48, 64), (64, 48), (30, 30), (10, 100), (1, 1)]
IMAGES = [RNG.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def test_the_canvas_has_the_short_side_and_the_ratio():
    assert ImageCanvas(320, (480, 640)).sides == (320, 427)
    assert ImageCanvas(320, (2, 1)).sides == (640, 320)
    assert ImageCanvas(64).sides == (64, 64)


def test_images_lie_at_the_top_left_and_the_rest_is_grey():
    found = ImageCanvas(24, (3, 4)).transform(IMAGES)
    assert found.dtype == canvas_dtype(24, 32)
    for canvas, image in zip(found, IMAGES, strict=True):
        assert canvas["size"].tolist() == list(image.shape[:2])
        height, width = extents_of(canvas["size"], (24, 32))[0]
        assert height == 24 or width == 32
        inside = canvas["pixels"][:height, :width]
        np.testing.assert_array_equal(inside, resized_to(image, height, width))
        assert (canvas["pixels"][height:] == GREY).all()
        assert (canvas["pixels"][:, width:] == GREY).all()


def test_an_image_keeps_its_aspect_ratio():
    extents = extents_of(np.array([(480, 640), (640, 480), (10, 100)]), (320, 427))
    assert extents.tolist() == [[320, 427], [320, 240], [43, 427]]


def test_a_thin_image_keeps_a_pixel():
    assert extents_of(np.array([(1, 5000)]), (32, 32)).tolist() == [[1, 32]]


def test_nothing_is_learned():
    encoder = ImageCanvas(16)
    assert not get_tags(encoder).requires_fit
    assert clone(encoder).get_params() == {"short_side": 16, "canvas": (1, 1)}
    expected = encoder.transform(IMAGES)
    np.testing.assert_array_equal(encoder.fit(IMAGES).transform(IMAGES), expected)
    np.testing.assert_array_equal(encoder.transform(IMAGES[1:2]), expected[1:2])


def test_no_images_make_no_canvases():
    assert ImageCanvas(16).transform(read_images(IMAGES).take(slice(0))).shape == (0,)


def test_the_deadline_is_checked_between_images():
    with pytest.raises(DeadlineReached):
        ImageCanvas(16).transform(IMAGES, Deadline.after(-1.0))


def test_canvases_stay_in_a_file(tmp_path):
    encoder, rows = ImageCanvas(16), read_images(IMAGES * 60)
    found, is_mapped = output_of(encoder, rows, tmp_path / "out", Deadline.after(60.0))
    assert is_mapped
    assert encoder.stays_in_file
    expected = encoder.transform(IMAGES)
    np.testing.assert_array_equal(SomeRows(found).copied(np.arange(5)), expected)
