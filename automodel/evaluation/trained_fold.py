"""TrainedFold: the model of a fold, whose rounds the other folds choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from automodel.clock import Deadline
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.monitor import Steps, mean_steps


@dataclass
class TrainedFold:
    """The model of a fold, and its prediction for the validation part.

    If the family chooses rounds, the model keeps all of them until the other folds are
    trained, and is cut then. `best_round` is the round that was best for its own rows.
    Once the model is released, only the numbers are kept.
    """

    fold: int
    model: FittedModel | None
    X_valid: Any
    prediction: np.ndarray | None
    best_round: Steps | None = None
    n_rounds: Steps | None = None

    def release(self) -> tuple[FittedModel, np.ndarray]:
        """Return the model and the prediction, and free their memory."""
        assert self.model is not None and self.prediction is not None
        model, prediction = self.model, self.prediction
        self.model = self.X_valid = self.prediction = None
        return model, prediction

    def cut(
        self,
        family: ModelFamily,
        trained: Sequence[TrainedFold],
        folds: Folds,
        deadline: Deadline,
    ) -> None:
        """Cut the model to the rounds that other folds choose, and predict again.

        With the rounds that are best for its own rows its score would be too good, the
        more so the fewer the rows: a search on few rows would choose boosting by luck.
        """
        if self.best_round is None:  # a constant
            return
        assert self.model is not None
        rounds = self._rounds_of_others(trained, folds)
        self.model.estimator = family.cut(self.model.estimator, rounds)
        self.model.n_iterations = rounds
        if rounds != self.best_round:
            self.prediction = self.model.predict_encoded(self.X_valid, deadline)

    def _rounds_of_others(self, trained: Sequence[TrainedFold], folds: Folds) -> Steps:
        """Return the mean of the rounds that are best for the folds apart from one."""
        others = [other for other in trained if other.best_round and other is not self]
        apart = [other for other in others if folds.apart[self.fold, other.fold]]
        # If all splits overlap, the rows of other folds are nearly the same anyway.
        best = [cast(Steps, other.best_round) for other in apart or others or [self]]
        rounds = np.maximum(mean_steps(best), 1)
        if self.n_rounds is not None:
            rounds = np.minimum(rounds, self.n_rounds)
        return rounds.astype(int).tolist()
