"""Linear models are exact: a weight is as good as a repeated row."""

import time

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification, make_regression

from automodel.evaluation import Monitor
from automodel.families.linear import Linear
from automodel.task import Task

FAMILY = Linear()


def rows(kind):
    if kind == "regression":
        return make_regression(60, 6, noise=10, random_state=0)
    return make_classification(
        60,
        6,
        n_informative=4,
        n_classes=3 if kind == "multiclass" else 2,
        random_state=0,
    )


def fit(kind, X, y, weight=None, monitor=None):
    n_classes = 0 if kind == "regression" else int(y.max()) + 1
    estimator = FAMILY.estimator(Task(kind, *X.shape, n_classes=n_classes), 0)
    monitor = Monitor() if monitor is None else monitor
    return FAMILY.fit(estimator, X, y, sample_weight=weight, monitor=monitor)


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_weight_is_a_repeated_row(kind, container):
    X, y = rows(kind)
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    # A row of each class stays, so that both fits see all of them.
    weight[:10] = 1
    repeated = np.repeat(np.arange(len(y)), weight)
    weighted = fit(kind, container(X), y, weight.astype(float))
    doubled = fit(kind, container(X[repeated]), y[repeated])
    np.testing.assert_allclose(weighted.coef_, doubled.coef_, rtol=1e-6, atol=1e-6)


def test_wide_rows_are_fitted_with_the_limited_memory_solver():
    X, y = make_classification(80, 700, random_state=0)
    model = fit("binary", X, y)
    assert model.solver == "lbfgs"
    assert model.score(X, y) > 0.95


def test_chunks_reach_the_solution_of_a_single_fit():
    X, y = rows("multiclass")
    chunked = fit("multiclass", X, y, monitor=Monitor(time.monotonic() + 600))
    single = fit("multiclass", X, y)
    np.testing.assert_allclose(chunked.coef_, single.coef_, atol=1e-6)


def test_parameters_of_the_search_are_kept():
    X, y = rows("binary")
    model = fit("binary", X, y)
    assert (model.max_iter, model.warm_start, model.C) == (1000, False, 1.0)
