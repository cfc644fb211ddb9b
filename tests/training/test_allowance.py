"""What the models of an ensemble may cost."""

import math
import threading
import time

import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.fitted_model import FittedModel
from automodel.training.allowance import (
    AUTO_MODELS,
    AUTO_SECONDS,
    ROWS_OF_CALL,
    Allowance,
    ModelCost,
    ModelLimits,
    mean_bytes,
    pickled_bytes,
)
from tests.training.makers import class_folds, make_evaluation


def measured(trials, deadline=NO_DEADLINE, folds=None, **limits):
    limits = ModelLimits(**limits)
    return Allowance.measured(trials, folds or class_folds(), deadline, limits)


def test_large_models_are_few(tmp_path):
    """A refit learns from 3/2 of the rows of a fold."""
    paths = [tmp_path / str(i) for i in range(3)]
    for path in paths:
        path.write_bytes(bytes(1000))
    allowance = measured({0: make_evaluation(models=paths)}, n_bytes=3500)
    assert allowance.allows({0: 2})
    assert not allowance.allows({0: 3})


def test_models_in_memory_count_as_they_would_in_files():
    evaluation = make_evaluation(models=[FittedModel(None, bytes(1000), None)] * 3)
    assert 1000 < mean_bytes(evaluation.models) < 1500


def test_a_target_may_limit_the_number_of_models():
    costs = {0: ModelCost(0.0, 1.0), 1: ModelCost(0.0, 1.0)}
    allowance = Allowance(ModelCost(math.inf, 100.0), costs, n_models=3)
    assert allowance.allows({0: 2, 1: 1})
    assert not allowance.allows({0: 2, 1: 2})


class SlowToPickle:
    """Takes longer to write than an ensemble with a deadline would wait for."""

    def __reduce__(self):
        time.sleep(0.1)
        return int, ()


def test_the_clock_is_not_read_for_a_size_without_a_budget():
    trials = {n: make_evaluation(models=[SlowToPickle()] * 3) for n in range(2)}
    assert mean_bytes(trials[0].models, Deadline.after(0.05)) == math.inf
    assert measured(trials).costs[0].n_bytes < 1000


def test_a_size_that_is_not_known_is_that_of_the_largest_of_the_family(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(bytes(1000))
    trials = {
        0: make_evaluation(models=[path] * 3),
        1: make_evaluation(models=[path] * 3, name="other"),
        2: make_evaluation(models=(), name="other"),
        3: make_evaluation(models=(), name="third"),
    }
    trials[1].models = [path.with_suffix(".large")] * 3
    trials[1].models[0].write_bytes(bytes(5000))
    found = {n: round(cost.n_bytes) for n, cost in measured(trials).costs.items()}
    assert found == {0: 1500, 1: 7500, 2: 7500, 3: 7500}


def test_nothing_is_pickled_once_time_is_over():
    begun = []

    class Telling:
        def __reduce__(self):
            begun.append(self)
            return int, ()

    assert mean_bytes([Telling()], Deadline.after(0.0)) == math.inf
    assert begun == []


@pytest.mark.parametrize(
    ("model", "seconds", "expected"),
    [
        ([bytes(10**5), threading.Lock()], 60.0, (10**5, 2 * 10**5)),
        ([bytes(100)] * 9, -1.0, (math.inf, math.inf)),
    ],
)
def test_the_size_of_what_cannot_be_measured_is_estimated(model, seconds, expected):
    least, most = expected
    assert least <= pickled_bytes(model, Deadline.after(seconds)) <= most


def trial_of(seconds, score=0.0):
    """Return a trial whose predictions took so many seconds a row, in short calls."""
    own = make_evaluation()
    own.predict_seconds, own.score = 3 * ROWS_OF_CALL * seconds, score
    return own


def test_the_time_of_predictions_counts_only_under_a_budget_or_a_limit():
    slow = {0: trial_of(2 * AUTO_SECONDS), 1: trial_of(0.1 * AUTO_SECONDS, score=1.0)}
    assert measured(slow, Deadline.after(60.0)).candidates([0, 1]) == [1]
    assert measured(slow).candidates([0, 1]) == [0, 1]
    assert measured(slow).expense(0) == measured(slow).expense(1)
    assert measured(slow, seconds=AUTO_SECONDS).candidates([0, 1]) == [1]
    unlimited = measured(slow, Deadline.after(60.0), seconds=None)
    assert unlimited.candidates([0, 1]) == [0, 1]
    assert unlimited.expense(0) > unlimited.expense(1)


def test_there_is_room_for_a_few_models_like_the_best():
    trials = {0: trial_of(3.0, score=0.5), 1: trial_of(1.0, score=0.9)}
    allowance = measured(trials, Deadline.after(60.0))
    assert allowance.total.seconds == pytest.approx(AUTO_MODELS)
    assert allowance.allows({1: AUTO_MODELS})
    assert not allowance.allows({1: AUTO_MODELS + 1})


def test_if_no_model_is_within_the_limits_the_cheapest_is_the_only_candidate():
    trials = {0: trial_of(3.0), 1: trial_of(2.0), 2: trial_of(4.0)}
    assert measured(trials, seconds=1.0).candidates([0, 1, 2]) == [1]
