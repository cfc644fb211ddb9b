"""Boosting stops early when the best round is too long ago."""

import math

import numpy as np
import pytest

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Monitor
from automodel.exceptions import TrialPruned
from automodel.families._boosting import PATIENCE, RoundTracker, rounds_for, set_rounds
from automodel.families.hist_gradient_boosting import HistGradientBoosting
from tests.conftest import make_task

VALID = (np.zeros((3, 1)), np.zeros(3), None)


def test_it_stops_after_the_patience_and_keeps_the_best_round():
    tracker = RoundTracker(Monitor(valid=VALID))
    values = [1.0, 2.0, *[0.0] * 100]
    n_rounds = next(i for i, value in enumerate(values, 1) if tracker.add_round(value))
    assert n_rounds == 2 + PATIENCE + 1
    assert tracker.rounds_used == 2


def test_patience_grows_with_the_best_round():
    tracker = RoundTracker(Monitor(valid=VALID))
    assert not any(tracker.add_round(float(i)) for i in range(1000))
    assert not any(tracker.add_round(0.0) for _ in range(300))


def test_without_validation_all_rounds_are_used():
    tracker = RoundTracker(Monitor())
    assert not any(tracker.add_round() for _ in range(500))
    assert tracker.rounds_used == 500


def test_a_validation_part_without_rows_does_not_stop_early():
    tracker = RoundTracker(Monitor(valid=(np.zeros((0, 1)), np.zeros(0), None)))
    assert not tracker.stops_early


def test_values_that_are_not_numbers_never_become_the_best():
    tracker = RoundTracker(Monitor(valid=VALID))
    assert not any(tracker.add_round(math.nan) for _ in range(100))
    assert tracker.rounds_used == 100


def test_it_stops_at_the_deadline():
    monitor = Monitor(Deadline.after(-1.0))
    assert RoundTracker(monitor).add_round()
    assert monitor.steps_cut == 1


def test_what_has_stopped_early_is_not_cut():
    tracker = RoundTracker(Monitor(valid=VALID))
    while not tracker.add_round(-tracker.rounds):
        pass
    assert tracker.rounds > PATIENCE
    assert tracker.monitor.steps_cut is None


def test_a_pruned_trial_rises_from_the_round():
    tracker = RoundTracker(Monitor(valid=VALID, should_prune=lambda reports: True))
    with pytest.raises(TrialPruned):
        tracker.add_round(1.0)


def test_slow_rates_get_more_rounds_within_limits():
    assert rounds_for(1.0) == 300
    assert rounds_for(0.001) == 4000
    assert rounds_for(0.05) == 1200


@pytest.mark.parametrize(("valid", "rounds"), [(None, 9), (VALID, 500)])
def test_a_refit_has_the_rounds_of_the_folds(valid, rounds):
    estimator = HistGradientBoosting().estimator(make_task("regression", 100, 4), 0)
    monitor = Monitor(n_iterations=9, valid=valid)
    assert set_rounds(estimator, "max_iter", monitor) == rounds
