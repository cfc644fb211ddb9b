"""Leave out models of an ensemble that cost more than they are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import Blend, ColumnsBlend
from automodel.ensemble.selection import most_rows, selection_rows
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.sampling.bootstrap_interval import standard_error
from automodel.targets.combiner import Combiner

# Of the standard error of the score, by which it may fall. It is far below what a
# comparison of ensembles on the same rows could detect.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Pruning:
    """What single models are worth to an ensemble, by out-of-fold predictions.

    Parameters
    ----------
    combiner : Combiner
        Combines all models.
    evaluations : sequence of Evaluation
        The models. Their predictions cover all rows.
    folds : Folds
        Data of these rows.
    deadline : Deadline, default=NO_DEADLINE
        Moment from which on nothing is left out.
    random_state : int, default=0
        Seed of the rows, if there are too many.
    """

    combiner: Combiner
    evaluations: Sequence[Evaluation]
    folds: Folds
    deadline: Deadline = NO_DEADLINE
    random_state: int = 0

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows that are scored."""
        rng = np.random.default_rng(self.random_state)
        return selection_rows(self.evaluations, self.folds, rng, most_rows(self.folds))

    @cached_property
    def tolerance(self) -> float:
        """By how much the score may fall; 0 if its standard error is not known."""
        folds, rows = self.folds, self.rows
        y, weight, metric = folds.y[rows], folds.weight_of(rows), folds.metric
        part = metric.decisive(y, self._combined(self.combiner))

        def score(some: np.ndarray) -> float:
            own = None if weight is None else weight[some]
            return score_or_nan(metric.score_decisive, y[some], part[some], own)

        error = standard_error(
            score,
            len(rows),
            folds.groups_of(rows),
            deadline=self.deadline,
            random_state=self.random_state,
        )
        return TOLERANCE * error if math.isfinite(error) else 0.0

    def pruned(self, expenses: np.ndarray) -> Combiner:
        """Return the combiner without the models that are not worth their expenses.

        One model after the other is left out, the most expensive first, unless the
        score falls by more than the tolerance in all.

        Parameters
        ----------
        expenses : ndarray of shape (n_models,)
            What each model costs.
        """
        combiner = self.combiner
        importances = combiner.importances
        order = np.lexsort((importances, -expenses))
        order = order[importances[order] > 0]
        if len(order) < 2:
            return combiner
        least = self._score(combiner) - self.tolerance
        for model in order.tolist():
            fewer = self._without(combiner, model)
            if self.deadline.is_over:
                break
            if fewer is not None and self._score(fewer) >= least:
                combiner = fewer
        return combiner

    def noise(self, combiner: Combiner, model: int) -> float:
        """Estimate by how much the noise of a model lowers the score of a combiner.

        This is what the mean of many models with other seeds would gain. The mean of
        two gains half of it. The most similar other model stands for the second: it
        differs in its settings as well, so that the estimate is rather too large. It is
        infinite if it is not known.
        """
        others = [i for i in range(len(self.evaluations)) if i != model]
        is_averaged = self.folds.target.is_averaged
        if not others or not is_averaged or self.deadline.is_over:
            return math.inf
        own = self._oofs[model]
        distances = [float(np.mean((self._oofs[i] - own) ** 2)) for i in others]
        other = self._oofs[others[int(np.argmin(distances))]]
        scores = []
        for stand_in in (own, other, (own + other) / 2):
            oofs = list(self._oofs)
            oofs[model] = stand_in
            scores.append(self._score(combiner, oofs))
        gain = scores[2] - (scores[0] + scores[1]) / 2
        return math.inf if math.isnan(gain) else 2.0 * max(gain, 0.0)

    @cached_property
    def _oofs(self) -> list:
        return [evaluation.oof[self.rows] for evaluation in self.evaluations]

    def _combined(self, combiner: Combiner, oofs=None):
        return combiner.predict(self._oofs if oofs is None else oofs)

    def _score(self, combiner: Combiner, oofs=None) -> float:
        folds, rows = self.folds, self.rows
        prediction = self._combined(combiner, oofs)
        weight = folds.weight_of(rows)
        return score_or_nan(folds.metric.score, folds.y[rows], prediction, weight)

    def _without(self, combiner: Combiner, model: int) -> Combiner | None:
        if isinstance(combiner, Blend | ColumnsBlend):
            return combiner.without(model)
        weights = combiner.weights.copy()
        weights[model] = 0.0
        if not weights.any():
            return None
        return self.folds.target.combiner(weights / weights.sum())
