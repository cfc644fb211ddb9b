"""Linear models: logistic regression and ridge, the first model on every task."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning

from automodel.families.base import ModelFamily

if TYPE_CHECKING:
    from automodel.monitor import Monitor
    from automodel.task import Task

NEWTON_SIZE = 600  # columns of the Hessian up to which Newton steps are the fastest
NEWTON_WORK = 2e9  # rows times columns squared, as well
NEWTON_TOL = 1e-10
LBFGS_TOL = 1e-5
SPARSE_TOL = 1e-4  # a tenth of it takes text twice as long for the same score
NEWTON_CHUNK = 8
LBFGS_CHUNK = 64  # long, since a new start forgets the curvature
PROBE = 4  # iterations that tell what the others will cost, where there is a deadline
EXACT_CELLS = 1_000_000  # of a sparse matrix, that conjugate gradients solve exactly
MOST_CG_STEPS = 200  # beyond: seconds without an end, and no better predictions
WIDE_CATEGORIES = 50  # one-hot columns from which a sparse matrix is smaller
SAFETY = 0.8  # share of the time left that the next chunk may be expected to take


class Linear(ModelFamily):
    """Logistic regression for classes, ridge regression for values."""

    name = "linear"
    rank = 10
    is_random = False
    starts_search = True
    start_seconds = 0.1

    def estimator(self, task: Task, random_state: int):
        from sklearn.linear_model import LogisticRegression, Ridge

        if task.is_classification:
            return LogisticRegression(max_iter=1000, random_state=random_state)
        return Ridge(random_state=random_state)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        if task.is_classification:
            return {"C": trial.suggest_float("C", 1e-3, 1e3, log=True)}
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e4, log=True)}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        if not task.is_classification:
            return [{"alpha": 1.0}, {"alpha": 100.0}]
        # TF-IDF columns are small, so that they need large coefficients.
        strengths = (10.0, 1.0) if task.n_text else (1.0, 0.03)
        return [{"C": strength} for strength in strengths]

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        from automodel.preprocessing.tabular import TabularEncoder

        is_wide = task.max_cardinality > WIDE_CATEGORIES
        return TabularEncoder(
            missing="impute",
            categories="onehot",
            scale="standard",
            text="tfidf",
            sparse_output=bool(is_wide or task.n_text or task.is_sparse),
            dtype="float64",
        )

    def cost(self, params: dict[str, Any], task: Task) -> float:
        columns = task.n_numeric + 5 * task.n_categorical + 60 * task.n_text
        outputs = task.n_classes if task.n_classes > 2 else 1
        return 0.01 + 2e-7 * task.n_samples * max(columns, task.n_features) * outputs

    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        monitor.check_time()
        if is_classifier(estimator):
            _fit_logistic(estimator, X, y, sample_weight, monitor)
        else:
            n_cells = X.shape[0] * X.shape[1]
            if issparse(X):
                is_small = n_cells <= EXACT_CELLS
                estimator.set_params(
                    solver="sparse_cg",
                    tol=1e-9 if is_small else 1e-4,
                    max_iter=None if is_small else MOST_CG_STEPS,
                )
            estimator.fit(X, y, sample_weight)
        return estimator


def _fit_logistic(estimator, X, y, sample_weight, monitor: Monitor) -> None:
    """Fit in chunks of iterations, since a fit cannot be interrupted."""
    n_classes = int(np.max(y)) + 1
    size = X.shape[1] * (1 if n_classes == 2 else n_classes)
    use_newton = size <= NEWTON_SIZE and len(y) * size**2 <= NEWTON_WORK
    tol = SPARSE_TOL if issparse(X) else LBFGS_TOL
    if use_newton:
        tol = NEWTON_TOL
    most = estimator.max_iter
    estimator.set_params(
        solver="newton-cholesky" if use_newton else "lbfgs",
        tol=tol,
        warm_start=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        first = NEWTON_CHUNK if use_newton else LBFGS_CHUNK
        for chunk in monitor.paced(_chunks(first, most, monitor)):
            estimator.set_params(max_iter=chunk).fit(X, y, sample_weight)
            if estimator.n_iter_.max() < chunk or monitor.expired:
                break
    estimator.set_params(warm_start=False, max_iter=most)


def _chunks(first: int, most: int, monitor: Monitor) -> Iterator[int]:
    """Yield chunks of iterations that double, shorter where time is short."""
    done, start = 0, time.monotonic()
    while done < most:
        chunk = min(max(done, first), most - done)
        if monitor.deadline is not None and not done:
            chunk = 1 if first < LBFGS_CHUNK else PROBE
        elif monitor.deadline is not None:
            seconds = (time.monotonic() - start) / done
            chunk = min(chunk, int(SAFETY * monitor.seconds_left / seconds))
            if chunk < 1:
                return
        done += chunk
        yield chunk
