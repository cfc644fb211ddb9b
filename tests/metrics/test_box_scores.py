import numpy as np
import pytest
from sklearn.metrics import make_scorer

from automodel.metrics import mean_average_precision
from automodel.metrics.metric import Metric
from automodel.targets.boxes import Boxes
from automodel.targets.detection import BoxTarget

Y = [
    {"boxes": [[0, 0, 10, 10]], "labels": ["cat"]},
    {"boxes": [[5, 5, 25, 25]], "labels": ["dog"]},
    {"boxes": [], "labels": []},
]
TARGET = BoxTarget.of(Y)
PREDICTION = Boxes.of(
    [
        ([[0, 0, 10, 8]], [0], [0.9]),
        ([[5, 5, 25, 25], [40, 40, 50, 50]], [1, 1], [0.6, 0.7]),
        ([], [], []),
    ]
)


@pytest.mark.parametrize("scoring", ["map", "map_50", None])
def test_the_fast_score_is_that_of_lists(scoring):
    metric = Metric.from_scoring(scoring, TARGET)
    assert metric.name == (scoring or "map")
    options = {"iou_thresholds": 0.5} if scoring == "map_50" else {}
    expected = mean_average_precision(Y, TARGET.decode(PREDICTION), **options)
    y = TARGET.encode(Y)
    metric.check(y)
    assert metric.score(y, PREDICTION) == pytest.approx(expected)
    assert metric.score(y, TARGET.truth(y)) == 1.0
    assert metric.score(y, Boxes.empty(3)) == 0.0


def test_options_and_signs_of_scorers_are_kept():
    worse = make_scorer(
        mean_average_precision, greater_is_better=False, max_detections=1
    )
    metric = Metric.from_scoring(worse, TARGET)
    expected = mean_average_precision(Y, TARGET.decode(PREDICTION), max_detections=1)
    assert metric.score(TARGET.encode(Y), PREDICTION) == pytest.approx(-expected)
    assert metric.name == "mean_average_precision"


def test_own_scorers_get_lists_of_dictionaries():
    def found(estimator, X, y):
        pairs = zip(estimator.predict(X), y, strict=True)
        return np.mean([len(own["boxes"]) == len(true["boxes"]) for own, true in pairs])

    metric = Metric.from_scoring(found, TARGET)
    assert metric.score(TARGET.encode(Y), PREDICTION) == pytest.approx(2 / 3)
    assert not metric.needs_threshold and not metric.is_own_loss


@pytest.mark.parametrize("scoring", ["mapp", "map_75"])
def test_unknown_names_are_refused(scoring):
    with pytest.raises(ValueError, match="Use 'map' or 'map_50', or a callable"):
        Metric.from_scoring(scoring, TARGET)


def test_scores_of_boxes_are_unknown_elsewhere():
    from automodel.targets.values import ValueTarget

    with pytest.raises(ValueError, match="not a scorer of scikit-learn"):
        Metric.from_scoring("map_50", ValueTarget())
