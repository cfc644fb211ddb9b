"""A fitted encoder with its estimator predicts rows, in chunks, and may be deferred."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression

from automodel.clock import Deadline
from automodel.evaluation import fitted_model
from automodel.evaluation.fitted_model import (
    DeferredModel,
    FittedModel,
    share_parts,
)
from automodel.exceptions import DeadlineReached
from automodel.targets.classes import ClassTarget
from automodel.targets.values import ValueTarget
from tests.conftest import FakeClock

X = np.arange(7.0).reshape(-1, 1)


class Plus(TransformerMixin, BaseEstimator):
    """Adds a number to the rows, which are an array here."""

    def __init__(self, number=1.0, is_stateless=False):
        self.number = number
        self.is_stateless = is_stateless

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + self.number

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = not self.is_stateless
        return tags


class Sizes(LinearRegression):
    """Notes how many rows each call has."""

    def predict(self, X):
        self.sizes = [*getattr(self, "sizes", []), X.shape[0]]
        return super().predict(np.asarray(X) if hasattr(X, "iloc") else X)


class Constant(BaseEstimator):
    def __init__(self, value):
        self.value = value

    def predict(self, X):
        return np.full(X.shape[0], self.value)


def make_model(encoder=None, fold=0):
    encoder = encoder or Plus()
    estimator = Sizes().fit(X, 3 * X.ravel())
    return FittedModel(encoder, estimator, ValueTarget(), fold=fold)


def test_rows_are_encoded_and_predicted_as_the_target_says():
    prediction = make_model().predict(X)
    assert prediction.shape == (7, 1)
    np.testing.assert_allclose(prediction, 3 * (X + 1))


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix, pd.DataFrame])
def test_many_rows_are_predicted_in_chunks(kind, monkeypatch):
    model = make_model()
    expected = model.predict_encoded(X)
    monkeypatch.setattr(fitted_model, "PREDICT_ROWS", 3)
    model.estimator.sizes = []
    found = model.predict_encoded(kind(X))
    np.testing.assert_allclose(found, expected)
    assert model.estimator.sizes == [3, 3, 1]


def test_the_deadline_is_looked_at_before_each_chunk(monkeypatch):
    monkeypatch.setattr(fitted_model, "PREDICT_ROWS", 3)
    model = make_model()
    with pytest.raises(DeadlineReached):
        model.predict_encoded(X, Deadline(1.5, FakeClock(step=1.0)))
    assert model.estimator.sizes == [3, 3]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_is_an_error(value):
    model = FittedModel(Plus(), Constant(value), ValueTarget())
    with pytest.raises(ValueError, match="not finite"):
        model.predict(X)
    assert FittedModel(Plus(), Constant(7.0), ValueTarget()).predict(X).shape == (7, 1)


def test_one_bad_row_in_the_last_chunk_is_an_error(monkeypatch):
    monkeypatch.setattr(fitted_model, "PREDICT_ROWS", 3)
    bad = X.copy()
    bad[6] = np.inf
    model = FittedModel(Plus(), FirstColumn(), ValueTarget())
    assert model.predict_encoded(bad[:6]).shape == (6, 1)
    with pytest.raises(ValueError, match="not finite"):
        model.predict_encoded(bad)


class FirstColumn(BaseEstimator):
    def predict(self, X):
        return X[:, 0]


def test_columns_that_were_not_learned_are_filled_in():
    class Sure(BaseEstimator):
        def predict_proba(self, X):
            return np.tile([0.25, 0.75], (len(X), 1))

    target, columns = ClassTarget(["a", "b", "c"]), np.array([0, 2])
    proba = FittedModel(Plus(), Sure(), target, columns).predict(X)
    np.testing.assert_array_equal(proba, np.tile([0.25, 0.0, 0.75], (7, 1)))


def test_models_share_a_target_and_the_encoders_of_a_fold():
    models = [make_model(Plus(1.0), fold) for fold in (0, 0, 1, -1)]
    models.append(make_model(Plus(2.0), 0))
    target = ValueTarget()
    share_parts(models, target)
    one, same, other_fold, refit, other_number = (model.encoder for model in models)
    assert one is same
    assert len({id(e) for e in (one, other_fold, refit, other_number)}) == 4
    assert all(model.target is target for model in models)


def test_an_encoder_that_learns_nothing_is_shared_by_all_folds():
    models = [make_model(Plus(1.0, is_stateless=True), fold) for fold in (0, 1, -1)]
    share_parts(models, ValueTarget())
    assert len({id(model.encoder) for model in models}) == 1


def test_a_deferred_model_stays_so_when_parts_are_shared():
    deferred = DeferredModel(pickle.dumps(make_model()))
    own = make_model()
    share_parts([deferred, own], ValueTarget())
    assert not is_loaded(deferred)


def is_loaded(deferred):
    return "_model" in vars(deferred)


@pytest.mark.parametrize("again", [copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_deferred_model_is_loaded_when_it_is_used_and_not_when_copied(again):
    deferred = again(DeferredModel(pickle.dumps(make_model(fold=3))))
    assert not is_loaded(deferred)
    np.testing.assert_allclose(deferred.predict(X), 3 * (X + 1))
    assert is_loaded(deferred)
    assert deferred.fold == 3
    assert deferred.encoder is deferred.encoder  # it is loaded once
    assert not is_loaded(again(deferred))  # what is written is not loaded


def test_a_deferred_model_has_no_private_names_of_its_model():
    deferred = DeferredModel(b"never loaded")
    assert not hasattr(deferred, "__sklearn_tags__")
    assert not hasattr(deferred, "_anything")


class NoFile:
    def __reduce__(self):
        return open, ("/a/file/that/is/not/there",)


def test_a_deferred_model_that_cannot_be_loaded_names_the_cause():
    deferred = DeferredModel(pickle.dumps(NoFile()))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be loaded. FileNotFoundError"):
            deferred.predict(X)
