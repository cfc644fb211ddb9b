import contextlib
import io

import numpy as np
import pytest

from automodel.metrics import average_precision_per_class, mean_average_precision
from automodel.metrics.average_precision import (
    average_precisions,
    mean_precision_of_boxes,
)
from automodel.targets.boxes import Boxes
from tests.metrics.boxes import (
    THRESHOLDS,
    average_precision_by_loops,
    random_boxes,
)


def truth(*boxes, labels=None, **others):
    labels = ["a"] * len(boxes) if labels is None else labels
    return {"boxes": list(boxes), "labels": labels, **others}


def predicted(*boxes, scores, labels=None):
    return truth(*boxes, labels=labels, scores=scores)


BOX, OTHER, AWAY = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]


def test_perfect_predictions_score_1():
    y = [truth(BOX, OTHER, labels=["a", "b"]), truth()]
    found = [predicted(BOX, OTHER, labels=["a", "b"], scores=[0.1, 0.9])]
    assert mean_average_precision(y, [*found, predicted(scores=[])]) == 1.0


def test_no_predictions_score_0():
    assert mean_average_precision([truth(BOX)], [predicted(scores=[])]) == 0.0


def test_without_true_boxes_there_is_no_score():
    found = [predicted(BOX, scores=[0.5])]
    assert np.isnan(mean_average_precision([truth()], found))
    ignored = [truth(BOX, ignored=[True])]
    assert np.isnan(mean_average_precision(ignored, found))
    assert average_precision_per_class(ignored, found) == {}


def test_a_false_box_of_higher_score_halves_the_precision():
    found = [predicted(AWAY, BOX, scores=[0.9, 0.8])]
    assert mean_average_precision([truth(BOX)], found) == pytest.approx(0.5)
    found = [predicted(AWAY, BOX, scores=[0.7, 0.8])]
    assert mean_average_precision([truth(BOX)], found) == 1.0


def test_a_true_box_is_found_once():
    found = [predicted(BOX, BOX, OTHER, scores=[0.9, 0.8, 0.7])]
    score = mean_average_precision([truth(BOX, OTHER)], found)
    assert score == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_ignored_boxes_count_neither_way():
    y = [truth(OTHER, [0, 0, 40, 10], ignored=[False, True])]
    found = [predicted(BOX, [10, 0, 20, 10], OTHER, scores=[0.9, 0.8, 0.7])]
    assert mean_average_precision(y, found) == 1.0


def test_classes_of_predictions_alone_are_left_out():
    found = [predicted(BOX, AWAY, labels=["a", "0"], scores=[0.5, 0.9])]
    assert mean_average_precision([truth(BOX)], found) == 1.0
    assert average_precision_per_class([truth(BOX)], found) == {"a": 1.0}


@pytest.mark.parametrize("thresholds", [0.5, [0.5, 0.75], THRESHOLDS])
@pytest.mark.parametrize("seed", range(4))
def test_it_equals_the_definition(seed, thresholds):
    y_true, y_pred = random_boxes(seed)
    scores = average_precision_per_class(y_true, y_pred, iou_thresholds=thresholds)
    expected = {
        label: np.mean(
            [
                average_precision_by_loops(y_true, y_pred, label, threshold)
                for threshold in np.atleast_1d(thresholds)
            ]
        )
        for label in range(3)
    }
    assert scores == pytest.approx(expected)
    assert scores[2] == 0.0 < scores[0] < 1.0
    mean = mean_average_precision(y_true, y_pred, iou_thresholds=thresholds)
    assert mean == pytest.approx(np.mean(list(expected.values())))


def test_the_best_detections_of_each_image_and_class_count():
    y_true, y_pred = random_boxes(7, n_dense=40)
    score = mean_average_precision(y_true, y_pred, max_detections=5)
    expected = [
        average_precision_by_loops(y_true, y_pred, label, threshold, most=5)
        for label in range(3)
        for threshold in THRESHOLDS
    ]
    assert score == pytest.approx(np.mean(expected))
    assert score != pytest.approx(mean_average_precision(y_true, y_pred))


def test_pairs_are_compared_in_parts(monkeypatch):
    y_true, y_pred = random_boxes(3)
    expected = mean_average_precision(y_true, y_pred)
    monkeypatch.setattr("automodel.metrics.average_precision.MOST_PAIRS", 7)
    assert mean_average_precision(y_true, y_pred) == expected


def test_classes_of_boxes_that_the_truth_lacks_are_left_out():
    true = Boxes.of([([BOX, AWAY], [0, 2])])
    found = Boxes.of([([BOX, OTHER, AWAY], [0, 1, 3], [0.5, 0.9, 0.9])])
    scores = average_precisions(true, found, [0.5, 0.9])
    np.testing.assert_array_equal(scores, [[1, 1], [np.nan] * 2, [0, 0]])
    assert mean_precision_of_boxes(true, found) == 0.5
    assert mean_precision_of_boxes(true, Boxes.empty(1)) == 0.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([truth(BOX)], [], "1 images, but predicted ones of 0"),
        ([truth(BOX)], [truth(BOX)], "image 0 of y_pred has no 'scores'"),
        ([truth(BOX)], [predicted(BOX, scores=[1], labels=[0])], "different types"),
    ],
)
def test_other_boxes_are_an_error(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        mean_average_precision(y_true, y_pred)


@pytest.mark.parametrize("thresholds", [[], 0, 1.1, [[0.5]], [np.nan]])
def test_thresholds_are_above_0_and_up_to_1(thresholds):
    none = [predicted(scores=[])]
    with pytest.raises(ValueError, match="iou_thresholds must be"):
        mean_average_precision([truth()], none, iou_thresholds=thresholds)


def of_pycocotools(y_true, y_pred):
    """Return the average precision of each class and threshold."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    own, found = coco.COCO(), []
    images = [{"id": i + 1} for i in range(len(y_true))]
    own.dataset = {"images": images, "annotations": []}
    own.dataset["categories"] = [{"id": label + 1} for label in range(3)]
    for i, (true, predicted) in enumerate(zip(y_true, y_pred, strict=True)):
        for kind, image in ((own.dataset["annotations"], true), (found, predicted)):
            for j, (x1, y1, x2, y2) in enumerate(image["boxes"].tolist()):
                record = {"image_id": i + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
                record["category_id"] = int(image["labels"][j]) + 1
                if image is true:
                    record["iscrowd"] = int(image["ignored"][j])
                    record["area"] = (x2 - x1) * (y2 - y1)
                    record["id"] = len(kind) + 1
                else:
                    record["score"] = float(image["scores"][j])
                kind.append(record)
    with contextlib.redirect_stdout(io.StringIO()):
        own.createIndex()
        evaluation = cocoeval.COCOeval(own, own.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1].mean(axis=1)
    return np.where(precision < 0, np.nan, precision).T


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_it_equals_pycocotools(seed):
    y_true, y_pred = random_boxes(seed, n_images=40, n_dense=150 * (seed % 2))
    if seed % 3 == 0:
        rng = np.random.default_rng(seed)
        for image in [*y_true, *y_pred]:
            noise = rng.integers(0, 8, image["boxes"].shape) / 8
            image["boxes"] = image["boxes"] + noise
    expected = of_pycocotools(y_true, y_pred)
    for i, threshold in enumerate(THRESHOLDS):
        own = average_precision_per_class(y_true, y_pred, iou_thresholds=threshold)
        np.testing.assert_allclose(list(own.values()), expected[:, i], atol=1e-4)
    assert mean_average_precision(y_true, y_pred) == pytest.approx(
        np.nanmean(expected), abs=1e-6
    )
