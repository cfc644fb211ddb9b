"""scikit-learn's own checks on every net."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from automodel.nets import RealMLPClassifier, RealMLPRegressor

WEIGHTS = (
    "the rows of a batch are drawn at random, so a weight of two is not the same "
    "as a row given twice"
)


@parametrize_with_checks(
    [RealMLPClassifier(max_epochs=10), RealMLPRegressor(max_epochs=10)],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
    },
)
def test_net_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
