"""The encoder of a family of tables is read from the tags of its estimator."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from automodel import AutoClassifier
from automodel.families import TabularFamily, all_families
from automodel.families._tabular import embedding_of
from automodel.nets.weights import Weights
from tests.conftest import make_task

WEIGHTS = Weights("tiny", "/nowhere", "folder", "bert", 32, "mit", "0" * 64)
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


def with_text(seconds, time_budget, weights=WEIGHTS):
    facts = {"n_text": 1, "n_rows": 100, "weights": weights}
    facts |= {"embedding_seconds": seconds, "time_budget": time_budget}
    return make_task("binary", 100, 3, 2, **facts)


@pytest.mark.parametrize(
    ("seconds", "time_budget", "precision"),
    [
        (16.0, 60.0, "auto"),
        (19.0, 60.0, None),
        (600.0, None, "float32"),
        (3600.0, None, None),
    ],
)
def test_texts_are_embedded_if_there_is_time(seconds, time_budget, precision):
    found = embedding_of(with_text(seconds, time_budget))
    assert getattr(found, "precision", None) == precision


@pytest.mark.parametrize("name", ["linear", "hist_gradient_boosting", "catboost"])
def test_some_families_choose_whether_texts_are_embedded(name):
    family = all_families()[name]
    if family.missing_libraries():
        pytest.skip(f"{name} needs a library")
    task = with_text(1.0, 60.0)
    usual, embedded = family.encodings(task)
    encoder = family.preprocessor(family.estimator(task, 0), task)
    assert encoder.get_params()[family.encoder_param] == usual
    assert encoder.embedding.weights == WEIGHTS
    assert embedded == f"{usual}+embedding"
    costs = [family.shared_cost({"text": text}, task) for text in (usual, embedded)]
    assert costs == [0.0, 1.0]
    for other in (with_text(6.0, 10.0), with_text(1.0, 60.0, None), TASK):
        assert not family.encodings(other)
        assert family.preprocessor(family.estimator(task, 0), other).embedding is None


@pytest.mark.parametrize("name", ["lightgbm_arithmetic", "random_forest", "mlp"])
def test_others_do_not(name):
    family = all_families()[name]
    if family.missing_libraries():
        pytest.skip(f"{name} needs a library")
    assert not family.encodings(with_text(1.0, 60.0))


@pytest.mark.parametrize("name", ["lightgbm_arithmetic", "extra_trees_arithmetic"])
def test_models_of_pairs_are_refitted(name):
    if all_families()[name].missing_libraries():
        pytest.skip(f"{name} is not installed")
    X = np.random.default_rng(0).normal(size=(80, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    options = {"n_trials": 1, "time_budget": None, "random_state": 0}
    search = AutoClassifier(families=[name], refit=True, **options).fit(X, y)
    folds = [own.fold for member in search.ensemble_.members for own in member.models]
    assert folds
    assert set(folds) == {-1}


@pytest.mark.parametrize(
    ("n_rows", "n_made"), [(1000, 150), (500_000, 47), (2_000_000, None)]
)
@pytest.mark.parametrize("name", ["lightgbm_arithmetic", "extra_trees_arithmetic"])
def test_many_rows_have_fewer_arithmetic_columns(name, n_rows, n_made):
    family = all_families()[name]
    if family.missing_libraries():
        pytest.skip(f"{name} is not installed")
    task = make_task("binary", n_rows, 20, 2)
    assert family.supports(task) == (n_made is not None)
    if n_made is not None:
        encoder = family.preprocessor(family.estimator(task, 0), task)
        assert encoder.n_arithmetic == n_made
        assert family.n_columns(task) == 20 + n_made
        part = replace(task, n_samples=1000, facts=replace(task.facts, n_rows=n_rows))
        assert family.n_columns(part) == 20 + n_made  # some rows of the same table
    else:
        assert "memory" in family.why_unsupported(task)
