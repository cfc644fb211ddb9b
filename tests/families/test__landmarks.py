"""A kernel that is approximated from some of the rows."""

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import rbf_kernel

from automodel.families._landmarks import Landmarks


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(80, 5))


def test_with_all_rows_the_kernel_is_exact(X):
    found = Landmarks(0.3, 80).fit_transform(X)
    np.testing.assert_allclose(found @ found.T, rbf_kernel(X, gamma=0.3), atol=1e-3)


def test_products_are_those_of_nystroem(X):
    own = Landmarks(0.3, 30).fit(X)
    other = Nystroem(gamma=0.3, n_components=30, random_state=0).fit(X)
    values, vectors = np.linalg.eigh(rbf_kernel(own.components_, gamma=0.3))
    other.components_ = own.components_
    other.normalization_ = (vectors / np.sqrt(values)) @ vectors.T
    one, two = own.transform(X), other.transform(X)
    np.testing.assert_allclose(one @ one.T, two @ two.T, atol=2e-3)


def test_equal_rows_and_few_rows_are_no_problem(X):
    X[:40] = X[0]
    assert np.isfinite(Landmarks(0.3, 60).fit_transform(X)).all()
    assert Landmarks(0.3, 500).fit_transform(X[:7]).shape == (7, 7)


def test_the_same_seed_gives_the_same_landmarks(X):
    one, other = (Landmarks(0.3, 9, seed).fit(X).components_ for seed in (0, 1))
    np.testing.assert_array_equal(one, Landmarks(0.3, 9, 0).fit(X).components_)
    assert not np.array_equal(one, other)
