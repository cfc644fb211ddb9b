"""Scikit-learn's checks of estimators of texts, and of rows that become texts."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)
from sklearn.utils.validation import validate_data

from automodel import AutoTextClassifier, AutoTextRegressor
from tests.texts import CHEAP_TEXT

STEPS = np.arange(-8, 8.5, 0.5)
PARAMS = CHEAP_TEXT | {"n_trials": 2, "cv": None}
WEIGHTS_AND_ENSEMBLES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the weights of an ensemble of several models are chosen on parts of the rows, "
        "which are others when weights stand for repeats; a single model passes"
    ),
}


class RowsAsTexts:
    """Has the rows of a table as texts, with a word for each step below a value."""

    def _check_X(self, X, *, reset):
        X = validate_data(self, X, reset=reset)
        words = np.array([[f"c{c}s{s}" for s in range(len(STEPS))] for c in range(99)])
        texts = np.empty(len(X), dtype=object)
        texts[:] = [
            " ".join(["row", *words[: len(row)][row[:, None] > STEPS]]) for row in X
        ]
        return texts

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        tags.input_tags.string = False
        tags.input_tags.allow_nan = False
        return tags


class TextClassifierOfRows(RowsAsTexts, AutoTextClassifier):
    pass


class TextRegressorOfRows(RowsAsTexts, AutoTextRegressor):
    pass


@parametrize_with_checks([AutoTextClassifier(**PARAMS), AutoTextRegressor(**PARAMS)])
def test_estimators_of_texts_pass_the_checks_that_there_are(estimator, check):
    check(estimator)


def ensembles_may_tell_weights_from_repeats(estimator):
    return WEIGHTS_AND_ENSEMBLES


@pytest.mark.slow
@parametrize_with_checks(
    [TextClassifierOfRows(**PARAMS), TextRegressorOfRows(**PARAMS)],
    expected_failed_checks=ensembles_may_tell_weights_from_repeats,
    xfail_strict=False,
)
def test_estimators_of_texts_pass_all_checks_if_rows_become_texts(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [TextClassifierOfRows, TextRegressorOfRows])
def test_weights_stand_for_repeats_if_there_is_one_model(kind):
    search = kind(**(PARAMS | {"n_trials": 1}))
    check_sample_weight_equivalence_on_dense_data(kind.__name__, search)
