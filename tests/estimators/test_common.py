"""Scikit-learn's checks of every rule that an estimator has to keep."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel import AutoClassifier, AutoRegressor

TREES_AND_WEIGHTS = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "trees that draw rows or bins see other rows when weights stand for repeats; "
    "scikit-learn expects this of its own forests and boosting as well",
)


def both(**params):
    params = {"time_budget": None, "random_state": 0} | params
    return [AutoClassifier(**params), AutoRegressor(**params)]


def trees_may_tell_weights_from_repeats(estimator):
    return TREES_AND_WEIGHTS


@parametrize_with_checks(both(families=["linear"], n_trials=2))
def test_one_family_passes_all_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    both(n_trials=3, cv=2),
    expected_failed_checks=trees_may_tell_weights_from_repeats,
    xfail_strict=False,
)
def test_the_default_families_pass_all_checks(estimator, check):
    check(estimator)
