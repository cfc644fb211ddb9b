import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from automodel.exceptions import FitWarning, ImageError
from automodel.nets.image.augment import AUGMENTATIONS, FLIPS
from automodel.preprocessing.image import containers
from automodel.preprocessing.image import reader as reader_module
from automodel.preprocessing.image.reader import ImageReader, read_images
from tests.images import encoded, make_images, write_images

GREY, _ = make_images(6)
COLOR = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3), dtype=np.uint8)


def facts_of(X, **params):
    reader = ImageReader(**params)
    return reader.facts(reader.fit_transform(X))


def test_the_range_of_fit_is_that_of_predict():
    reader = ImageReader().fit(GREY * 16.0)  # up to 3,360
    images = reader.transform(GREY[:1] * 8.0)
    own = np.rint(GREY[0] * 8.0 * 255 / reader.ranges_["float"][1])
    np.testing.assert_array_equal(images.image(0)[..., 0], own)
    with pytest.raises(ImageError, match="rows 0 to 5 of X has values"):
        ImageReader().fit(GREY / 255).transform(GREY * 1.0)


def test_deep_files_have_the_range_of_arrays(tmp_path):
    deep = GREY.astype(np.uint16) * 16
    array = ImageReader().fit_transform(deep)
    paths = write_images(tmp_path, deep)
    reader = ImageReader().fit(paths)
    assert reader.ranges_ == {"16-bit": (0.0, float(deep.max()))}
    for images in (reader.transform(paths), reader.transform(list(deep))):
        for found, expected in zip(images, array, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_row_of_a_value_that_is_not_finite_is_named():
    bad = GREY / 255
    bad[4, 2, 2] = np.nan
    with pytest.raises(ImageError, match="rows 0 to 5 of X has values that are NaN"):
        ImageReader().fit(bad)
    with pytest.raises(ImageError, match="The image in row 4 of X has values"):
        ImageReader().fit(list(bad))


def test_parts_of_an_array_are_converted_as_the_whole(monkeypatch):
    whole = read_images(GREY / 255)
    monkeypatch.setattr(containers, "CHUNK_BYTES", 2000)
    parts = ImageReader().fit_transform(GREY / 255)
    np.testing.assert_array_equal(parts.sources, whole.sources)


def test_bytes_are_not_copied():
    assert np.shares_memory(ImageReader().fit_transform(GREY).sources, GREY)


def test_the_facts_of_one_size():
    facts = facts_of(GREY)
    assert (facts.heights, facts.widths) == ((12.0,) * 5, (10.0,) * 5)
    assert (facts.grey_share, facts.channels, facts.side) == (1.0, 1, 12)
    assert facts.is_tiny
    assert facts_of(COLOR).grey_share == 0


def test_the_facts_of_several_sizes(tmp_path):
    grey = np.repeat(GREY[..., None], 3, axis=3)
    facts = facts_of([*write_images(tmp_path, COLOR), *grey, encoded(GREY[0])])
    assert (facts.heights[0], facts.heights[-1]) == (12.0, 20.0)
    assert (facts.widths[0], facts.widths[-1]) == (10.0, 30.0)
    assert facts.grey_share == pytest.approx(7 / 13)
    assert not facts.is_uniform


def test_a_sample_of_large_images_is_decoded(monkeypatch):
    monkeypatch.setattr(reader_module, "SAMPLE_PIXELS", 600)
    mixed = COLOR.copy()
    mixed[1:] = 0
    assert facts_of(mixed).grey_share == 0


def test_what_the_user_allows_is_in_the_facts():
    assert facts_of(GREY).augmentations == AUGMENTATIONS
    assert facts_of(GREY).guards_flips
    assert facts_of(GREY, augmentations=None).augmentations == ()
    assert not set(facts_of(GREY, flips=False).augmentations) & set(FLIPS)
    facts = facts_of(GREY, flips=False, augmentations=("horizontal_flip",))
    assert facts.augmentations == ("horizontal_flip",)
    assert not facts.guards_flips
    assert facts_of(GREY, image_size=48).image_size == 48
    assert facts_of(GREY).image_size is None


def test_missing_weights_are_warned_of_once():
    with pytest.warns(FitWarning, match="No pretrained weights") as caught:
        facts_of(GREY, weights="auto")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        facts_of(GREY, weights=None)


def test_animations_are_noted():
    frames = [Image.fromarray(image) for image in GREY[:2]]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    reader = ImageReader().fit([content, GREY[0]])
    assert reader.notes_ == [
        "1 of 2 images have several frames or pages, of which only the first is read."
    ]
    assert ImageReader().fit(GREY).notes_ == []


def test_it_can_be_cloned():
    assert clone(ImageReader("folder", image_size=32)).image_size == 32


def test_images_that_were_read_are_not_read_again():
    images = read_images(GREY)
    assert read_images(images) is images
