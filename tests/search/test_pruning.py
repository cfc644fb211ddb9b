import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from automodel.monitor import SLOTS_PER_FOLD
from automodel.search.pruning import ForgivingPruner, Snapshot


def make_trial(means, value, state=TrialState.COMPLETE, inner=None):
    """Make an ended trial with running means of folds, and reports in fold 0."""
    steps = {SLOTS_PER_FOLD * (k + 1) - 1: mean for k, mean in enumerate(means)}
    return create_trial(
        value=value, state=state, intermediate_values={**(inner or {}), **steps}
    )


def make_snapshot(trials, **settings):
    return Snapshot(ForgivingPruner(**settings), trials)


GOOD = [make_trial([0.8, 0.7, 0.75], 0.75) for _ in range(2)]


def of_folds(*scores):
    """Make a complete trial of these scores in its folds."""
    means = np.cumsum(scores) / np.arange(1, len(scores) + 1)
    return make_trial(means, means[-1])


# The first fold is hard, for all alike; the best three lead by a known spread.
HARD_FIRST = [
    of_folds(0.50, 0.80, 0.82),
    of_folds(0.49, 0.80, 0.80),
    of_folds(0.48, 0.77, 0.81),
    of_folds(0.30, 0.60, 0.70),
]


def test_a_mean_below_the_worst_fold_of_the_best_trial_is_pruned():
    # the folds of the best trial scored 0.8, 0.6 and 0.85, which differ by 0.11
    assert make_snapshot(GOOD)({SLOTS_PER_FOLD - 1: 0.59})
    assert not make_snapshot(GOOD)({SLOTS_PER_FOLD - 1: 0.61})


def test_a_fold_that_is_the_hardest_for_all_prunes_no_trial_that_is_close():
    best = of_folds(0.60, 0.80, 0.82)
    assert not make_snapshot([best])({SLOTS_PER_FOLD - 1: 0.55})
    assert make_snapshot([best])({SLOTS_PER_FOLD - 1: 0.45})


def test_folds_are_compared_with_those_of_the_third_best():
    assert make_snapshot(HARD_FIRST)({SLOTS_PER_FOLD - 1: 0.44})
    # worse than all folds of the best but one, and yet not behind
    assert not make_snapshot(HARD_FIRST)({SLOTS_PER_FOLD - 1: 0.479})
    assert not make_snapshot(HARD_FIRST, margin=10.0)({SLOTS_PER_FOLD - 1: 0.44})


def test_more_folds_make_a_small_difference_count():
    behind = {SLOTS_PER_FOLD - 1: 0.476, 2 * SLOTS_PER_FOLD - 1: 0.62}
    assert not make_snapshot(HARD_FIRST)({SLOTS_PER_FOLD - 1: 0.476})
    assert make_snapshot(HARD_FIRST)({**behind, 3 * SLOTS_PER_FOLD - 1: 0.677})


def test_the_first_trial_is_never_pruned():
    assert not make_snapshot([])({SLOTS_PER_FOLD - 1: 0.0})
    pruned = make_trial([0.9], None, TrialState.PRUNED)
    assert not make_snapshot([pruned])({SLOTS_PER_FOLD - 1: 0.0})


def test_trials_of_a_holdout_have_no_folds_to_compare():
    trials = [make_trial([], 0.9) for _ in range(5)]
    assert not make_snapshot(trials)({SLOTS_PER_FOLD - 1: 0.0})


def test_early_steps_of_a_fold_do_not_decide():
    trials = [make_trial([0.8], 0.8, inner={2: 0.7, 8: 0.7}) for _ in range(5)]
    assert not make_snapshot(trials)({2: 0.1})
    assert make_snapshot(trials)({2: 0.1, 8: 0.1})


def test_reports_that_no_other_trial_made_do_not_decide():
    assert not make_snapshot(GOOD)({9: -100.0})


def test_a_pruner_of_optuna_is_asked_as_in_a_study():
    trials = [create_trial(value=1.0, intermediate_values={3: 1.0}) for _ in range(3)]
    snapshot = Snapshot(optuna.pruners.MedianPruner(n_startup_trials=1), trials)
    assert snapshot({3: 0.5})
    snapshot = Snapshot(optuna.pruners.MedianPruner(n_startup_trials=1), trials)
    assert not snapshot({3: 1.5})


@pytest.mark.parametrize("pruner", [ForgivingPruner(), optuna.pruners.NopPruner()])
def test_a_trial_without_predecessors_is_not_pruned(pruner):
    assert not Snapshot(pruner, [])({0: 0.0, SLOTS_PER_FOLD - 1: 0.0})
