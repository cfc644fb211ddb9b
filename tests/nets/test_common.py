"""scikit-learn's own checks on every net for tables."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel import nets

WEIGHTS = (
    "the rows of a batch are drawn at random, so a weight of two is not the same "
    "as a row given twice"
)


SMALL = {
    "FTTransformer": {
        "n_blocks": 1,
        "width": 16,
        "learning_rate": 0.01,
        "max_epochs": 30,
    },
    "PackedMLP": {"n_members": 3, "cv": 2, "width": 16},
    "RealMLP": {},
    "TabM": {"k": 4, "width": 32},
    "TabularResNet": {"width": 32, "learning_rate": 0.01, "max_epochs": 20},
}
SELDOM = {"FTTransformer", "TabularResNet"}  # the search tries them only where named


def new_nets(names):
    return [
        getattr(nets, name + kind)(**{"max_epochs": 10, **SMALL[name]})
        for name in names
        for kind in ("Classifier", "Regressor")
    ]


def expected_failures(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
    }


def test_every_net_of_tables_is_checked():
    names = [type(net).__name__ for net in new_nets(SMALL)]
    others = "Bert", "Image", "FineTuned", "FasterRCNN"
    of_tables = [name for name in nets.__all__ if not name.startswith(others)]
    assert sorted(names) == sorted(of_tables)


@parametrize_with_checks(
    new_nets([name for name in SMALL if name not in SELDOM]),
    expected_failed_checks=expected_failures,
)
def test_net_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    new_nets(sorted(SELDOM)), expected_failed_checks=expected_failures
)
def test_seldom_net_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
