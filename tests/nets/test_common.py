"""scikit-learn's own checks on every net."""

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
    "PackedMLP": {"n_members": 3, "cv": 2},
    "RealMLP": {},
    "TabM": {"k": 4, "width": 32},
    "TabularResNet": {"width": 32, "learning_rate": 0.01, "max_epochs": 20},
}
NETS = [
    getattr(nets, name + kind)(**{"max_epochs": 10, **params})
    for name, params in SMALL.items()
    for kind in ("Classifier", "Regressor")
]


def test_every_net_is_checked():
    assert sorted(type(net).__name__ for net in NETS) == sorted(nets.__all__)


@parametrize_with_checks(
    NETS,
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
    },
)
def test_net_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
