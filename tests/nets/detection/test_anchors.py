"""Anchors follow the boxes of the training part."""

import numpy as np
import pytest

from automodel.nets.detection._anchors import STRIDES, anchors_of, strides_of

RNG = np.random.default_rng(0)


def squares(*groups):
    """Return square boxes of (size, number) for each class."""
    sizes = np.concatenate([np.full(n, float(size)) for size, n in groups])
    classes = np.concatenate([np.full(n, i) for i, (_, n) in enumerate(groups)])
    return np.column_stack([sizes, sizes]), classes


def sizes_of(anchors):
    return np.sqrt(anchors.prod(axis=2))


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    boxes = squares((70, 4000), (26, 30), (130, 40))
    anchors = anchors_of(*boxes, 3, n_sizes=2)
    assert anchors.shape == (3, 2, 2)
    sizes = sizes_of(anchors).ravel()
    assert sizes[0] == pytest.approx(26, rel=0.1)
    assert sizes[-1] == pytest.approx(130, rel=0.1)
    ratios = sizes[1:] / sizes[:-1]
    np.testing.assert_allclose(ratios, ratios[0])


def test_each_box_has_an_anchor_of_about_its_size():
    size = RNG.lognormal(4, 0.5, 500)
    sides, classes = np.column_stack([size, size]), np.zeros(500, dtype=int)
    sizes = sizes_of(anchors_of(sides, classes, 3)).ravel()
    nearest = np.abs(np.log(size[:, None] / sizes)).min(axis=1)
    assert np.mean(np.exp(-2 * nearest) > 0.5) > 0.9  # intersection over union


def test_boxes_of_one_size_have_anchors_around_it():
    sizes = sizes_of(anchors_of(*squares((50, 10)), 3)).ravel()
    assert sizes[0] < 50 < sizes[-1]
    assert sizes[-1] / sizes[0] == pytest.approx(2)


def test_boxes_that_are_not_square_have_anchors_of_three_ratios():
    width = RNG.uniform(20, 80, 300)
    sides = np.column_stack([width, 3 * width])
    sides[::2] = sides[::2, ::-1]
    anchors = anchors_of(sides, np.zeros(300, dtype=int), 3, n_sizes=1)
    assert anchors.shape == (3, 3, 2)
    ratios = anchors[0, :, 1] / anchors[0, :, 0]
    assert ratios[0] == pytest.approx(1 / 3, rel=0.1)
    assert ratios[-1] == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("n_ratios", [1, 2, 3])
def test_the_number_of_ratios_can_be_chosen(n_ratios):
    anchors = anchors_of(*squares((50, 10), (20, 3)), 3, 2, n_ratios)
    assert anchors.shape == (3, 2 * n_ratios, 2)


@pytest.mark.parametrize("n_ratios", ["auto", 3])
def test_without_boxes_there_are_usual_anchors(n_ratios):
    anchors = anchors_of(np.zeros((0, 2)), np.zeros(0, dtype=int), 3, 2, n_ratios)
    assert np.isfinite(anchors).all()
    assert (anchors > 4).all()


def test_small_boxes_have_a_finer_level():
    assert strides_of(*squares((70, 100))) == STRIDES
    assert strides_of(*squares((70, 100), (8, 5))) == (4, *STRIDES)
    assert strides_of(np.zeros((0, 2)), np.zeros(0, dtype=int)) == STRIDES
