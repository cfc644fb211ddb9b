import pickle

import numpy as np
import pytest

from automodel.targets.box_fusion import BoxFusion
from automodel.targets.boxes import Boxes


def random_predictions(n_models=3, n_images=6, seed=0):
    """Return the boxes that several models find around the same objects."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 90, (n_images, 12, 2))
    objects = np.concatenate(
        [corners, corners + rng.uniform(8, 40, (n_images, 12, 2))], 2
    )
    classes = rng.integers(0, 2, (n_images, 12))
    predictions = []
    for _ in range(n_models):
        images = []
        for boxes, own in zip(objects, classes, strict=True):
            seen = rng.random(12) < 0.8
            moved = boxes[seen] + rng.normal(0, 2, (seen.sum(), 4))
            images.append((moved, own[seen], rng.uniform(0.05, 1, seen.sum())))
        predictions.append(Boxes.of(images).best())
    return predictions


def iou(box, other):
    low, high = np.maximum(box, other)[:2], np.minimum(box, other)[2:]
    shared = np.prod(np.maximum(high - low, 0))
    areas = [np.prod(b[2:] - b[:2]) for b in (box, other)]
    return shared / (sum(areas) - shared)


def fused_by_loops(images, weights, threshold=0.55):
    """Return boxes, classes and scores of one image, as the paper describes them."""
    every = [
        (weight * score, score, model, label, box.astype(np.float64))
        for model, (boxes, weight) in enumerate(zip(images, weights, strict=True))
        for box, label, score in zip(
            boxes.coordinates, boxes.classes, boxes.scores, strict=True
        )
    ]
    every.sort(key=lambda one: -one[0])
    clusters, means = [], []
    for one in every:
        overlaps = [
            iou(mean, one[4]) if cluster[0][3] == one[3] else 0.0
            for cluster, mean in zip(clusters, means, strict=True)
        ]
        best = int(np.argmax(overlaps)) if overlaps else 0
        if overlaps and overlaps[best] > threshold:
            clusters[best].append(one)
        else:
            best = len(clusters)
            clusters.append([one])
            means.append(None)
        strength = [member[0] for member in clusters[best]]
        boxes = [member[4] for member in clusters[best]]
        means[best] = np.average(boxes, axis=0, weights=strength)
    scores = [
        sum(m[0] for m in cluster)
        / sum(weights[m[2]] for m in cluster)
        * sum(weights[model] for model in {m[2] for m in cluster})
        / sum(weights)
        for cluster in clusters
    ]
    order = np.argsort(scores)[::-1]
    return [(means[i], clusters[i][0][3], scores[i]) for i in order]


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], [1 / 3] * 3, [0.1, 0.9, 0.0]])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_fused_as_in_the_paper(weights, seed):
    predictions = random_predictions(seed=seed)
    fused = BoxFusion(np.array(weights)).predict(predictions)
    used = [i for i, weight in enumerate(weights) if weight]
    for row in range(len(fused)):
        images = [predictions[i][row] for i in used]
        expected = fused_by_loops(images, [weights[i] for i in used])
        boxes, classes, scores = zip(*expected, strict=True)
        np.testing.assert_allclose(fused[row].coordinates, boxes, rtol=1e-4)
        np.testing.assert_allclose(fused[row].scores, scores, rtol=1e-5)
        assert fused[row].classes.tolist() == list(classes)


def test_the_boxes_of_one_model_are_unchanged():
    predictions = random_predictions()
    assert BoxFusion(np.array([0, 1.0, 0])).predict(predictions) is predictions[1]


def test_models_that_agree_are_surer():
    one = Boxes.of([([[0, 0, 10, 10]], [0], [0.8])])
    none, other = Boxes.empty(1), Boxes.of([([[0, 0, 10, 10]], [1], [0.8])])
    weights = np.array([0.75, 0.25])
    assert BoxFusion(weights).predict([one, one]).scores.tolist() == [np.float32(0.8)]
    scores = BoxFusion(weights).predict([one, none]).scores
    np.testing.assert_allclose(scores, [0.6])
    fused = BoxFusion(weights).predict([one, other])
    np.testing.assert_allclose(fused.scores, [0.6, 0.2])
    assert fused.classes.tolist() == [0, 1]


def test_several_boxes_of_a_model_count_as_one():
    one = Boxes.of([([[0, 0, 10, 10]] * 3, [0] * 3, [0.9] * 3)])
    scores = BoxFusion(np.array([0.5, 0.5])).predict([one, Boxes.empty(1)]).scores
    np.testing.assert_allclose(scores, [0.45])


def test_a_box_without_a_score_stays_where_it_is():
    one = Boxes.of([([[5, 5, 10, 10]], [0], [0.0])])
    fused = BoxFusion(np.array([0.5, 0.5])).predict([one, Boxes.empty(1)])
    np.testing.assert_allclose(fused.coordinates, [[5, 5, 10, 10]])


def test_the_best_boxes_of_an_image_are_kept():
    predictions = random_predictions()
    every = BoxFusion(np.ones(3) / 3).predict(predictions)
    best = BoxFusion(np.ones(3) / 3, max_boxes=2).predict(predictions)
    assert best.counts.tolist() == [2] * len(best)
    for row in range(len(best)):
        assert best[row].scores.tolist() == every[row].scores[:2].tolist()


def test_many_boxes_are_compared_in_parts(monkeypatch):
    predictions = random_predictions(n_images=10)
    expected = BoxFusion(np.ones(3) / 3).predict(predictions)
    monkeypatch.setattr("automodel.targets.box_fusion.MOST_CELLS", 1)
    parts = BoxFusion(np.ones(3) / 3).predict(predictions)
    assert np.array_equal(parts.coordinates, expected.coordinates)


def test_some_models_can_be_taken():
    predictions = random_predictions()
    fusion = BoxFusion(np.array([0.5, 0.0, 0.5])).take([2, 0])
    assert fusion.weights.tolist() == [0.5, 0.5]
    fused = fusion.predict([predictions[2], predictions[0]])
    assert len(fused) == len(predictions[0])


def test_images_that_a_model_has_not_seen_are_unknown():
    one = Boxes.of([([[0, 0, 10, 10]], [0], [0.8]), None, ([], [], [])])
    fused = BoxFusion(np.array([0.5, 0.5])).predict([one, Boxes.empty(3)])
    assert fused.known.tolist() == [True, False, True]
    assert fused.counts.tolist() == [1, 0, 0]


def test_no_boxes_of_any_model_are_no_boxes():
    fused = BoxFusion(np.array([0.5, 0.5])).predict([Boxes.empty(2)] * 2)
    assert fused.counts.tolist() == [0, 0]


def test_it_can_be_pickled():
    fusion = pickle.loads(pickle.dumps(BoxFusion(np.array([0.5, 0.5]))))
    assert fusion.weights.tolist() == [0.5, 0.5]
