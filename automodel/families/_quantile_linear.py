"""Linear quantile regression with the penalty of ridge regression."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.linear_model import Ridge
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from automodel.families._ridge import ridge_params

LEAST_RESIDUAL = 1e-2  # times the mean one, which limits the weights of the rows


class QuantileLinearRegressor(RegressorMixin, BaseEstimator):
    """Linear quantile regression, fitted by iterated ridge regressions.

    With residuals `r` and weights `s`, it minimizes `sum(s * pinball(r)) + alpha / (4 *
    d) * sum(coef ** 2)`, where the pinball loss is `abs(r) / 2 + (quantile - 1/2) * r`
    and `d` is the mean absolute residual of a first ridge regression. Because of `d`,
    the penalty has the unit of the loss, and `alpha` is about as strong as in
    `sklearn.linear_model.Ridge`.

    In each step, the absolute value of a residual is replaced by a parabola above it
    that touches it at the last residual, `r ** 2 / (2 * abs(last))` plus a constant
    (Hunter and Lange, 2000). `abs(last)` is slightly enlarged, so that no row gets all
    the weight. This leads to a ridge regression with weights `s * d / abs(last)` and
    with targets that are shifted by `(2 * quantile - 1) * abs(last)`. Unlike in the
    paper, the intercept, which is not penalized, is then set to its optimum.

    Parameters
    ----------
    quantile : float, default=0.5
        The quantile that is predicted; 0.5 is the median.
    alpha : float, default=1.0
        Strength of the penalty.
    max_iter : int, default=100
        Largest number of steps.
    tol : float, default=1e-4
        Training stops after a step that reduces the loss by a smaller share.
    warm_start : bool, default=False
        Whether to continue from the coefficients of the last call to `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        The coefficients.
    intercept_ : float
        The intercept.
    scale_ : float
        Mean absolute residual of the first ridge regression.
    n_iter_ : int
        Number of steps of the last call to `fit`.
    n_features_in_ : int
        Number of features seen during fit.

    References
    ----------
    Hunter, D. R. and Lange, K. (2000). Quantile Regression via an MM Algorithm.
    Journal of Computational and Graphical Statistics, 9(1), 60-77.

    Examples
    --------
    >>> import numpy as np
    >>> from automodel.families._quantile_linear import QuantileLinearRegressor
    >>> X = np.arange(20.0)[:, None]
    >>> y = 3 * X.ravel() + 1
    >>> y[-1] = 1000
    >>> model = QuantileLinearRegressor(alpha=1e-3).fit(X, y)
    >>> model.predict([[10.0]]).round(1)
    array([31.])
    """

    _parameter_constraints: dict = {
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
    }

    def __init__(
        self,
        *,
        quantile=0.5,
        alpha=1.0,
        max_iter=100,
        tol=1e-4,
        warm_start=False,
    ):
        self.quantile = quantile
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted model.
        """
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            dtype=[np.float64, np.float32],
            y_numeric=True,
        )
        y = y.astype(np.float64)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if not (self.warm_start and hasattr(self, "scale_")):
            self._fit_ridge(X, y, weight)
            residual = y - X @ self.coef_ - self.intercept_
            self.scale_ = float(np.average(np.abs(residual), weights=weight))
        self._descend(X, y, weight)
        return self

    def predict(self, X):
        """Predict the quantile of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The quantiles.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return X @ self.coef_ + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _descend(self, X, y, weight) -> None:
        """Take steps until one of them gains little."""
        residual = self._center(X, y, weight)
        self.n_iter_ = 0
        if self.scale_ == 0:  # the ridge regression is exact, as for a constant y
            return
        loss = self._loss(residual, weight)
        while self.n_iter_ < self.max_iter:
            size = np.abs(residual) + LEAST_RESIDUAL * self.scale_
            target = y + (2 * self.quantile - 1) * size
            self._fit_ridge(X, target, weight * self.scale_ / size)
            residual = self._center(X, y, weight)
            self.n_iter_ += 1
            before, loss = loss, self._loss(residual, weight)
            if before - loss <= self.tol * before:
                break

    def _fit_ridge(self, X, target, weight) -> None:
        ridge = Ridge(alpha=self.alpha, **ridge_params(X))
        ridge.fit(X, target, weight)
        self.coef_, self.intercept_ = ridge.coef_, float(ridge.intercept_)

    def _center(self, X, y, weight) -> np.ndarray:
        """Set the optimal intercept for the coefficients, and return the residuals."""
        residual = y - X @ self.coef_
        order = np.argsort(residual)
        total = np.cumsum(weight[order])
        middle = order[np.searchsorted(total, self.quantile * total[-1])]
        self.intercept_ = float(residual[middle])
        return residual - self.intercept_

    def _loss(self, residual, weight) -> float:
        pinball = np.abs(residual) / 2 + (self.quantile - 0.5) * residual
        penalty = self.alpha * np.sum(self.coef_**2) / (4 * self.scale_)
        return float(weight @ pinball + penalty)
