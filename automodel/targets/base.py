"""Target: what y is, and all that depends on it."""

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
    """What y is: how it is checked, learned, predicted, scored and given back.

    Within a search a prediction is an array of shape (n_samples, n_outputs), whatever
    the target is; only the target and its combiner look inside of it.

    Attributes
    ----------
    kind : str
        What families say that they learn, as in `ModelFamily.tasks`.
    n_outputs : int
        Columns of a prediction.
    classes : ndarray of shape (n_classes,) or None
        The labels, where a row has one of several.
    objective : Objective
        The loss of values that models learn, which follows from the score.
    default_scoring : str or callable
        What is scored where the user does not say it.
    scored_as : str
        Which fast forms of scores and which decisions suit it: those of "classes",
        "labels", a "value" or "values"; "" for none.
    is_averaged : bool
        Whether a mean of predictions is a prediction, as for an `AveragedTarget`.
    """

    kind: str
    n_outputs: int
    classes: np.ndarray | None = None
    objective: Objective = Objective()
    default_scoring: str | Callable = ""
    scored_as: str = ""
    is_averaged = False

    @abstractmethod
    def encode(self, y: Any) -> Any:
        """Return y as models learn it.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            As the user gave it, checked.

        Returns
        -------
        ndarray
            Or what is indexed as one: ``len(y)``, ``y[rows]`` and ``y.nbytes``.

        Raises
        ------
        ValueError
            If a value cannot be encoded; names its row.
        """

    @abstractmethod
    def restore(self, y: Any) -> Any:
        """Return an encoded y as the user gave it, as scorers take it."""

    @abstractmethod
    def decode(self, prediction: Any, decision: Any = None) -> Any:
        """Return a prediction as the user gets it.

        Parameters
        ----------
        prediction : ndarray of shape (n_samples, n_outputs)
            Of the ensemble.
        decision : ndarray, default=None
            What `Metric.choose_decision` has chosen, such as weights of classes.
        """

    def probabilities(self, prediction: Any) -> Any:
        """Return a prediction of labels as probabilities."""
        return prediction

    @abstractmethod
    def answers(self, prediction: Any) -> BaseEstimator:
        """Return an estimator that answers with a prediction, for scorers."""

    @abstractmethod
    def truth(self, y: Any) -> Any:
        """Return the prediction that is right in each row of an encoded y."""

    def sample(self, y: Any) -> Any:
        """Return predictions of y that a scorer can be tried on."""
        return self.truth(y)

    @abstractmethod
    def decoded(self, estimator: BaseEstimator, columns: Any) -> BaseEstimator:
        """Return a fitted estimator that answers in the units of the user."""

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
            What the score asks for.
        y : array-like of shape (n_samples,), default=None
            As the user gave it, checked; it sets the limits of predictions.
        name : str
            That of the score, for messages.
        counted : ndarray of bool of shape (n_samples,), default=None
            Which rows count; None is all.

        Raises
        ------
        ValueError
            If a value is outside the domain of the score.
        """
        return self

    def check_like(self, other: Target) -> None:
        """Raise if the answers of another target are not of the same kind as these."""
        ours, theirs = (self.kind, self.n_outputs), (other.kind, other.n_outputs)
        if ours != theirs:
            raise ValueError(
                f"y is of the kind {other.kind!r} with outputs: {other.n_outputs}, and "
                f"the ensemble was made for {self.kind!r} with {self.n_outputs}."
            )

    def strata(self, y: Any) -> np.ndarray | None:
        """Return the numbers of the labels that splits spread evenly; None for none."""
        return None

    def is_learnable(self, columns: Any) -> bool:
        """Tell whether there is anything to learn from rows of these columns."""
        return True

    def known_rows(self, columns: Any, y: Any) -> np.ndarray:
        """Tell which rows a model can know that has learned some columns.

        Parameters
        ----------
        columns : ndarray or None
            What `local` returned for the training rows.
        y : sequence
            Encoded, of other rows.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        return np.ones(len(y), dtype=bool)

    def local(self, y: Any, columns: Any = None) -> tuple[Any, Any]:
        """Return the columns of a prediction that y has, and y as positions in them.

        Parameters
        ----------
        y : sequence
            Encoded, of some rows.
        columns : ndarray, default=None
            Columns that are known from elsewhere.

        Returns
        -------
        ndarray or None
            None where a model predicts all columns whatever its rows are.
        sequence
            What its estimator learns.
        """
        return None, y

    def columns_of(self, estimator: BaseEstimator) -> Any:
        """Return the columns that a fitted estimator predicts; None for all."""
        return None

    @abstractmethod
    def predict(self, estimator: BaseEstimator, X: Any, columns: Any) -> np.ndarray:
        """Return the prediction of all columns, float64, also of those not learned."""

    def for_encoders(self, y: Any) -> np.ndarray:
        """Return what encoders learn from, one column or several, as an array."""
        return y

    @abstractmethod
    def baseline(self) -> BaseEstimator:
        """Return the estimator that looks at y alone, not fitted.

        Its `fit` takes a `sample_weight`.
        """

    def constant(self, y: Any) -> BaseEstimator | None:
        """Return an unfitted estimator for rows that share one y; None if y varies."""
        return None

    def training_weight(
        self, y: Any, sample_weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights that rows have in the loss."""
        return sample_weight

    def is_predicted(self, prediction: Any) -> np.ndarray:
        """Tell which rows have a prediction; out-of-fold those of others are NaN."""
        return np.isfinite(prediction[:, 0])

    def pooled(
        self,
        n_rows: int,
        parts: Iterable[tuple[np.ndarray, Any]],
        dtype: type = np.float32,
    ) -> Any:
        """Return one prediction of all rows from those of parts of them.

        Parameters
        ----------
        n_rows : int
            All rows; those of no part are NaN.
        parts : iterable of (rows, prediction)
            Such as those of the folds, taken one after the other. A row of several
            parts gets the mean.
        dtype : type, default=float32
            Of the result.
        """
        total, count = np.zeros((n_rows, self.n_outputs)), np.zeros(n_rows)
        for rows, prediction in parts:
            total[rows] += prediction
            count[rows] += 1
        count[count == 0] = np.nan
        return (total.T / count).T.astype(dtype)

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the prediction of all rows of consecutive parts."""
        return np.concatenate(parts)

    def check_prediction(self, prediction: Any) -> None:
        """Raise ValueError if a model has predicted what is no prediction."""
        if not np.isfinite(prediction).all():
            raise ValueError("the model predicts values that are not finite")

    def decided(self, prediction: Any, decision: Any) -> Any:
        """Return predictions that leave no doubt about the answer."""
        return prediction

    def average(self, predictions: Iterable[Any], shares: Sequence[float]) -> Any:
        """Return one prediction of several models of the same candidate."""
        return self.combiner(np.asarray(shares)).predict(list(predictions))

    def combiner(self, weights: np.ndarray) -> Combiner:
        """Return what combines models of some weights, where no mean does.

        Parameters
        ----------
        weights : ndarray of shape (n_models,)
            They sum to 1; 0 for a model that has no say.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has to say how predictions are combined, or to be "
            "an AveragedTarget."
        )


class AveragedTarget(Target):
    """A target whose predictions can be averaged, calibrated and stacked.

    Attributes
    ----------
    link : Link
        The scale on which predictions are added up.
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
        """Return the target of one column alone, where they are scored one by one."""
        raise NotImplementedError(f"{type(self).__name__} has no columns of its own.")

    @abstractmethod
    def losses(self, y: Any, prediction: np.ndarray) -> np.ndarray:
        """Return the loss of each row, of shape (n_samples,), of what is learned."""

    def errors(self, y: Any, prediction: np.ndarray) -> np.ndarray:
        """Return the error of each row, of shape (n_samples,), with its sign if any."""
        return self.losses(y, prediction)

    @abstractmethod
    def stacking_loss(
        self, y: Any, base: np.ndarray, weight: np.ndarray
    ) -> StackingLoss:
        """Return the loss that a linear model on top of an ensemble is fitted by.

        Parameters
        ----------
        y : sequence
            Encoded.
        base : ndarray of shape (n_samples, n_outputs)
            The mixture, on the scale of the link.
        weight : ndarray of shape (n_samples,)
            Weights of the rows.
        """


def averaged(target: Target) -> AveragedTarget:
    """Return a target that is averaged, as all are whose predictions are blended."""
    return cast(AveragedTarget, target)
