import pickle

import numpy as np
import pytest

from automodel.targets.boxes import Boxes
from automodel.targets.detection import LEAST_IMAGES, BoxTarget

Y = [
    {"boxes": [[0, 0, 10, 10], [20, 20, 30, 40]], "labels": ["b", "a"]},
    {"boxes": [], "labels": []},
    {"boxes": [[1, 1, 11, 11]], "labels": ["b"], "ignored": [True]},
    {"boxes": [[0, 0, 10, 12]], "labels": ["b"]},
]
TARGET = BoxTarget.of(Y)


def predicted(*images):
    """Return boxes of one class, each given by its left edge and its score."""
    return Boxes.of(
        None
        if image is None
        else (
            [[left, 0, left + 10, 10] for left, _ in image],
            [0] * len(image),
            [score for _, score in image],
        )
        for image in images
    )


class Fixed:
    def __init__(self, prediction):
        self.prediction = prediction

    def predict(self, X):
        return self.prediction


def test_labels_become_classes_and_back():
    encoded = TARGET.encode(Y)
    assert encoded.classes.tolist() == [1, 0, 1, 1]
    assert encoded.ignored.tolist() == [False, False, True, False]
    restored = TARGET.restore(encoded)
    assert [image["labels"].tolist() for image in restored] == [
        ["b", "a"],
        [],
        ["b"],
        ["b"],
    ]
    assert restored[2]["ignored"].tolist() == [True]
    assert (TARGET.n_outputs, TARGET.classes) == (2, None)


def test_unknown_labels_cannot_be_encoded():
    with pytest.raises(ValueError, match="'c'"):
        TARGET.encode([{"boxes": [[0, 0, 1, 1]], "labels": ["c"]}])


def test_the_truth_has_the_boxes_that_count():
    truth = TARGET.truth(TARGET.encode(Y))
    assert truth.counts.tolist() == [2, 0, 0, 1]
    assert truth.scores.tolist() == [1, 1, 1]


def test_a_prediction_is_decoded_best_first():
    prediction = predicted([(0, 0.2), (50, 0.9)], [])
    first, second = TARGET.decode(prediction)
    assert first["scores"].tolist() == pytest.approx([0.9, 0.2])
    assert first["boxes"][0].tolist() == [50, 0, 60, 10]
    assert first["labels"].tolist() == ["a", "a"]
    assert second["boxes"].shape == (0, 4)
    assert len(TARGET.decode(prediction, 0.5)[0]["boxes"]) == 1
    assert TARGET.answers(prediction).predict(None)[0].keys() == first.keys()


def test_the_stratum_of_an_image_is_its_rarest_class():
    kinds = [["a"], ["b"], ["a", "b"], []]
    y = [
        {"boxes": [[0, 0, 9, 9]] * len(own), "labels": own}
        for i in range(4 * LEAST_IMAGES)
        for own in ([*kinds, ["a"]][i % 5],)
    ]
    target = BoxTarget.of(y)
    strata = target.strata(target.encode(y))
    assert strata[0] == strata[4] and strata[1] == strata[2]
    assert len({strata[0], strata[1], strata[3]}) == 3
    assert TARGET.strata(TARGET.encode(Y)).tolist() == [0, 0, 0, 0]


def test_a_prediction_has_the_best_boxes_of_each_image():
    many = [(left, left / 200) for left in range(150)]
    found = TARGET.predict(Fixed(predicted(many, [])), np.zeros((2, 1)), None)
    assert found.counts.tolist() == [100, 0]
    assert found.scores.min() == pytest.approx(50 / 200)


@pytest.mark.parametrize(
    ("prediction", "match"),
    [
        ([[1, 2, 3, 4]], "must return Boxes with scores"),
        (Boxes.of([([[0, 0, 1, 1]], [0])]), "must return Boxes with scores"),
    ],
)
def test_a_model_that_predicts_something_else_is_refused(prediction, match):
    with pytest.raises(ValueError, match=match):
        TARGET.predict(Fixed(prediction), np.zeros((1, 1)), None)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (([[0, 0, np.nan, 1]], [0], [0.5]), "not finite"),
        (([[0, 0, 1, 1]], [0], [np.inf]), "not finite"),
        (([[5, 0, 1, 1]], [0], [0.5]), "negative size"),
        (([[0, 0, 1, 1]], [2], [0.5]), "classes that there are not"),
        (None, "only some of the images"),
    ],
)
def test_invalid_predictions_are_refused(image, match):
    valid = ([[0, 0, 1, 1]], [1], [0.5])
    TARGET.check_prediction(Boxes.of([valid, ([], [], [])]))
    with pytest.raises(ValueError, match=match):
        TARGET.check_prediction(Boxes.of([valid, image]))


def test_parts_are_pooled_and_images_of_several_parts_fused():
    parts = [
        (np.array([3, 1]), predicted([(0, 0.8)], [(40, 0.6)])),
        (np.array([3, 0]), predicted([(2, 0.8)], [])),
    ]
    pooled = TARGET.pooled(5, parts)
    known = TARGET.is_predicted(pooled)
    assert known.tolist() == [True, True, False, True, False]
    assert pooled.counts.tolist() == [0, 1, 0, 1, 0]
    assert pooled[[1]].coordinates.tolist() == [[40, 0, 50, 10]]
    assert pooled[[3]].coordinates.tolist() == [[1, 0, 11, 10]]
    assert len(pooled[known]) == 3
    joined = TARGET.joined([parts[0][1], parts[1][1]])
    assert joined.counts.tolist() == [1, 1, 1, 0]


def test_the_baseline_predicts_the_typical_boxes_that_occur():
    y = TARGET.encode(Y)
    baseline = TARGET.baseline().fit(np.zeros((4, 1)), y, sample_weight=None)
    found = TARGET.predict(baseline, np.zeros((3, 1)), None)
    TARGET.check_prediction(found)
    assert found.counts.tolist() == [2, 2, 2]
    first = found[[0]]
    assert first.classes.tolist() == [1, 0]
    assert first.coordinates[0].tolist() == [0, 0, 10, 11]
    assert first.scores.tolist() == [0.5, 0.25]


def test_the_baseline_predicts_nothing_if_no_box_is_typical():
    boxes = [[[20 * i, 0, 20 * i + 5, 5]] for i in range(4)]
    y = [{"boxes": own, "labels": [1]} for own in boxes]
    target = BoxTarget.of(y)
    baseline = target.baseline().fit(np.zeros((4, 1)), target.encode(y))
    assert target.predict(baseline, np.zeros((2, 1)), None).counts.tolist() == [0, 0]


def test_a_part_without_boxes_has_a_model_that_predicts_none():
    assert TARGET.constant(TARGET.encode(Y)) is None
    y = TARGET.encode(Y)[[1, 2]]
    model = TARGET.constant(y).fit(np.zeros((2, 1)), y)
    assert TARGET.predict(model, np.zeros((2, 1)), None).counts.tolist() == [0, 0]


def test_other_labels_are_not_like_these():
    TARGET.check_like(BoxTarget(np.array(["a", "b"])))
    with pytest.raises(ValueError, match="the labels"):
        TARGET.check_like(BoxTarget(np.array(["a", "c"])))


def test_it_can_be_pickled():
    again = pickle.loads(pickle.dumps(TARGET))
    assert again.labels.tolist() == ["a", "b"]
