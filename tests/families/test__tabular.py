"""The encoder of a family of tables is read from the tags of its estimator."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from automodel.families import TabularFamily
from tests.conftest import make_task

TASK = make_task("binary", 100, 9, 2, n_categorical=3, n_text=2)


@pytest.mark.parametrize(
    ("categorical", "estimator", "missing", "categories", "scale"),
    [
        (False, DecisionTreeClassifier(), "keep", "target", None),
        (True, DecisionTreeClassifier(), "keep", "native", None),
        (False, LogisticRegression(), "impute", "onehot", "standard"),
    ],
)
def test_the_encoder_suits_the_estimator(
    categorical, estimator, missing, categories, scale
):
    family = TabularFamily()
    family.categorical = categorical
    encoder = family.preprocessor(estimator, TASK)
    found = encoder.missing, encoder.categories, encoder.scale
    assert found == (missing, categories, scale)


def test_columns_are_counted_as_an_encoder_makes_them():
    assert TabularFamily().n_columns(TASK) == 4 + 3 * 3 + 30 * 2
