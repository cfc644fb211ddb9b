"""Scikit-learn's checks of estimators of images, and of rows that become images."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)
from sklearn.utils.validation import validate_data

from automodel import AutoImageClassifier, AutoImageRegressor
from tests.images import CHEAP_IMAGE

PARAMS = CHEAP_IMAGE | {"n_trials": 2, "cv": None}
LEAST, MOST = -8.0, 8.0  # values of a column, which become black and white
WEIGHTS_AND_ENSEMBLES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the weights of an ensemble of several models are chosen on parts of the rows, "
        "which are others when weights stand for repeats; a single model passes"
    ),
}


class RowsAsImages:
    """Has the rows of a table as images of one row of pixels."""

    def _check_X(self, X, *, reset):
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        pixels = np.clip((X - LEAST) / (MOST - LEAST), 0, 1)
        return super()._check_X(pixels[:, None, :, None], reset=reset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags


class ImageClassifierOfRows(RowsAsImages, AutoImageClassifier):
    pass


class ImageRegressorOfRows(RowsAsImages, AutoImageRegressor):
    pass


@parametrize_with_checks([AutoImageClassifier(**PARAMS), AutoImageRegressor(**PARAMS)])
def test_estimators_of_images_pass_the_checks_that_there_are(estimator, check):
    check(estimator)


def ensembles_may_tell_weights_from_repeats(estimator):
    return WEIGHTS_AND_ENSEMBLES


@pytest.mark.slow
@parametrize_with_checks(
    [ImageClassifierOfRows(**PARAMS), ImageRegressorOfRows(**PARAMS)],
    expected_failed_checks=ensembles_may_tell_weights_from_repeats,
    xfail_strict=False,
)
def test_estimators_of_images_pass_all_checks_if_rows_become_images(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [ImageClassifierOfRows, ImageRegressorOfRows])
def test_weights_stand_for_repeats_if_there_is_one_model(kind):
    search = kind(**(PARAMS | {"n_trials": 1}))
    check_sample_weight_equivalence_on_dense_data(kind.__name__, search)
