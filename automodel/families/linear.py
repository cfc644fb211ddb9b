"""Linear models, the first to be tried.

They are logistic regression for classes, and for values ridge regression, linear
quantile regression or a generalized linear model, depending on the loss.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning

from automodel.families._columns import ALL_TASKS, by_column, one_per_column
from automodel.families._ridge import ridge_params
from automodel.families._tabular import TabularFamily, embedding_of

if TYPE_CHECKING:
    from automodel.monitor import Monitor
    from automodel.task import Task

NEWTON_SIZE = 600  # columns of the Hessian up to which Newton's method is fastest
NEWTON_WORK = 2e9  # rows times columns squared up to which it is
NEWTON_TOL = 1e-10
LBFGS_TOL = 1e-5
SPARSE_TOL = 1e-4  # a tenth of it takes twice as long for text, with equal scores
NEWTON_CHUNK = 8
LBFGS_CHUNK = 64  # long, since a warm start forgets the curvature
PROBE = 4  # iterations that show what the others will cost
WIDE_CATEGORIES = 50  # one-hot columns above which a sparse matrix is smaller
QUANTILE_CHUNK = 8
QUANTILE_STEPS = 3.0  # its cost relative to that of any other loss
MOST_ITERATIONS = 1000  # in all chunks
SAFETY = 0.8  # share of the time left that the next chunk may take


class Linear(TabularFamily):
    """Logistic regression, or a linear model with the loss of the task."""

    name = "linear"
    tasks = ALL_TASKS
    rank = 10
    is_random = False
    starts_search = True
    encoder_param = "text"
    text = "tfidf"
    embeds_text = True
    start_seconds = 0.1

    def estimator(self, task: Task, random_state: int):
        from sklearn.linear_model import LogisticRegression, Ridge

        if task.is_classification:
            model = LogisticRegression(
                max_iter=MOST_ITERATIONS, random_state=random_state
            )
            return one_per_column(model, task)
        if task.objective.is_quantile:
            from automodel.families._quantile_linear import QuantileLinearRegressor

            model = QuantileLinearRegressor(quantile=task.objective.quantile)
            return one_per_column(model, task)
        if task.objective.is_deviance:
            return _deviance_regressor(task)
        return Ridge(random_state=random_state)

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        if task.is_classification:
            return {"C": trial.suggest_float("C", 1e-3, 1e3, log=True)}
        # A deviance is a mean over the rows, and the other losses are sums.
        low, high = (1e-6, 10.0) if task.objective.is_deviance else (1e-3, 1e4)
        return {"alpha": trial.suggest_float("alpha", low, high, log=True)}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        if not task.is_classification:
            strengths = (1e-3, 0.1) if task.objective.is_deviance else (1.0, 100.0)
            return [{"alpha": strength} for strength in strengths]
        # TF-IDF has small values, which need large coefficients.
        strengths = (10.0, 1.0) if task.facts.n_text else (1.0, 0.03)
        return [{"C": strength} for strength in strengths]

    def preprocessor(self, estimator: BaseEstimator, task: Task) -> BaseEstimator:
        from automodel.preprocessing.tabular import TabularEncoder

        return TabularEncoder(
            missing="impute",
            categories="onehot",
            scale="standard",
            text=self.text,
            embedding=embedding_of(task),
            sparse_output=_is_sparse(task),
            dtype="float64",
        )

    def cost(self, params: dict[str, Any], task: Task) -> float:
        facts = task.facts
        columns = facts.n_numeric + 5 * facts.n_categorical + 60 * facts.n_text
        is_ridge = not task.is_classification and task.objective.loss == "squared_error"
        is_solved_once = is_ridge and not _is_sparse(task)
        outputs = 1 if is_solved_once or task.n_classes == 2 else task.n_outputs
        steps = QUANTILE_STEPS if task.objective.is_quantile else 1.0
        cells = task.n_samples * max(columns, facts.n_features)
        return 0.01 + 2e-7 * cells * outputs * steps

    @by_column
    def fit(self, estimator, X, y, *, sample_weight=None, monitor):
        from sklearn.linear_model import Ridge

        from automodel.families._quantile_linear import QuantileLinearRegressor

        monitor.check_time()
        if is_classifier(estimator):
            _fit_logistic(estimator, X, y, sample_weight, monitor)
        elif isinstance(estimator, Ridge):
            estimator.set_params(**ridge_params(X)).fit(X, y, sample_weight)
        elif isinstance(estimator, QuantileLinearRegressor):
            _fit_chunks(estimator, X, y, sample_weight, monitor, QUANTILE_CHUNK)
        else:
            _fit_deviance(estimator, X, y, sample_weight, monitor)
        return estimator


def _is_sparse(task: Task) -> bool:
    facts = task.facts
    is_wide = facts.max_cardinality > WIDE_CATEGORIES
    return bool(is_wide or facts.n_text or facts.is_sparse)


def _deviance_regressor(task: Task) -> BaseEstimator:
    from sklearn import linear_model

    if task.objective.loss == "poisson":
        return linear_model.PoissonRegressor(max_iter=MOST_ITERATIONS)
    if task.objective.loss == "gamma":
        return linear_model.GammaRegressor(max_iter=MOST_ITERATIONS)
    return linear_model.TweedieRegressor(
        power=task.objective.power, link="log", max_iter=MOST_ITERATIONS
    )


def _fit_logistic(estimator, X, y, sample_weight, monitor: Monitor) -> None:
    n_classes = int(np.max(y)) + 1
    size = X.shape[1] * (1 if n_classes == 2 else n_classes)
    first = _choose_solver(estimator, X, size)
    _fit_chunks(estimator, X, y, sample_weight, monitor, first)


def _fit_deviance(estimator, X, y, sample_weight, monitor: Monitor) -> None:
    """Fit y divided by its mean, so that tolerance and penalty have no unit."""
    mean = float(np.average(y, weights=sample_weight))
    first = _choose_solver(estimator, X, X.shape[1])
    _fit_chunks(estimator, X, y / mean, sample_weight, monitor, first)
    estimator.intercept_ += np.log(mean)


def _choose_solver(estimator, X, size: int) -> int:
    """Set the solver for this number of coefficients, and return its first chunk."""
    use_newton = size <= NEWTON_SIZE and X.shape[0] * size**2 <= NEWTON_WORK
    tol = SPARSE_TOL if issparse(X) else LBFGS_TOL
    if use_newton:
        tol = NEWTON_TOL
    estimator.set_params(solver="newton-cholesky" if use_newton else "lbfgs", tol=tol)
    return NEWTON_CHUNK if use_newton else LBFGS_CHUNK


def _fit_chunks(estimator, X, y, sample_weight, monitor: Monitor, first: int) -> None:
    """Fit in chunks of iterations, since scikit-learn cannot interrupt a fit."""
    most = estimator.max_iter
    estimator.set_params(warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for chunk in monitor.planned(_chunks(first, most, monitor)):
            estimator.set_params(max_iter=chunk).fit(X, y, sample_weight)
            if np.max(estimator.n_iter_) < chunk or monitor.expired:
                break
    estimator.set_params(warm_start=False, max_iter=most)


def _chunks(first: int, most: int, monitor: Monitor) -> Iterator[int]:
    """Yield chunks of iterations that double, or are shorter if time is short."""
    done, start = 0, monitor.clock.now()
    while done < most:
        chunk = min(max(done, first), most - done)
        if monitor.deadline.exists and not done:
            chunk = 1 if first < LBFGS_CHUNK else PROBE
        elif monitor.deadline.exists:
            seconds = (monitor.clock.now() - start) / done
            chunk = min(chunk, int(SAFETY * monitor.seconds_left / seconds))
            if chunk < 1:
                return
        done += chunk
        yield chunk
