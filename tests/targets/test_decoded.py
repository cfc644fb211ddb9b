"""Fitted estimators that answer in the units of the user."""

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.utils.validation import check_is_fitted

from automodel.targets.decoded import (
    ClassifierAnswers,
    DecodedClassifier,
    DecodedRegressor,
    RegressorAnswers,
)
from automodel.targets.objective import Objective

X = np.arange(12.0).reshape(-1, 1)
CODES = (X.ravel() > 5).astype(int)
LABELS = np.array(["no", "yes"])
LOG = Objective(is_log=True, limits=(0.0, 2.0))


@pytest.fixture
def classifier():
    return DecodedClassifier(LogisticRegression().fit(X, CODES), LABELS)


@pytest.fixture
def regressor():
    return DecodedRegressor(LinearRegression().fit(X, X.ravel() / 10), LOG)


def test_a_decoded_classifier_answers_with_labels(classifier):
    check_is_fitted(classifier)
    assert is_classifier(classifier)
    np.testing.assert_array_equal(classifier.predict(X), LABELS[CODES])
    np.testing.assert_array_equal(classifier.classes_, LABELS)
    own = classifier.estimator.predict_proba(X)
    np.testing.assert_array_equal(classifier.predict_proba(X), own)
    assert get_scorer("accuracy")(classifier, X, LABELS[CODES]) == 1.0


def test_numbers_of_classes_may_come_as_a_column_of_floats(classifier):
    class Column:
        def predict(self, X):
            return CODES.astype(float).reshape(-1, 1)

    classifier.estimator = Column()
    np.testing.assert_array_equal(classifier.predict(X), LABELS[CODES])


def test_a_decoded_classifier_is_fitted_again_on_labels(classifier):
    y = np.where(CODES == 1, "a", "b")
    assert classifier.fit(X, y) is classifier
    np.testing.assert_array_equal(classifier.classes_, ["a", "b"])
    np.testing.assert_array_equal(classifier.predict(X), y)
    classifier.fit(X, y, sample_weight=np.where(CODES == 1, 1.0, 1e-6))
    assert (classifier.predict(X) == "a").all()


def test_a_decoded_regressor_answers_in_units_and_within_limits(regressor):
    check_is_fitted(regressor)
    assert is_regressor(regressor)
    found = regressor.predict([[-5.0], [3.0], [100.0]])
    np.testing.assert_allclose(found, np.expm1([0.0, 0.3, 2.0]), atol=1e-12)


def test_values_may_come_as_a_column(regressor):
    regressor.estimator.fit(X, X / 10)
    assert regressor.predict(X).shape == (12,)


def test_a_decoded_regressor_is_fitted_again_in_units(regressor):
    assert regressor.fit(X, np.expm1(X.ravel() / 20)) is regressor
    np.testing.assert_allclose(
        regressor.predict(X), np.expm1(X.ravel() / 20), atol=1e-12
    )
    y = np.where(CODES == 1, np.e - 1, 0.0)
    regressor.fit(X, y, sample_weight=np.where(CODES == 1, 1.0, 1e-9))
    np.testing.assert_allclose(regressor.predict(X), np.e - 1, rtol=1e-3)


def test_answers_that_were_made_before_need_no_fit():
    values = np.array([1.0, 3.0])
    ready = RegressorAnswers(values)
    check_is_fitted_without_fit(ready)
    assert ready.predict(X) is values
    assert get_scorer("neg_mean_absolute_error")(ready, X[:2], [2.0, 3.0]) == -0.5


def test_probabilities_that_were_made_before_answer_with_the_likeliest_label():
    proba = np.array([[0.6, 0.4], [0.1, 0.9]])
    ready = ClassifierAnswers(proba, LABELS)
    check_is_fitted_without_fit(ready)
    assert ready.predict_proba(X) is proba
    assert ready.predict(X).tolist() == ["no", "yes"]
    scorer = get_scorer("roc_auc")
    assert scorer(ready, X[:2], np.array(["no", "yes"])) == 1.0
    assert scorer(ready, X[:2], np.array(["yes", "no"])) == 0.0


def check_is_fitted_without_fit(answers):
    assert answers.__sklearn_is_fitted__()
