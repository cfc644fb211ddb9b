"""Images as a net sees them in training."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from automodel.nets.image import ImageAugmentation, augmented

DIGITS = load_digits().images[:6]


def test_images_are_changed_as_said():
    changed = augmented(DIGITS, ImageAugmentation(horizontal_flip=1.0))
    assert changed.dtype == np.uint8
    np.testing.assert_array_equal(
        changed[:, :, ::-1], augmented(DIGITS, ImageAugmentation())
    )


def test_the_same_seed_gives_the_same_changes():
    own = ImageAugmentation(rotate=30, noise=0.1)
    one, two, other = (augmented(DIGITS, own, random_state=i) for i in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_mixtures_are_shown():
    two = np.stack([np.zeros((8, 8)), np.full((8, 8), 255)]).astype(np.uint8)
    own = ImageAugmentation(mixup=1.0)
    first = [augmented(two, own, random_state=i)[0].mean() for i in range(8)]
    assert any(0 < mean < 255 for mean in first)


def test_tables_are_refused():
    with pytest.raises(ValueError, match="expects images"):
        augmented(np.zeros((3, 64)), ImageAugmentation())
    assert augmented(np.zeros((0, 8, 8)), ImageAugmentation()).shape == (0, 8, 8, 3)
