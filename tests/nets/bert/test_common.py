"""scikit-learn's own checks, on nets that read the rows of a table as texts."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from automodel.nets import BertClassifier, BertRegressor

ROUNDING = "predictions of texts in other batches are rounded in another way"
WEIGHTS = (
    "the texts of a batch are drawn at random, so a weight of two is not the same "
    "as a text given twice"
)
SMALL = {
    "weights": None,
    "max_epochs": 2,
    "learning_rate": 1e-3,
    "validations_per_epoch": 1,
}


class ReadsRows:
    """Turn each number into a word, of its column and its sign and size."""

    def _check_input(self, X, *, reset):
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        steps = np.rint(2 * np.arcsinh(X)).astype(int)
        words = [
            [f"c{j}v{value}".replace("-", "m") for j, value in enumerate(row)]
            for row in steps
        ]
        return np.array([" ".join(row) for row in words], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        return tags


class RowsClassifier(ReadsRows, BertClassifier):
    """Classify the rows of a table."""


class RowsRegressor(ReadsRows, BertRegressor):
    """Predict numbers from the rows of a table."""


def expected_failures(estimator):
    return {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
        "check_methods_subset_invariance": ROUNDING,
        "check_methods_sample_order_invariance": ROUNDING,
    }


@parametrize_with_checks([BertClassifier(weights=None), BertRegressor(weights=None)])
def test_nets_of_texts_pass_the_checks_of_their_tags(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [RowsClassifier(**SMALL), RowsRegressor(**SMALL)],
    expected_failed_checks=expected_failures,
    xfail_strict=False,  # rounding differs between processors
)
def test_nets_that_read_rows_pass_all_checks(estimator, check):
    check(estimator)
