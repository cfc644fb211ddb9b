"""Linear classifiers of TF-IDF that obey a deadline, as functions.

Each function gets the settings of a `TfidfClassifier`, sparse rows, the numbers of
their classes, weights and a monitor. It returns coefficients of shape (n_outputs,
n_features) and intercepts of shape (n_outputs,). Two classes have one output, that of
the second class.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from automodel.exceptions import DeadlineReached
from automodel.families._ridge import EXACT_CELLS, ridge_params
from automodel.families.linear import MOST_ITERATIONS, Linear

if TYPE_CHECKING:
    from automodel.families.text._tfidf import TfidfClassifier
    from automodel.monitor import Monitor

MOST_PASSES = 200  # of the SVM over the rows, which cannot be interrupted
SVM_TOL = 1e-3  # a tenth of it takes twice as long, with equal scores
EXACT = {"dual": False, "tol": 1e-9, "max_iter": 1000}
FAST = {"dual": "auto", "tol": SVM_TOL, "max_iter": MOST_PASSES}

Linearized = tuple[np.ndarray, np.ndarray]


def fit_logistic(
    model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray, monitor: Monitor
) -> Linearized:
    """Fit a multinomial logistic regression."""
    own = LogisticRegression(
        C=model.C, max_iter=MOST_ITERATIONS, random_state=model.random_state
    )
    fitted = Linear().fit(own, X, y, sample_weight=weight, monitor=monitor)
    return fitted.coef_, fitted.intercept_


def fit_svm(
    model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray, monitor: Monitor
) -> Linearized:
    """Fit a linear support vector machine for each class, some classes at a time."""
    coef, intercept = _empty(X, y)
    for part in parts_in_time(len(coef), monitor):
        coef[part], intercept[part] = _svm_of(part, model, X, y, weight)
    return coef, intercept


def fit_nb_svm(
    model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray, monitor: Monitor
) -> Linearized:
    """Fit a support vector machine to features that naive Bayes has weighted [1]_.

    References
    ----------
    .. [1] Wang and Manning (2012), Baselines and Bigrams: Simple, Good Sentiment and
       Topic Classification.
    """
    coef, intercept = _empty(X, y)
    for output in range(len(coef)):
        part = slice(output, output + 1)
        ratio = _log_ratio(X, y == _class_of(output, coef), weight, model.alpha)
        weighted = X.copy()
        weighted.data *= ratio[weighted.indices]
        monitor.check_time()
        own, intercept[part] = _svm_of(part, model, weighted, y, weight)
        coef[part] = own * ratio
    return coef, intercept


def fit_ridge(
    model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray, monitor: Monitor
) -> Linearized:
    """Fit a ridge regression of 1 for each class and -1 for the others."""
    coef, intercept = _empty(X, y)
    for part in parts_in_time(len(coef), monitor):
        classes = _class_of(np.arange(part.start, part.stop), coef)
        signs = np.where(y[:, None] == classes, 1.0, -1.0)
        ridge = Ridge(alpha=1 / model.C, **ridge_params(X))
        coef[part] = ridge.fit(X, signs, sample_weight=weight).coef_
        intercept[part] = ridge.intercept_
    return coef, intercept


def fit_complement_nb(
    model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray, monitor: Monitor
) -> Linearized:
    """Fit complement naive Bayes, in one pass over the rows."""
    fitted = ComplementNB(alpha=model.alpha).fit(X, y, sample_weight=weight)
    coef = fitted.feature_log_prob_
    if len(coef) == 2:
        coef = coef[1:] - coef[:1]
    return coef, np.zeros(len(coef))


HEADS: dict[str, Callable[..., Linearized]] = {
    "logistic": fit_logistic,
    "svm": fit_svm,
    "nb_svm": fit_nb_svm,
    "ridge": fit_ridge,
    "complement_nb": fit_complement_nb,
}


def parts_in_time(n_outputs: int, monitor: Monitor) -> Iterator[slice]:
    """Yield parts of the outputs, each as large as all earlier ones together.

    Raises
    ------
    DeadlineReached
        If the outputs that are left would not be ready in time.
    """
    done, start = 0, monitor.clock.now()
    while done < n_outputs:
        if done and monitor.deadline.exists:
            seconds_per_output = (monitor.clock.now() - start) / done
            if seconds_per_output * (n_outputs - done) > monitor.seconds_left:
                raise DeadlineReached
        part = slice(done, min(max(2 * done, 1), n_outputs))
        yield part
        done = part.stop


def _empty(X: Any, y: np.ndarray) -> Linearized:
    n_classes = int(y.max()) + 1
    n_outputs = 1 if n_classes == 2 else n_classes
    return np.zeros((n_outputs, X.shape[1]), dtype=np.float32), np.zeros(n_outputs)


def _class_of(output: Any, coef: np.ndarray) -> Any:
    return output + 1 if len(coef) == 1 else output


def _svm_of(
    part: slice, model: TfidfClassifier, X: Any, y: np.ndarray, weight: np.ndarray
) -> Linearized:
    """Fit the machines of some classes; all others are one class for liblinear."""
    n_classes, n_own = int(y.max()) + 1, part.stop - part.start
    first = 1 if n_classes == 2 else part.start
    is_own = (y >= first) & (y < first + n_own)
    labels = is_own.astype(int) if n_own == 1 else np.where(is_own, y - first, n_own)
    precision = EXACT if X.shape[0] * X.shape[1] <= EXACT_CELLS else FAST
    svm = LinearSVC(C=model.C, random_state=model.random_state, **precision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        svm.fit(X, labels, sample_weight=weight)
    return svm.coef_[:n_own], svm.intercept_[:n_own]


def _log_ratio(
    X: Any, is_own: np.ndarray, weight: np.ndarray, alpha: float
) -> np.ndarray:
    """Return how much more frequent each feature is in a class than elsewhere."""
    own = alpha + X.T @ np.where(is_own, weight, 0.0)
    others = alpha + X.T @ np.where(is_own, 0.0, weight)
    return np.log(own / own.sum()) - np.log(others / others.sum())
