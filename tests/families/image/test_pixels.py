from dataclasses import replace

import numpy as np
import pytest

from automodel.families import able_families
from automodel.families.image._pixel_heads import CommonScaler
from automodel.families.image.features import ImageFeaturesFamily
from automodel.families.image.pixels import (
    ImagePixelsFamily,
    columns_of,
    encoder_of,
    heads_of,
)
from automodel.nets.weights import Weights
from tests.images import image_task

FAMILY = ImagePixelsFamily()
CHANNELS = 8, 16, 24
WEIGHTS = Weights("own", "", "folder", "resnet8", CHANNELS[-1], "mit", "", CHANNELS)
PIXELS = ("pixels-16", "pixels-28")


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (8, ["pixels-8", "gradients-16"]),
        (96, ["pixels-8", *PIXELS, "gradients-16", "gradients-32", "gradients-64"]),
        (28, ["pixels-8", *PIXELS, "gradients-16", "gradients-32"]),
        (2, ["pixels-8", "gradients-16"]),
    ],
)
def test_images_are_hardly_made_larger(side, expected):
    assert columns_of(image_task("binary", side=side)) == expected


def test_a_size_of_the_user_is_the_only_one():
    task = image_task("binary", image_size=40)
    assert columns_of(task) == ["pixels-40", "gradients-40"]


def test_grey_images_have_one_column_for_each_pixel():
    assert not encoder_of("pixels-8", image_task("binary")).color
    assert encoder_of("pixels-8", image_task("binary", grey_share=0.9)).color


@pytest.mark.parametrize(
    ("facts", "pays"),
    [
        ({"weights": ("some",), "grey_share": 0.0}, False),
        ({"weights": ("some",), "side": 100}, False),
        ({"weights": ("some",), "side": 28}, True),
        ({"weights": (), "grey_share": 0.0}, True),
    ],
)
def test_photographs_are_left_to_pretrained_weights(facts, pays):
    assert FAMILY.pays(image_task("binary", **facts)) == pays


@pytest.mark.parametrize(
    ("n_samples", "seconds", "pays"),
    [(100, 10.0, True), (5000, 600.0, False), (10**6, 60.0, True)],
)
def test_photographs_are_learned_where_features_would_come_late(
    n_samples, seconds, pays
):
    task = image_task("binary", n_samples, grey_share=0.0, side=32, weights=(WEIGHTS,))
    task = replace(task, time_budget=seconds)
    assert FAMILY.pays(task) == pays
    used, _ = able_families([FAMILY, ImageFeaturesFamily()], task, is_default=True)
    assert (FAMILY in used) == pays


def test_few_rows_have_simple_models():
    assert heads_of(image_task("binary", 50)) == ["linear", "forest"]
    assert "boosting" in heads_of(image_task("binary", 5000))
    assert "boosting" not in heads_of(image_task("multiclass", 5000, 10))


def test_the_scaler_divides_all_columns_by_one_number():
    X = np.random.default_rng(0).normal(3, [1, 5, 0], (200, 3))
    found = CommonScaler().fit_transform(X)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-9)
    assert np.mean(found.var(axis=0)) == pytest.approx(1)
    assert found[:, 1].std() / found[:, 0].std() == pytest.approx(
        X[:, 1].std() / X[:, 0].std()
    )
    assert np.isfinite(CommonScaler().fit_transform(np.ones((4, 2)))).all()
