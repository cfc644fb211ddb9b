"""Choose the members of an ensemble, within limits, and judge the choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.ensemble.combine import fit_combiner, simplified
from automodel.ensemble.honest import HonestPredictions
from automodel.ensemble.judging import Verdict, judged
from automodel.ensemble.pruning import Pruning
from automodel.ensemble.selection import common_rows, restricted
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.search.budget import Budget
from automodel.targets.combiner import Combiner
from automodel.training.allowance import Allowance, ModelLimits

SELECT_SHARE = 0.35  # of the time left, for the weights, and again for each judgement
PRUNE_SHARE = 0.2  # of the time left, for what single models are worth
# Of the budget, and of the time left, for the interval of the expected score.
INTERVAL_SHARE, MOST_INTERVAL_SHARE = 0.02, 0.2
# The power of the number of rows with which errors are taken to fall (Hestness et al.,
# 2017, found 0.07 to 0.35). Refits learn from more rows than the models of the folds.
LEARNING_POWER = 0.25
UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True)
class Selection:
    """The trials of an ensemble, how they are combined, and how that scores.

    Parameters
    ----------
    numbers : list of int
        The trials, the most important first.
    combiner : Combiner
        Combines their predictions.
    score, expected_score : float
        Scores on the rows that chose them, and on others.
    decision_weights : ndarray or None
        See `Metric.choose_decision`.
    allowance : Allowance
        What models may cost.
    score_interval : tuple of float
        The 95 % interval of the expected score.
    honest : HonestPredictions or None
        What was judged.
    noise, tolerance
        Which further models of the trials are worth their cost, see `add_models`.
    economies : list of str
        What limits and pruning have left out.
    problems : list of str
        Limits that could not be kept.
    """

    numbers: list[int]
    combiner: Combiner
    score: float
    expected_score: float
    decision_weights: np.ndarray | None
    allowance: Allowance
    score_interval: tuple[float, float] = UNKNOWN
    honest: HonestPredictions | None = None
    noise: Mapping[int, float] | None = None
    tolerance: float = 0.0
    economies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def best(self, usable: Mapping[int, Evaluation]) -> int:
        """Return the best single trial that the ensemble has, or has room for."""

        def has_room(number: int) -> bool:
            return self.allowance.allows(dict.fromkeys([*self.numbers, number], 1))

        found = max(usable, key=lambda number: usable[number].score)
        if found in self.numbers or has_room(found):
            return found
        return max(self.numbers, key=lambda number: usable[number].score)


@dataclass(frozen=True)
class Selector:
    """Chooses the members of an ensemble.

    Parameters
    ----------
    folds, budget, size, seed, limits
        As in `Assembly`.
    """

    folds: Folds
    budget: Budget
    size: int
    seed: int
    limits: ModelLimits = ModelLimits()

    def select(
        self, usable: Mapping[int, Evaluation], judges: Sequence[Evaluation]
    ) -> Selection:
        """Choose members among the usable evaluations; the judges score the choice.

        Those whose models alone exceed the limits are not candidates. If none are
        within them, the only candidate is the one that exceeds them least.
        """
        folds, deadline = self.folds, self.budget.deadline
        judging = _numbered(usable, judges)
        allowance = Allowance.measured(judging, folds, deadline, self.limits)
        numbers = allowance.candidates(list(usable))
        candidates = [usable[number] for number in numbers]
        known, part = restricted(candidates, folds, common_rows(candidates, folds))
        combiner, verdict = self._combined(known, part, numbers, judging, allowance)
        early = deadline.share(PRUNE_SHARE)
        pruning = Pruning(combiner, known, part, early, self.seed)
        expenses = np.array([allowance.expense(number) for number in numbers])
        pruned = pruning.pruned(expenses)
        oof = pruned.predict([e.oof for e in known])
        decision = folds.metric.choose_decision(
            part.y,
            oof,
            part.sample_weight,
            groups=part.groups,
            deadline=deadline.share(SELECT_SHARE),
            random_state=self.seed,
        )
        order = _used(pruned)
        taken = pruned.take(order)
        return Selection(
            [numbers[i] for i in order],
            taken,
            score_or_nan(part.score, oof),
            verdict.score,
            decision,
            allowance,
            self._interval(verdict),
            self._honest(verdict, taken, [candidates[i] for i in order]),
            {numbers[i]: pruning.noise(pruned, i) for i in order},
            pruning.tolerance,
            _economies(allowance, list(usable), numbers, combiner, pruned),
            _problems(allowance, candidates, numbers),
        )

    def _combined(
        self,
        known: Sequence[Evaluation],
        part: Folds,
        numbers: Sequence[int],
        judging: Mapping[int, Evaluation],
        allowance: Allowance,
    ) -> tuple[Combiner, Verdict]:
        """Combine the candidates, and judge how that is done."""
        deadline = self.budget.deadline
        options: dict[str, Any] = {"size": self.size, "random_state": self.seed}
        combiner = fit_combiner(
            known,
            part,
            limits=allowance.limits(numbers),
            deadline=deadline.share(SELECT_SHARE),
            **options,
        )
        is_cut = not combiner.is_stacked and np.count_nonzero(combiner.weights) > 1
        others = allowance.candidates(list(judging))
        verdict = judged(
            [judging[number] for number in others],
            self.folds,
            may_stack=not is_cut,
            limits=allowance.limits(others),
            deadline=deadline.share(SELECT_SHARE),
            **options,
        )
        if not verdict.is_worthwhile:
            combiner = simplified(combiner, known, part)
        return combiner, verdict

    def _interval(self, verdict: Verdict) -> tuple[float, float]:
        """Return the interval of the expected score, within a share of the budget."""
        if verdict.judged is None or math.isnan(verdict.score):
            return UNKNOWN
        deadline = self.budget.deadline.share(MOST_INTERVAL_SHARE)
        if self.budget.seconds is not None:
            deadline = deadline.within(INTERVAL_SHARE * self.budget.seconds)
        low, high = verdict.judged.interval(deadline, self.seed)
        gap = perfect_score(self.folds) - high
        if gap > 0:
            high += gap * (1.0 - self.folds.train_share**LEARNING_POWER)
        return low, high

    def _honest(
        self, verdict: Verdict, combiner: Combiner, members: Sequence[Evaluation]
    ) -> HonestPredictions | None:
        """Return the predictions that were judged, if they can be averaged.

        Their spread is that of the ensemble that is returned, so that it compares with
        its predictions of new rows. The target has no part in it.
        """
        rows = verdict.rows
        if rows is None or not self.folds.target.is_averaged:
            return None
        spread = combiner.spread([member.oof[rows] for member in members])
        honest = HonestPredictions.of(self.folds, rows, verdict.prediction, spread)
        return honest.sample(self.seed)


def perfect_score(folds: Folds) -> float:
    """Return the score of the truth; NaN as of the Poisson deviance of zeros."""
    return score_or_nan(folds.score, folds.target.truth(folds.y))


def _used(combiner: Combiner) -> np.ndarray:
    """Return the positions of the models that are used, the most important first."""
    importances = combiner.importances
    order = np.argsort(-importances, kind="stable")
    return order[importances[order] > 0]


def _numbered(
    usable: Mapping[int, Evaluation], judges: Sequence[Evaluation]
) -> dict[int, Evaluation]:
    """Return the judges by number. Those that are not usable have negative ones."""
    others = [e for e in judges if all(e is not own for own in usable.values())]
    return {**usable, **{-2 - i: e for i, e in enumerate(others)}}


def _economies(
    allowance: Allowance,
    usable: Sequence[int],
    numbers: Sequence[int],
    chosen: Combiner,
    pruned: Combiner,
) -> list[str]:
    """Say what limits and pruning have left out."""
    said = []
    members = {numbers[i] for i in _used(chosen)}
    is_used = np.array([number in members for number in usable])
    n_barred = int((~allowance.limits(usable).affordable(is_used)).sum())
    if n_barred:
        said.append(
            f"{n_barred} of the {len(usable)} best trials could not join the ensemble, "
            f"because of {allowance}."
        )
    n_pruned = len(members) - len(_used(pruned))
    if n_pruned:
        said.append(
            f"Pruning has left out {n_pruned} of {len(members)} members, because "
            "without them the score hardly changes."
        )
    return said


def _problems(
    allowance: Allowance, candidates: Sequence[Evaluation], numbers: Sequence[int]
) -> list[str]:
    """Say if no model is within the limits."""
    first = numbers[0]
    if len(numbers) > 1 or allowance.limits([first]).costs.max(initial=0.0) <= 1.0:
        return []
    cost, family = allowance.costs[first], candidates[0].candidate.family.name
    return [
        f"No model is within {allowance}. The ensemble is the one that exceeds this "
        f"least: a model of trial {first} ({family}) takes about "
        f"{cost.n_bytes / 1e6:.3g} MB, and {cost.seconds:.2g} s to predict a row."
    ]
