"""The names of the changes of images."""

from dataclasses import fields

import pytest

from automodel.nets.image.augment import AUGMENTATIONS, ImageAugmentation
from automodel.nets.image.resnet import ImageResNetClassifier


def test_the_names_are_those_that_users_may_allow():
    assert (
        *("horizontal_flip", "vertical_flip", "translate", "rotate", "scale", "crop"),
        *("noise", "brightness", "contrast", "erase", "trivial", "mixup", "cutmix"),
    ) == AUGMENTATIONS


def test_nothing_is_changed_by_default():
    assert ImageAugmentation().names == ()
    assert ImageAugmentation(crop=0.3, mixup=0.2).names == ("crop", "mixup")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_change_is_a_parameter_of_nets(name):
    assert ImageResNetClassifier().get_params()[name] == 0.0
    with pytest.raises(ValueError, match=name):
        ImageResNetClassifier(**{name: -0.5}).fit([[[0]], [[1]]], [0, 1])


def test_all_strengths_are_numbers():
    assert {field.default for field in fields(ImageAugmentation)} == {0.0}
