"""Principal components of the output of an encoder."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from automodel.evaluation.encoding import full_repr, learns_nothing
from automodel.preprocessing import components as components_module
from automodel.preprocessing.components import Components


def make_rows(n_rows=200, n_columns=12):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, n_columns))
    return (5 * X + rng.normal(size=X.shape) + 7).astype(np.float32)


def components(n_components=None, **options):
    return Components(FunctionTransformer(), n_components, **options)


def test_all_columns_are_standardized():
    X = make_rows()
    found = components().fit_transform(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, StandardScaler().fit_transform(X), atol=1e-4)


def test_components_are_those_of_standardized_columns():
    X = make_rows()
    encoder = components(3)
    found = encoder.fit_transform(X)
    exact = PCA(3).fit_transform(StandardScaler().fit_transform(X).astype(np.float64))
    similar = np.abs(np.corrcoef(found.T, exact.T)[:3, 3:])
    np.testing.assert_allclose(np.diag(similar), 1, atol=1e-3)
    np.testing.assert_allclose(found.std(axis=0), exact.std(axis=0), rtol=1e-2)
    np.testing.assert_allclose(encoder.transform(X), found, atol=1e-4)


@pytest.mark.parametrize("n_components", [None, 3])
def test_many_rows_are_converted_in_parts(monkeypatch, n_components):
    X = make_rows()
    expected = components(n_components).fit_transform(X)
    monkeypatch.setattr(components_module, "CHUNK", 30)
    found = components(n_components).fit_transform(X)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert components(n_components).fit(X).transform(X[:0]).shape == (0, found.shape[1])


def test_components_are_learned_from_a_sample_of_many_rows(monkeypatch):
    X = make_rows(4000)
    monkeypatch.setattr(components_module, "MOST_ROWS", 1000)
    encoder = components().fit(X)
    assert not np.allclose(encoder.mean_, X.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(encoder.mean_, X.mean(axis=0), atol=1)
    assert encoder.transform(X).shape == X.shape


def test_new_rows_are_projected_as_those_of_fit_were():
    X = make_rows()
    encoder = pickle.loads(pickle.dumps(components(4).fit(X[:150])))
    expected = components(4).fit(X[:150]).transform(X)[150:]
    np.testing.assert_allclose(encoder.transform(X[150:]), expected, atol=1e-5)


@pytest.mark.parametrize("n_components", [None, 2])
def test_constant_columns_become_zero(n_components):
    X = make_rows()
    X[:, 0] = 1e6
    found = components(n_components).fit(X)
    changed = X.copy()
    changed[:, 0] = 0
    np.testing.assert_array_equal(found.transform(changed), found.transform(X))


@pytest.mark.parametrize("n_rows", [1, 3])
def test_few_rows_keep_all_columns(n_rows):
    assert components(5).fit_transform(make_rows(n_rows)).shape == (n_rows, 12)


def test_it_learns_and_is_told_apart_by_its_parameters():
    one, other = components(2), components(3)
    assert not learns_nothing(one)
    assert full_repr(one) == full_repr(clone(one)) != full_repr(other)
    assert full_repr(one) == full_repr(clone(one).fit(make_rows()))


def test_another_encoder_takes_over_what_was_learned():
    X = make_rows()
    encoder = components(2).fit(X)
    other = encoder.of([FunctionTransformer()])
    np.testing.assert_array_equal(other.transform(X), encoder.transform(X))
