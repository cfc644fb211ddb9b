"""What the models of an ensemble may cost."""

import math
import threading
import time

import pytest

from automodel.clock import NO_DEADLINE, Deadline
from automodel.evaluation.fitted_model import FittedModel
from automodel.training.allowance import (
    MEASURE_SECONDS,
    MODEL_BYTES,
    ROWS_OF_CALL,
    SECONDS_PER_ROW,
    Allowance,
    ModelCost,
    mean_bytes,
    pickled_bytes,
)
from tests.training.makers import class_folds, make_evaluation


def of_bytes(evaluation, total):
    measured = Allowance.measured({0: evaluation}, class_folds(), NO_DEADLINE)
    return Allowance(ModelCost(math.inf, total), measured.costs)


def test_large_models_are_few(tmp_path):
    paths = [tmp_path / str(i) for i in range(3)]
    for path in paths:
        path.write_bytes(bytes(1000))
    allowance = of_bytes(make_evaluation(models=paths), 2500)
    assert allowance.granted([(0, 2), (0, 1)]) == [True, False]


def test_models_in_memory_count_as_they_would_in_files():
    evaluation = make_evaluation(models=[FittedModel(None, bytes(1000), None)] * 3)
    assert 1000 < mean_bytes(evaluation.models) < 1500
    assert of_bytes(evaluation, 2500).granted([(0, 1), (0, 2)]) == [True, False]


def test_a_request_that_is_refused_costs_nothing():
    costs = {0: ModelCost(0.0, 10.0), 1: ModelCost(0.0, 3.0)}
    allowance = Allowance(ModelCost(math.inf, 8.0), costs)
    requests = [(1, 1), (0, 1), (1, 1), (1, 1)]
    assert allowance.granted(requests) == [True, False, True, False]


def test_a_target_may_limit_the_number_of_models():
    costs = {0: ModelCost(0.0, 1.0)}
    allowance = Allowance(ModelCost(math.inf, 100.0), costs, n_models=3)
    assert allowance.granted([(0, 1), (0, 5), (0, 1), (0, 1), (0, 1)]) == [
        True,
        False,
        True,
        True,
        False,
    ]


class SlowToPickle:
    """Takes longer to write than an ensemble with a deadline would wait for."""

    def __reduce__(self):
        time.sleep(2 * MEASURE_SECONDS)
        return int, ()


def test_the_clock_is_not_read_for_a_size_without_a_budget():
    trials = {n: make_evaluation(models=[SlowToPickle()] * 3) for n in range(2)}
    requests = [(0, 1), (1, 1)]
    unbound = Allowance.measured(trials, class_folds(), NO_DEADLINE)
    assert unbound.granted(requests) == [True, True]
    bound = Allowance.measured(trials, class_folds(), Deadline.after(60.0))
    assert not all(bound.granted(requests))


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


def test_the_allowance_is_for_a_row_of_one_model_each():
    n_rows = 3 * ROWS_OF_CALL  # of three short calls
    slow = make_evaluation()
    slow.predict_seconds = 1.01 * SECONDS_PER_ROW * n_rows
    bound = Allowance.measured({0: slow}, class_folds(), Deadline.after(60.0))
    assert bound.total == ModelCost(SECONDS_PER_ROW, MODEL_BYTES)
    assert bound.granted([(0, 1)]) == [False]
    unbound = Allowance.measured({0: slow}, class_folds(), NO_DEADLINE)
    assert unbound.granted([(0, 1)]) == [True]
