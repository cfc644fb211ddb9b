import warnings

import numpy as np
import pandas as pd
import pytest

from automodel.exceptions import FitWarning
from automodel.targets.box_checks import (
    check_boxes,
    check_has_boxes,
    read_boxes,
    with_classes,
)

SIZES = np.array([10, 10]), np.array([20, 20])  # heights and widths


def image(*boxes, **others):
    labels = ["a"] * len(boxes)
    return {"boxes": list(boxes), "labels": labels, **others}


def with_labels(*labels):
    return {"boxes": [[0, 0, 5, 5]] * len(labels), "labels": list(labels)}


TWO = [image([0, 0, 5, 5], [1, 2, 3, 4]), image()]


@pytest.mark.parametrize(
    "container", [list, tuple, pd.Series, lambda y: np.array(y, dtype=object)]
)
def test_any_sequence_of_dictionaries_is_read(container):
    boxes, labels = check_boxes(container(TWO), 2, SIZES)
    assert boxes.starts.tolist() == [0, 2, 2]
    assert boxes.coordinates.tolist() == [[0, 0, 5, 5], [1, 2, 3, 4]]
    assert labels.tolist() == ["a"]


@pytest.mark.parametrize("none", [[], np.zeros(0), np.zeros((0, 4))])
def test_an_image_may_have_no_boxes(none):
    boxes, labels = check_boxes([{"boxes": none, "labels": []}, TWO[0]])
    assert boxes.counts.tolist() == [0, 2]
    assert labels.tolist() == ["a"]


def test_tensors_are_read():
    torch = pytest.importorskip("torch")
    y = [{"boxes": torch.ones(1, 4) * torch.arange(4), "labels": torch.tensor([3])}]
    boxes, labels = check_boxes(y)
    assert boxes.coordinates.tolist() == [[0, 1, 2, 3]]
    assert labels.tolist() == [3]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([2, 1, 2], dtype=np.uint8), [1, 2]),
        (np.array([2.0, 1.0, 2.0]), [1, 2]),
        ([2, np.int16(1), True], [1, 2]),
        (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        (["bb", np.str_("a"), "bb"], ["a", "bb"]),
    ],
)
def test_labels_are_integers_or_strings(labels, classes):
    boxes, found = check_boxes([with_labels(1, 2, 3) | {"labels": labels}])
    assert found.tolist() == classes
    assert found.dtype.kind in "iU"
    assert found[boxes.classes][1] == classes[0]


@pytest.mark.parametrize(
    "y", [[with_labels(1, "a")], [with_labels(1), image(), with_labels("a")]]
)
def test_mixed_labels_are_an_error(y):
    with pytest.raises(ValueError, match="image 0 .*(are of the types|image 2)"):
        check_boxes(y)


@pytest.mark.parametrize("label", [None, np.nan, 0.5, b"a", (1, 2)])
def test_other_labels_are_an_error(label):
    with pytest.raises(ValueError, match="labels of image 1"):
        check_boxes([image(), with_labels(label)])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([image(), image([0, 0, 5, 5], [3, 1, 3, 2])], "Box 1 of image 1 .* x2 <= x1"),
        ([image(), image([0, 5, 5, 5])], "Box 0 of image 1 .* y2 <= y1"),
        ([image([0, 0, np.nan, 5])], "Box 0 of image 0 .* is not finite"),
        ([image([0, 0, np.inf, 5])], "is not finite"),
        ([image([0, 0, 5])], "boxes of image 0 .* shape"),
        ([image([0, 0, 5, 5], [0, 0])], "'boxes' of image 0"),
        ([image([0, 0, 0.5, 1]), image()], "between 0 and 1"),
        ([image([0, 0, 5, 5]) | {"labels": []}], "1 boxes in image 0 .* 0 labels"),
        ([image([0, 0, 5, 5], ignored=[True, False])], "'ignored' of shape"),
        ([image([0, 0, 5, 5], ignored=[2])], "neither True nor False"),
        ([image(), {"boxes": []}], "image 1 of y has no 'labels'"),
        (None, "y is None"),
    ],
)
def test_the_error_names_image_and_box(y, message):
    with pytest.raises(ValueError, match=message):
        check_boxes(y)


@pytest.mark.parametrize(
    "y", [image(), "boxes", 3, pd.DataFrame(TWO), [image(), [[0, 0, 1, 1]]]]
)
def test_other_types_are_an_error(y):
    with pytest.raises(TypeError, match="Pass a list with a dictionary"):
        check_boxes(y)


def test_the_length_is_that_of_x():
    with pytest.raises(ValueError, match="X has 3 images, but y has 2 entries"):
        check_boxes(TWO, 3)


def test_a_pixel_beyond_the_image_is_clipped():
    y = [image([-0.5, 0, 5, 11], [1, 1, 2, 2]), image([15, 3, 21, 4])]
    with pytest.warns(FitWarning, match="2 of 3 boxes"):
        boxes, _ = check_boxes(y, 2, SIZES)
    expected = [[0, 0, 5, 10], [1, 1, 2, 2], [15, 3, 20, 4]]
    assert boxes.coordinates.tolist() == expected


def test_boxes_inside_are_unchanged_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_boxes([image([0, 0, 20, 10]), image()], 2, SIZES)
        check_boxes([image([0, 0, 999, 999])])


@pytest.mark.parametrize(
    ("box", "sizes", "message"),
    [
        ([1, 1, 5, 11.5], SIZES, "Box 1 of image 1 .* 20 x 10 pixels"),
        ([1, 1, 22, 3], SIZES, "more than one pixel outside"),
        ([-2, 1, 5, 3], None, "more than one pixel outside"),
        ([-1, 1, 0, 3], SIZES, "outside of its image"),
    ],
)
def test_boxes_outside_are_an_error(box, sizes, message):
    with pytest.raises(ValueError, match=message):
        check_boxes([image(), image([1, 1, 2, 2], box)], 2, sizes)


def test_other_keys_are_not_read():
    boxes, _ = check_boxes([image([0, 0, 5, 5], masks="any", scores=None)])
    assert boxes.scores is None


def test_ignored_boxes_are_known():
    boxes, _ = check_boxes([image([0, 0, 5, 5], [1, 1, 2, 2], ignored=[False, 1])])
    assert boxes.ignored.tolist() == [False, True]


@pytest.mark.parametrize("y", [[image()], [image([0, 0, 5, 5], ignored=[True])]])
def test_there_is_something_to_learn(y):
    check_has_boxes(check_boxes(TWO)[0])
    with pytest.raises(ValueError, match="nothing to learn"):
        check_has_boxes(check_boxes(y)[0])


def test_predictions_have_scores():
    y = [image([0, 0, -1, 5], scores=[0.5]), image(scores=[])]
    boxes, _ = read_boxes(y, "y_pred", is_predicted=True)
    assert boxes.scores.tolist() == [0.5]
    with pytest.raises(ValueError, match="image 0 of y_pred has no 'scores'"):
        read_boxes(TWO, "y_pred", is_predicted=True)
    with pytest.raises(ValueError, match="'scores' of image 0 .* not finite"):
        read_boxes([image([0, 0, 5, 5], scores=[np.nan])], is_predicted=True)


def test_classes_are_positions_among_those_of_fit():
    boxes, labels = check_boxes([with_labels("a", "c")])
    again = with_classes(boxes, labels, np.array(["a", "b", "c"]))
    assert again.classes.tolist() == [0, 2]
    with pytest.raises(ValueError, match="'c'"):
        with_classes(boxes, labels, np.array(["a", "b"]))
