import pickle

import numpy as np
import pytest

from automodel.targets.boxes import Boxes


def corner(n):
    """Return a box that is as large as its number."""
    return [0, 0, n, n]


TRUTH = Boxes.of(
    [
        {"boxes": [corner(1), corner(2)], "labels": [0, 1], "ignored": [False, True]},
        {"boxes": [], "labels": []},
        {"boxes": [corner(3)], "labels": [2]},
    ]
)
PREDICTED = Boxes.of(
    [
        ([corner(1), corner(2), corner(3)], [0, 1, 1], [0.2, 0.9, 0.2]),
        None,
        ([], [], []),
        ([corner(4)], [2], [0.5]),
    ]
)


def sizes(boxes):
    return boxes.coordinates[:, 2].tolist()


def test_boxes_of_images_are_in_flat_arrays():
    assert TRUTH.starts.tolist() == [0, 2, 2, 3]
    assert TRUTH.images.tolist() == [0, 0, 2]
    assert TRUTH.classes.tolist() == [0, 1, 2]
    assert TRUTH.ignored.tolist() == [False, True, False]
    assert TRUTH.scores is None
    assert TRUTH.known.all()
    assert len(TRUTH) == 3


def test_an_image_may_have_no_prediction():
    assert PREDICTED.known.tolist() == [True, False, True, True]
    assert PREDICTED.counts.tolist() == [3, 0, 0, 1]
    assert not Boxes.of([None, None]).known.any()


@pytest.mark.parametrize(
    "rows",
    [
        np.array([3, 0, 0]),
        [],
        slice(1, None),
        slice(None, None, -1),
        np.array([True, False, False, True]),
        np.array([-1]),
    ],
)
def test_rows_are_images(rows):
    taken = PREDICTED[rows]
    numbers = np.arange(4)[rows]
    assert len(taken) == len(numbers)
    for own, number in enumerate(numbers):
        assert sizes(taken[own]) == sizes(PREDICTED[number])
        assert taken.known[own] == PREDICTED.known[number]


def test_an_image_that_is_not_there_is_an_error():
    with pytest.raises(IndexError):
        TRUTH[3]
    assert len(list(TRUTH)) == 3


def test_parts_are_joined():
    joined = Boxes.concatenate([PREDICTED[:2], PREDICTED[2:]])
    for name in ("coordinates", "classes", "scores", "starts", "ignored", "known"):
        assert np.array_equal(getattr(joined, name), getattr(PREDICTED, name))
    assert len(Boxes.concatenate([])) == 0
    with pytest.raises(ValueError, match="cannot be joined"):
        Boxes.concatenate([TRUTH, PREDICTED])


def test_the_best_boxes_come_first_and_equal_ones_keep_their_order():
    assert sizes(PREDICTED.best()) == [2, 1, 3, 4]
    best = PREDICTED.best(2)
    assert sizes(best) == [2, 1, 4]
    assert best.starts.tolist() == [0, 2, 2, 2, 3]


def test_some_boxes_are_kept_of_all_images():
    kept = PREDICTED.where(PREDICTED.scores > 0.3)
    assert sizes(kept) == [2, 4]
    assert kept.starts.tolist() == [0, 1, 1, 1, 2]


def test_users_get_dictionaries():
    first, empty, last = TRUTH.to_dicts(np.array(["a", "b", "c"]))
    assert first["labels"].tolist() == ["a", "b"]
    assert first["ignored"].tolist() == [False, True]
    assert empty["boxes"].shape == (0, 4)
    assert set(last) == {"boxes", "labels"}
    assert set(PREDICTED.to_dicts(np.arange(3))[1]) == {"boxes", "labels", "scores"}


def test_an_empty_prediction_has_no_boxes():
    empty = Boxes.empty(2)
    assert empty.known.all()
    assert empty.scores.shape == (0,)
    assert len(empty[[0, 1, 1]]) == 3
    assert not Boxes.empty(2, is_known=False).known.any()


def test_boxes_can_be_pickled():
    again = pickle.loads(pickle.dumps(PREDICTED))
    assert np.array_equal(again.scores, PREDICTED.scores)
    assert again.nbytes == PREDICTED.nbytes > 0


def test_arrays_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="different lengths"):
        Boxes.of([([corner(1)], [0, 1])])
