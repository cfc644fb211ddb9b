"""Stand-ins for data and predictions."""

import numpy as np
import pytest

from automodel.training.planning.stand_ins import StandInPredictions, stand_in_folds
from tests.training.planning.makers import make_folds


@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_stand_ins_have_the_folds_and_the_task_of_the_data(n_folds):
    folds = make_folds(3000, n_folds)
    stand_ins = stand_in_folds(folds, 0)
    assert len(stand_ins) == n_folds
    assert len(stand_ins.y) < 300
    assert stand_ins.task == folds.task
    assert stand_ins.can_join == folds.can_join
    assert len(stand_ins.large_folds) == len(folds.large_folds)
    for train, valid in stand_ins.splits:
        assert not set(train) & set(valid)


def test_few_rows_are_enough():
    stand_ins = stand_in_folds(make_folds(4, 2), 0)
    assert [len(part) for part in stand_ins.splits[0]] == [2, 2]


def scores_of(*errors):
    folds = stand_in_folds(make_folds(), 0)
    predictions = StandInPredictions(folds, 0)
    return [folds.score(predictions.of("a", error, 1)) for error in errors]


def test_the_score_of_predictions_follows_from_their_error():
    scores = scores_of(0.2, 0.5, 0.8)
    assert scores == sorted(scores, reverse=True)
    assert scores[1] == pytest.approx(-0.5, rel=0.2)


def test_models_of_a_family_err_alike():
    folds = stand_in_folds(make_folds(), 0)
    predictions = StandInPredictions(folds, 0)
    errors = [
        predictions.of(family, 0.5, seed)[:, 0] - folds.y
        for family, seed in (("a", 1), ("a", 2), ("b", 3))
    ]
    correlation = np.corrcoef(errors)
    assert correlation[0, 1] > correlation[0, 2] > 0.7
