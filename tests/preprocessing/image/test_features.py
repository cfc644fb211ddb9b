"""Features of tiny pretrained nets that are made on the spot."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from automodel.clock import Deadline
from automodel.exceptions import DeadlineReached
from automodel.nets.weights import find_weights
from automodel.preprocessing.image import features as features_module
from automodel.preprocessing.image.features import (
    POOLING,
    ImageFeatures,
    feature_seconds,
    flipped,
    spans_of,
)
from automodel.preprocessing.image.reader import ImageReader
from automodel.preprocessing.image.resize import resized
from automodel.preprocessing.some_columns import SomeColumns
from automodel.preprocessing.stateless import PART_ROWS, output_in_memory
from tests.conftest import FakeClock
from tests.images import encoded, make_images, make_labels
from tests.tiny_backbone import CHANNELS, write_backbone

MIDDLE, LAST = sum(CHANNELS[:-1]), CHANNELS[-1]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("weights") / "resnet8.safetensors")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)


def maps_by_hand(path, images, size):
    """Return the maps of the net before anything is pooled."""
    import torch

    from automodel.nets.backbones import load_backbone

    (weights,) = find_weights(path, "image")
    batch = torch.from_numpy(resized(images, size)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return [own.numpy() for own in load_backbone(weights)(batch)]


def test_features_are_pooled_from_several_layers(path, images):
    encoder = ImageFeatures(path, image_size=32, pooling=POOLING, precision="float32")
    X = encoder.transform(images)
    maps = maps_by_hand(path, images, 32)
    means = [own.mean(axis=(2, 3)) for own in maps]
    spreads = [own.std(axis=(2, 3)) for own in maps[:-1]]
    cells = []
    for own in maps[:-1]:
        half = own.shape[2] // 2
        parts = [own[:, :, :half], own[:, :, half:]]
        parts = [p[..., s] for p in parts for s in (slice(half), slice(half, None))]
        stacked = np.stack([p.mean(axis=(2, 3)) for p in parts], axis=2)
        cells.append(stacked.reshape(len(images), -1))
    expected = np.hstack([*means, *spreads, *cells])
    assert X.dtype == np.float32
    assert X.shape == (5, 6 * MIDDLE + LAST)
    np.testing.assert_allclose(X, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("taps", ["middle", "last", "both"])
@pytest.mark.parametrize("pooling", [("mean",), ("std",), ("mean", "grid"), POOLING])
def test_each_choice_is_a_part_of_all_columns(path, images, taps, pooling):
    (weights,) = find_weights(path, "image")
    options = {"image_size": 32, "precision": "float32"}
    whole = ImageFeatures(weights, taps="both", pooling=POOLING, **options)
    own = ImageFeatures(weights, taps=taps, pooling=pooling, **options)
    part = SomeColumns(whole, spans_of(weights, taps, pooling))
    np.testing.assert_array_equal(own.transform(images), part.transform(images))
    assert len(own.get_feature_names_out()) == own.transform(images[:1]).shape[1]


def test_flipped_images_have_the_features_of_their_flips(path, images):
    options = {"image_size": 32, "precision": "float32"}
    plain = ImageFeatures(path, **options)
    for flip in ("horizontal", "vertical"):
        X = ImageFeatures(path, flip=flip, **options).transform(images)
        expected = plain.transform(flipped(images, flip))
        np.testing.assert_allclose(X, expected, rtol=1e-2, atol=1e-2)
        assert np.abs(X - plain.transform(images)).max() > 0.01
    mean = ImageFeatures(path, flip="average", **options).transform(images)
    mirrored = ImageFeatures(path, flip="horizontal", **options).transform(images)
    np.testing.assert_allclose(mean, (plain.transform(images) + mirrored) / 2)


def test_all_forms_of_input_give_the_same(path, images):
    encoder = ImageFeatures(path, image_size=32, precision="float32")
    expected = encoder.transform(images)
    files = [encoded(image) for image in images]
    for X in (list(images), files, ImageReader().fit_transform(images)):
        np.testing.assert_array_equal(encoder.transform(X), expected)
    assert encoder.transform([]).shape == (0, expected.shape[1])


def test_a_row_does_not_depend_on_the_others(path):
    encoder = ImageFeatures(path, image_size=32, precision="float32")
    images = make_images(400)[0]
    X = encoder.transform(images)
    order = np.random.default_rng(0).permutation(len(images))
    np.testing.assert_allclose(encoder.transform(images[order]), X[order], atol=1e-5)
    alone = encoder.transform(images[7:8])
    np.testing.assert_allclose(alone, X[7:8], atol=1e-5)


def test_images_are_encoded_in_the_same_parts_alone_and_in_a_search(path):
    encoder = ImageFeatures(path, image_size=32, precision="float32")
    images = make_images(PART_ROWS + 9)[0]
    expected = output_in_memory(encoder, ImageReader().fit_transform(images))
    np.testing.assert_array_equal(encoder.transform(images), expected)


def test_a_search_gets_arrays_whatever_users_set_for_transformers(path, images):
    encoder = ImageFeatures(path, image_size=32)
    rows = ImageReader().fit_transform(images)
    with config_context(transform_output="pandas"):
        assert isinstance(output_in_memory(encoder, rows), np.ndarray)


def test_only_some_images_are_resized_at_a_time(path, monkeypatch):
    def watched(images, *options):
        sizes.append(len(images))
        return resized(images, *options)

    sizes = []
    monkeypatch.setattr(features_module, "resized", watched)
    ImageFeatures(path, image_size=32).transform(make_images(PART_ROWS + 9)[0])
    assert sizes == [PART_ROWS, 9]


def test_bfloat16_is_nearly_the_same(path, images):
    exact = ImageFeatures(path, image_size=32, precision="float32").transform(images)
    fast = ImageFeatures(path, image_size=32, precision="bfloat16").transform(images)
    assert fast.dtype == np.float32
    assert 0 < np.abs(fast - exact).max() < 0.1


def test_it_works_in_a_pipeline_and_a_grid_search(path):
    images, values = make_images(60)
    y = make_labels(values)
    encoder = ImageFeatures(path, image_size=24)
    model = make_pipeline(encoder, LogisticRegression(C=100, max_iter=1000))
    grid = {"imagefeatures__pooling": [("mean",), ("mean", "grid")]}
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(images, y)
    assert found.score(images, y) > 0.8
    frames = clone(encoder).set_output(transform="pandas")
    assert list(frames.fit_transform(images).columns[:2]) == ["feature0", "feature1"]


def test_it_ends_at_the_deadline_within_a_part(path):
    class Watched(ImageFeatures):
        def transform(self, X, deadline):
            parts.append(len(X))
            return super().transform(X, deadline)

    parts = []
    rows = ImageReader().fit_transform(make_images(600)[0])
    encoder = Watched(path, image_size=32)
    with pytest.raises(DeadlineReached):
        output_in_memory(encoder, rows, Deadline.after(5, FakeClock(step=1.0)))
    assert parts == [PART_ROWS]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_size": 0}, "image_size"),
        ({"image_size": 32.0}, "image_size"),
        ({"taps": "all"}, "taps"),
        ({"pooling": "mean"}, "pooling"),
        ({"pooling": ()}, "pooling"),
        ({"pooling": ("max",)}, "pooling"),
        ({"flip": "both"}, "flip"),
        ({"precision": "float16"}, "precision"),
    ],
)
def test_wrong_parameters_are_refused(path, images, params, message):
    for use in (ImageFeatures.fit, ImageFeatures.transform):
        with pytest.raises(ValueError, match=message):
            use(ImageFeatures(path, **params), images)


def test_larger_images_take_longer(path):
    (weights,) = find_weights(path, "image")
    assert 0 < feature_seconds(weights, 64) < feature_seconds(weights, 128)
