"""Target: what y is, and everything that depends on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, cast

import numpy as np
from sklearn.base import BaseEstimator

from automodel.targets.combiner import Combiner
from automodel.targets.link import Link
from automodel.targets.losses import StackingLoss
from automodel.targets.objective import Objective


class Target(ABC):
    """Define what y is: how it is checked, learned, predicted, scored and decoded.

    Within a search, a prediction is an array of shape (n_samples, n_outputs), or an
    object with ``len(prediction)``, ``prediction[rows]`` and ``prediction.nbytes``.
    Only the target and its combiner interpret it.

    Attributes
    ----------
    kind : str
        Name of the kind, which families that can learn it list in `ModelFamily.tasks`.
    n_outputs : int
        Number of columns of a prediction.
    classes : ndarray of shape (n_classes,) or None
        Class labels if each row has one class, and None otherwise.
    objective : Objective
        Loss that regressors learn, which follows from the score.
    default_scoring : str or callable
        Scorer that is used if the user gives none.
    scored_as : str
        Kind of fast scores and of decisions that suit the target: "classes", "labels",
        "value", "values" or "boxes", or "" for none.
    is_averaged : bool
        Whether a mean of predictions is a prediction, as for an `AveragedTarget`.
    holdout_from : int
        Number of rows above which a search has a single split if a family is slow.
    repeats_up_to : int
        Number of rows up to which folds are drawn twice.
    most_combined : int or None
        Most models of an ensemble whose predictions are not averaged; None for no
        limit.
    """

    kind: str
    n_outputs: int
    classes: np.ndarray | None = None
    objective: Objective = Objective()
    default_scoring: str | Callable = ""
    scored_as: str = ""
    is_averaged = False
    holdout_from = 2_000
    repeats_up_to = 500  # where two repeats halve the noise of a score
    most_combined: int | None = None

    @abstractmethod
    def encode(self, y: Any) -> Any:
        """Encode y in the form that models learn.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Checked y of the user.

        Returns
        -------
        ndarray
            Encoded y, or an object with ``len(y)``, ``y[rows]`` and ``y.nbytes``.

        Raises
        ------
        ValueError
            If a value cannot be encoded. The message names its row.
        """

    @abstractmethod
    def restore(self, y: Any) -> Any:
        """Convert an encoded y back to that of the user, which scorers expect."""

    def compact(self, y: Any) -> Any:
        """Return an encoded y in a form that takes little memory."""
        return y

    @abstractmethod
    def decode(self, prediction: Any, decision: Any = None) -> Any:
        """Convert a prediction to what the user gets.

        Parameters
        ----------
        prediction : ndarray of shape (n_samples, n_outputs)
            Prediction of the ensemble.
        decision : ndarray, default=None
            Result of `Metric.choose_decision`, such as weights of classes.
        """

    def probabilities(self, prediction: Any) -> Any:
        """Return a prediction of labels as probabilities."""
        return prediction

    @abstractmethod
    def answers(self, prediction: Any) -> BaseEstimator:
        """Return an estimator that predicts the given values, for scorers."""

    @abstractmethod
    def truth(self, y: Any) -> Any:
        """Return the correct prediction for each row of an encoded y."""

    def sample(self, y: Any) -> Any:
        """Return predictions of y on which a scorer can be tested."""
        return self.truth(y)

    @abstractmethod
    def decoded(self, estimator: BaseEstimator, columns: Any) -> BaseEstimator:
        """Wrap a fitted estimator so that it predicts in the units of the user."""

    def learning(
        self,
        objective: Objective,
        y: Any = None,
        name: str = "the score",
        counted: np.ndarray | None = None,
    ) -> Self:
        """Return the target whose models learn the objective of a score.

        Parameters
        ----------
        objective : Objective
            Loss that the score asks for.
        y : array-like of shape (n_samples,), default=None
            Checked y of the user, which determines the limits of predictions.
        name : str
            Name of the score, for messages.
        counted : ndarray of bool of shape (n_samples,), default=None
            Whether each row counts; None means all rows.

        Raises
        ------
        ValueError
            If a value is outside the domain of the score.
        """
        return self

    def check_like(self, other: Target) -> None:
        """Raise an error if predictions of another target differ in kind from these."""
        ours, theirs = (self.kind, self.n_outputs), (other.kind, other.n_outputs)
        if ours != theirs:
            raise ValueError(
                f"y is of the kind {other.kind!r} with outputs: {other.n_outputs}, but "
                f"the ensemble was made for {self.kind!r} with {self.n_outputs}."
            )

    def strata(self, y: Any) -> np.ndarray | None:
        """Return the stratum of each row for the splits; None for no stratification."""
        return None

    def is_learnable(self, columns: Any) -> bool:
        """Tell whether a model can learn from rows that have only these columns."""
        return True

    def known_rows(self, columns: Any, y: Any) -> np.ndarray:
        """Tell which rows can be predicted by a model that has learned some columns.

        Parameters
        ----------
        columns : ndarray or None
            Result of `local` for the training rows.
        y : sequence
            Encoded y of other rows.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            True where the value of y occurred in the training rows.
        """
        return np.ones(len(y), dtype=bool)

    def local(self, y: Any, columns: Any = None) -> tuple[Any, Any]:
        """Return the columns that occur in y, and y as positions among them.

        Parameters
        ----------
        y : sequence
            Encoded y of some rows.
        columns : ndarray, default=None
            The columns, if they are already known.

        Returns
        -------
        ndarray or None
            The columns; None if a model predicts all columns for any rows.
        sequence
            What the estimator learns.
        """
        return None, y

    def columns_of(self, estimator: BaseEstimator) -> Any:
        """Return the columns that a fitted estimator predicts; None for all."""
        return None

    @abstractmethod
    def predict(self, estimator: BaseEstimator, X: Any, columns: Any) -> np.ndarray:
        """Return the prediction as float64, with columns that were not learned too."""

    def for_encoders(self, y: Any) -> np.ndarray:
        """Return the values from which encoders learn, in one or several columns."""
        return y

    @abstractmethod
    def baseline(self) -> BaseEstimator:
        """Return an unfitted estimator that uses y alone.

        Its `fit` accepts a `sample_weight`.
        """

    def constant(self, y: Any) -> BaseEstimator | None:
        """Return an unfitted estimator for a y of equal values; None if y varies."""
        return None

    def training_weight(
        self, y: Any, sample_weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights of the rows in the loss."""
        return sample_weight

    def is_predicted(self, prediction: Any) -> np.ndarray:
        """Tell which rows have a prediction; out of fold, others are NaN."""
        return np.isfinite(prediction[:, 0])

    def pooled(
        self,
        n_rows: int,
        parts: Iterable[tuple[np.ndarray, Any]],
        dtype: type = np.float32,
    ) -> Any:
        """Combine predictions of parts of the rows into a prediction of all rows.

        Parameters
        ----------
        n_rows : int
            Number of all rows; rows that are in no part are NaN.
        parts : iterable of (rows, prediction)
            The parts, such as those of the folds, which are read one after the other. A
            row that is in several parts gets the mean.
        dtype : type, default=float32
            Type of the result.
        """
        total, count = np.zeros((n_rows, self.n_outputs)), np.zeros(n_rows)
        for rows, prediction in parts:
            total[rows] += prediction
            count[rows] += 1
        count[count == 0] = np.nan
        return (total.T / count).T.astype(dtype)

    def joined(self, parts: Sequence[Any]) -> Any:
        """Join the predictions of consecutive parts of the rows."""
        return np.concatenate(parts)

    def check_prediction(self, prediction: Any) -> None:
        """Raise ValueError if a prediction of a model is invalid."""
        if not np.isfinite(prediction).all():
            raise ValueError("the model predicts values that are not finite")

    def decided(self, prediction: Any, decision: Any) -> Any:
        """Return predictions whose decoded values are those of the decision."""
        return prediction

    def average(self, predictions: Iterable[Any], shares: Sequence[float]) -> Any:
        """Combine the predictions of several models of the same candidate."""
        return self.combiner(np.asarray(shares)).predict(list(predictions))

    def combiner(self, weights: np.ndarray) -> Combiner:
        """Return the combiner of models, for targets that are not averaged.

        Parameters
        ----------
        weights : ndarray of shape (n_models,)
            Weights of the models, which sum to 1; 0 for a model that is not used.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `combiner`, or inherit from "
            "AveragedTarget."
        )


class AveragedTarget(Target):
    """A target whose predictions can be averaged, calibrated and stacked.

    Attributes
    ----------
    link : Link
        Scale on which predictions are added up.
    """

    link: Link
    is_averaged = True

    def average(self, predictions, shares):
        """Return the weighted mean."""
        total: np.ndarray | float = 0.0
        for prediction, share in zip(predictions, shares, strict=True):
            total = total + share * prediction
        return np.asarray(total)

    def column(self, column: int) -> AveragedTarget:
        """Return the target of a single column, for scores that average columns."""
        raise NotImplementedError(f"{type(self).__name__} has no columns of its own.")

    @abstractmethod
    def losses(self, y: Any, prediction: np.ndarray) -> np.ndarray:
        """Return the loss that models learn for each row, of shape (n_samples,)."""

    def errors(self, y: Any, prediction: np.ndarray) -> np.ndarray:
        """Return the error of each row, signed if it can be, of shape (n_samples,)."""
        return self.losses(y, prediction)

    @abstractmethod
    def stacking_loss(
        self, y: Any, base: np.ndarray, weight: np.ndarray
    ) -> StackingLoss:
        """Return the loss to which the stack on top of an ensemble is fitted.

        Parameters
        ----------
        y : sequence
            Encoded y.
        base : ndarray of shape (n_samples, n_outputs)
            Mean of the members, on the scale of the link.
        weight : ndarray of shape (n_samples,)
            Weights of the rows.
        """


def averaged(target: Target) -> AveragedTarget:
    """Return the target as an `AveragedTarget`, for the type checker."""
    return cast(AveragedTarget, target)
