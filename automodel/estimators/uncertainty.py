"""How sure a fitted estimator is: of its score, and of each prediction."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from automodel.exceptions import FitWarning

if TYPE_CHECKING:
    from automodel.ensemble.conformal import ConformalRegressor
    from automodel.ensemble.honest import HonestPredictions

NO_HONEST = (
    "{what} of this {name} is unknown, because it needs predictions of rows that had "
    "no part in choosing the ensemble. There are none if only the baseline could be "
    "fitted, if the time was over before the ensemble was judged, if there were too "
    "few validation rows, if predictions of the target cannot be averaged, if `replay` "
    "has fitted the models to other data, or if the estimator was saved by an earlier "
    "version of automodel."
)


class HonestMixin:
    """What all fitted estimators know about the quality of their predictions."""

    _honest: HonestPredictions | None = None
    _score_interval: tuple[float, float] = (math.nan, math.nan)
    ensemble_: Any
    _reader: Any
    _target: Any
    _check_X: Any

    @property
    def expected_score_interval_(self) -> tuple[float, float]:
        """The 95 % confidence interval of `expected_score_`.

        It tells how much the score of as many rows varies by chance, and is made by
        bootstraps of honest predictions (BCa; Efron, 1987): of groups, if there are
        any. The models behind these have not learned from the rows of their fold. The
        upper limit allows for what they would add: errors are taken to fall with the
        fourth root of the number of rows. Both limits are NaN if it is unknown.
        """
        check_is_fitted(self, "ensemble_")
        return self._score_interval

    @property
    def oof_predictions_(self) -> np.ndarray:
        """Predictions of the rows of `fit` by ensembles that other rows chose.

        Probabilities of shape (n_samples, n_classes) for a classifier, and values of
        shape (n_samples,) or (n_samples, n_outputs) for a regressor. Rows without such
        a prediction are NaN: those that no fold validates, those of weight zero, and
        some of the rows if there are more than five million predicted numbers.
        """
        honest = self._required_honest("oof_predictions_", AttributeError)
        return honest.placed(self._for_user(honest.predictions))

    def _for_user(self, predictions: np.ndarray) -> np.ndarray:
        """Return predictions in the units of the user."""
        return self._target.decode(predictions)

    def _required_honest(
        self, what: str, error: type[Exception] = RuntimeError
    ) -> HonestPredictions:
        check_is_fitted(self, "ensemble_")
        if self._honest is None:
            raise error(NO_HONEST.format(name=type(self).__name__, what=what))
        return self._honest

    def _keep_honest(self, trained) -> None:
        self._honest = trained.honest
        self._score_interval = trained.score_interval

    def _forget_other_honest(self, folds) -> None:
        """Forget predictions of other rows than these, whose errors may be others."""
        if self._honest is not None and not self._honest.is_of(folds):
            self._honest = None

    def _predict_with_spread(self, X) -> tuple[np.ndarray, np.ndarray]:
        from automodel.containment import contained

        rows = self._reader.transform(self._check_X(X, reset=False))
        with contained():
            return self.ensemble_.predict_with_spread(rows)


class IntervalMixin(HonestMixin):
    """Intervals and quantiles of the predictions of a regressor."""

    def predict_interval(self, X, confidence_level=0.9):
        """Predict an interval that contains the target of a row.

        The intervals are conformal [1]_: they are made of the errors of honest
        out-of-fold predictions, by ensembles that other rows chose, and no model is
        fitted again. They are wider where the members of the ensemble disagree, and
        where predictions are large, as far as the honest errors are larger there [2]_.
        The level holds on average over new rows that are like those of `fit`, and for
        each column of several targets by itself. With `groups`, it holds for rows of
        new groups, and with `sample_weight` for the rows that the weights stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.
        confidence_level : float, default=0.9
            Share of the rows whose intervals are to contain the target.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds, in the units of y. They respect the domain of the
            score: for counts, for example, none is below zero. They are infinite, with
            a `FitWarning`, if the honest rows are too few for the level.

        Raises
        ------
        RuntimeError
            If there are no honest predictions. The message lists the possible reasons.
        ValueError
            If the level is not between 0 and 1.

        References
        ----------
        .. [1] Vovk (2015), Cross-conformal Predictors.
        .. [2] Papadopoulos, Vovk and Gammerman (2011), Regression Conformal Prediction
           with Nearest Neighbours.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from automodel import AutoRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> search = AutoRegressor(
        ...     families=["linear"], n_trials=2, time_budget=None, random_state=0
        ... ).fit(X[:300], y[:300])
        >>> low, high = search.predict_interval(X[300:], confidence_level=0.8).T
        >>> bool(0.7 < ((low <= y[300:]) & (y[300:] <= high)).mean() < 0.9)
        True
        """
        check_is_fitted(self, "ensemble_")
        _check_share(confidence_level, "confidence_level")
        if not self._target.objective.is_central:  # as of a model of the ninth decile
            tail = (1.0 - confidence_level) / 2.0
            return self.predict_quantiles(X, [tail, 1.0 - tail])
        return self._conformal(
            "predict_interval",
            X,
            lambda each, *of: each.interval(*of, confidence_level),
        )

    def predict_quantiles(self, X, q):
        """Predict quantiles of the target of a row.

        They are made as the intervals of `predict_interval`, but errors above and below
        a prediction are ranked separately. A share `q` of the targets is below the
        quantile: at least, if `q` is one half or more, and at most, if it is less.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.
        q : array-like of shape (n_quantiles,)
            Probabilities of the quantiles, between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            The quantiles, in the units of y and in the order of `q`. They are infinite,
            with a `FitWarning`, if the honest rows are too few.

        Raises
        ------
        RuntimeError
            If there are no honest predictions. The message lists the possible reasons.
        ValueError
            If a probability is not between 0 and 1.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from automodel import AutoRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> search = AutoRegressor(
        ...     families=["linear"], n_trials=2, time_budget=None, random_state=0
        ... ).fit(X, y)
        >>> search.predict_quantiles(X, [0.1, 0.5, 0.9]).shape
        (442, 3)
        """
        check_is_fitted(self, "ensemble_")
        probabilities = np.asarray(q)
        if probabilities.ndim != 1 or not len(probabilities):
            raise ValueError(
                f"q must be a list of at least one probability. Got {q!r} instead."
            )
        for each in probabilities.tolist():
            _check_share(each, "q")
        return self._conformal(
            "predict_quantiles", X, lambda each, *of: each.quantiles(*of, probabilities)
        )

    def _conformal(self, what: str, X, predicted) -> np.ndarray:
        """Return what each column predicts of its bounds, in the units of the user."""
        honest = self._required_honest(what)
        fitted = _conformal_columns(honest, self._target)
        prediction, spread = self._predict_with_spread(X)
        sizes = _sizes(self._target, prediction)
        of_columns = zip(fitted, prediction.T, spread.T, sizes.T, strict=True)
        bounds = np.stack([predicted(*each) for each in of_columns], axis=2)
        if np.isinf(bounds).any():
            _warn_of_few_rows(honest)
        flat = self._target.bounds(bounds.reshape(-1, len(fitted)))
        decoded = np.moveaxis(flat.reshape(bounds.shape), 2, 1)
        is_of_one_column = self._target.decode(prediction).ndim == 1
        return decoded[:, 0] if is_of_one_column else decoded


class SetMixin(HonestMixin):
    """Sets of the classes or labels that a classifier cannot exclude."""

    predict_proba: Any
    _decision: Any

    def predict_set(self, X, confidence_level=0.9):
        """Predict a set that contains the class of a row.

        The sets are conformal. Each class has a threshold, which the share
        `confidence_level` of its own rows reach in honest out-of-fold predictions, and
        the set of a row holds the classes whose probabilities reach their thresholds.
        The level therefore holds for the rows of each class by themselves [1]_. No
        model is fitted again. Classes with too few honest rows, such as fewer than nine
        at a level of 0.9, have a common threshold, for which the level holds on the
        average of their rows. If they are too few even together, these classes are in
        every set.

        If y is a multilabel indicator, a set contains each label that the row has with
        this probability, so that labels outside of it can be excluded.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples,)
            Rows of the same kind as in `fit`.
        confidence_level : float, default=0.9
            Share of the rows whose sets are to contain their class.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_classes)
            Which classes are in the set of each row, in the order of `classes_`, or
            which labels. What `predict` returns is always in it, so that only sets of
            labels can be empty.

        Raises
        ------
        RuntimeError
            If there are no honest predictions. The message lists the possible reasons.
        ValueError
            If the level is not between 0 and 1.

        References
        ----------
        .. [1] Vovk (2013), Conditional Validity of Inductive Conformal Predictors.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from automodel import AutoClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> search = AutoClassifier(
        ...     families=["linear"], n_trials=2, time_budget=None, random_state=0
        ... ).fit(X, y)
        >>> search.predict_set(X[:1], confidence_level=0.95)
        array([[ True, False, False]])
        """
        from automodel.ensemble.conformal import least_probabilities

        check_is_fitted(self, "ensemble_")
        _check_share(confidence_level, "confidence_level")
        honest = self._required_honest("predict_set")
        least = least_probabilities(
            *_true_classes(honest, self._for_user(honest.predictions)),
            n_categories=honest.predictions.shape[1],
            level=confidence_level,
        )
        proba = self.predict_proba(X)
        is_predicted = self._target.decided(proba, self._decision()) > 0
        # Honest probabilities are float32; a tie has to be a tie.
        return is_predicted | (proba.astype(np.float32) >= least.astype(np.float32))

    def _for_user(self, predictions):
        return self._target.probabilities(predictions.astype(np.float64))


def _check_share(value: Any, name: str) -> None:
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number. Got {value!r} instead.")
    if not 0 < float(value) < 1:
        raise ValueError(f"{name} must be above 0 and below 1. Got {value!r} instead.")


def _conformal_columns(honest: HonestPredictions, target) -> list[ConformalRegressor]:
    """Return what each column of the target has learned of its errors."""
    from automodel.ensemble.conformal import ConformalRegressor

    predictions = honest.predictions.astype(np.float64)
    errors = honest.y.reshape(predictions.shape) - predictions
    columns = zip(errors.T, honest.spread.T, _sizes(target, predictions).T, strict=True)
    facts = honest.sample_weight, honest.groups
    return [ConformalRegressor.fit(*column, *facts) for column in columns]


def _sizes(target, predictions: np.ndarray) -> np.ndarray:
    """Return the absolute values of predictions, in the units of the user."""
    return np.abs(target.decode(predictions)).reshape(predictions.shape)


def _true_classes(
    honest: HonestPredictions, proba: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return true classes, their probabilities, and the weights and groups of rows.

    A row with several labels is a group of its own.
    """
    weight, groups = honest.sample_weight, honest.groups
    if honest.y.ndim == 1:
        rows, classes = np.arange(len(honest.y)), honest.y
    else:
        rows, classes = np.nonzero(honest.y)
        weight = None if weight is None else weight[rows]
        groups = rows if groups is None else groups[rows]
    return classes, proba[rows, classes], weight, groups


def _warn_of_few_rows(honest: HonestPredictions) -> None:
    from automodel.ensemble.conformal import effective_size

    weight = honest.sample_weight
    weight = np.ones(len(honest.rows)) if weight is None else weight
    n_rows = effective_size(weight, honest.groups)
    warnings.warn(
        f"Some bounds are infinite: {n_rows:.0f} independent rows with honest "
        f"predictions allow levels up to {n_rows / (n_rows + 1):.3g}.",
        FitWarning,
        stacklevel=4,
    )
