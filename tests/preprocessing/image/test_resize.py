"""One function resizes in fit and predict, the same for any form of an image."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image
from sklearn.utils import get_tags

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached
from automodel.preprocessing.image.reader import read_images
from automodel.preprocessing.image.resize import ResizedImages, resized
from tests.images import encoded, write_images

RNG = np.random.default_rng(0)
SHAPES = [(32, 32), (20, 45), (1, 1), (1, 5000), (300, 2), (64, 64)]
IMAGES = [RNG.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("size", [8, 31, 96])
def test_it_agrees_with_pillow(image, size):
    found = resized([image], size)[0]
    pillow = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.asarray(pillow)).max() <= 1


def test_an_image_of_this_size_is_unchanged():
    np.testing.assert_array_equal(resized([IMAGES[0]], 32)[0], IMAGES[0])


@pytest.mark.parametrize("size", [8, 48])
def test_an_image_alone_is_resized_as_one_of_many(size):
    together = resized(IMAGES, size)
    assert together.dtype == np.uint8
    for image, expected in zip(IMAGES, together, strict=True):
        np.testing.assert_array_equal(resized([image], size)[0], expected)


@pytest.mark.parametrize("shape", [(1, 400_000), (400_000, 1)])
def test_a_long_image_needs_little_memory(shape):
    image = np.full((*shape, 3), 7, dtype=np.uint8)
    tracemalloc.start()
    try:
        found = resized([image], 64)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found == 7).all()
    assert peak < 100e6


def test_all_forms_are_resized_alike(tmp_path):
    encoder = ResizedImages(24)
    expected = encoder.transform(IMAGES)
    forms = [
        write_images(tmp_path, IMAGES),
        [encoded(image) for image in IMAGES],
        [Image.fromarray(image) for image in IMAGES],
        [image / 255 for image in IMAGES],
        read_images(IMAGES),
    ]
    for X in forms:
        np.testing.assert_array_equal(encoder.transform(X), expected)


def test_no_images_are_an_array_without_rows():
    assert ResizedImages(16).transform(read_images(IMAGES).take(slice(0))).shape == (
        *(0, 16),
        *(16, 3),
    )


def test_a_past_deadline_ends_it():
    with pytest.raises(DeadlineReached):
        ResizedImages(16).transform(IMAGES, deadline=Deadline.after(-1.0))


def test_the_tags_say_that_nothing_is_learned():
    tags = get_tags(ResizedImages())
    assert not tags.requires_fit
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
