"""Make the ensemble of a search: select its members, refit and combine them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.clock import Deadline
from automodel.ensemble.blend import FittedEnsemble, Member
from automodel.ensemble.combine import fit_combiner, plain_combiner, simplified
from automodel.ensemble.honest import HonestPredictions
from automodel.ensemble.judging import Verdict, judged
from automodel.ensemble.selection import common_rows, restricted
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.search.budget import Budget
from automodel.search.models import ModelLoader
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from automodel.targets.combiner import Combiner
from automodel.training.allowance import Allowance, mean_bytes
from automodel.training.refits import (
    MOST_FOLDS,
    RefitPlan,
    plan_refits,
    refits_in_time,
)

SELECT_SHARE = 0.35  # of the time left, for the weights, and again for each judgement
# Of the budget, and of the time left, for the interval of the expected score.
INTERVAL_SHARE, MOST_INTERVAL_SHARE = 0.02, 0.2
# The power of the number of rows with which errors are taken to fall (Hestness et al.,
# 2017, found 0.07 to 0.35). Refits learn from more rows than the models of the folds.
LEARNING_POWER = 0.25
LOAD_SHARE = 0.5  # of the time left, at most, for loading models after the refits
# Of the budget, for what follows the models, such as removing files.
LAST_SECONDS, LAST_SHARE, MOST_LAST_SECONDS = 0.2, 0.004, 0.6
# Below this skill most of the error is noise, and the mean of refits and models of the
# folds is better than refits alone; above it the rows that the folds lack count more.
NOISY_SKILL = 0.8
UNKNOWN = (math.nan, math.nan)


@dataclass
class Trained:
    """The result of a fit.

    Parameters
    ----------
    ensemble : FittedEnsemble
        The members with their models.
    best_model : FittedModel
        The best single model.
    best_score : float
        Score of the ensemble on the rows that chose it.
    expected_score : float
        Score of the ensemble on rows that did not choose it.
    decision_weights : ndarray or None
        Weights or thresholds that turn predictions into labels, if the score needs any.
    notes : list of str
        What the user should know.
    studies : dict of str to list of FrozenTrial
        The trials of each family.
    params : dict of int to dict
        The parameters of the estimator of each trial, by its number.
    baseline_score : float
        Score of the model that uses y alone.
    score_interval : tuple of float
        The 95 % interval of the expected score; NaN if it is unknown.
    honest : HonestPredictions or None
        Predictions of rows by ensembles that other rows chose, if there are any.
    """

    ensemble: FittedEnsemble
    best_model: FittedModel
    best_score: float
    expected_score: float
    decision_weights: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    studies: dict[str, list] = field(default_factory=dict)
    params: dict[int, dict[str, Any]] = field(default_factory=dict)
    baseline_score: float = math.nan
    score_interval: tuple[float, float] = UNKNOWN
    honest: HonestPredictions | None = None


@dataclass(frozen=True)
class Selection:
    """The trials of an ensemble, how they are combined, and how that scores."""

    numbers: list[int]
    combiner: Combiner
    score: float
    expected_score: float
    decision_weights: np.ndarray | None
    score_interval: tuple[float, float] = UNKNOWN
    honest: HonestPredictions | None = None


@dataclass(frozen=True)
class Assembly:
    """Makes the ensemble of a search from its evaluations.

    Parameters
    ----------
    folds : Folds
        Data and splits.
    baseline : Member
        The ensemble where nothing else can be fitted.
    budget : Budget
        The time left, which selection and refits share.
    size : int
        Steps of the greedy selection.
    refit : bool or "auto"
        Whether members are fitted again on all rows.
    seed : int
        Seed of the selection.
    """

    folds: Folds
    baseline: Member
    budget: Budget
    size: int
    refit: bool | str
    seed: int

    def run(self, storage: SearchStorage, workers: Workers | None) -> Trained:
        """Return the ensemble.

        Without workers nothing is refitted: the members have the models of their folds.
        """
        usable = storage.loaded()
        loader = ModelLoader(self._deadline_to_load())
        notes = loader.notes
        while usable:
            with self.budget.stage("ensemble"):
                chosen = self._select(usable, storage.judges(usable))
            with self.budget.stage("refit"):
                members, best_model = self._members(usable, chosen, workers, loader)
            if len(members) == len(chosen.numbers):
                return Trained(
                    FittedEnsemble(members, chosen.combiner, self.folds.target),
                    best_model,
                    chosen.score,
                    chosen.expected_score,
                    chosen.decision_weights,
                    list(notes.values()),
                    score_interval=chosen.score_interval,
                    honest=chosen.honest,
                )
            gone = set(chosen.numbers) - {m.number for m in members}
            usable = {n: e for n, e in usable.items() if n not in gone}
        baseline, target = self.baseline, self.folds.target
        combiner = plain_combiner(target, np.array([baseline.weight]))
        ensemble = FittedEnsemble([baseline], combiner, target)
        score = baseline.score
        return Trained(
            ensemble, baseline.models[0], score, score, notes=list(notes.values())
        )

    def _select(
        self, usable: dict[int, Evaluation], judges: Sequence[Evaluation]
    ) -> Selection:
        """Choose members among the usable evaluations; the judges score the choice."""
        candidates, folds = list(usable.values()), self.folds
        deadline = self.budget.deadline
        options: dict[str, Any] = {"size": self.size, "random_state": self.seed}
        rows = common_rows(candidates, folds)
        known, part = restricted(candidates, folds, rows)
        combiner = fit_combiner(
            known, part, deadline=deadline.share(SELECT_SHARE), **options
        )
        is_cut = not combiner.is_stacked and np.count_nonzero(combiner.weights) > 1
        verdict = judged(
            judges,
            folds,
            may_stack=not is_cut,
            deadline=deadline.share(SELECT_SHARE),
            **options,
        )
        if not verdict.is_worthwhile:
            combiner = simplified(combiner, known, part)
        oof = combiner.predict([e.oof for e in known])
        decision = folds.metric.choose_decision(
            part.y,
            oof,
            part.sample_weight,
            groups=part.groups,
            deadline=deadline.share(SELECT_SHARE),
            random_state=self.seed,
        )
        importances = combiner.importances
        order = np.argsort(-importances, kind="stable")
        order = order[importances[order] > 0]
        combiner = combiner.take(order)
        return Selection(
            [list(usable)[i] for i in order],
            combiner,
            score_or_nan(part.score, oof),
            verdict.score,
            decision,
            self._interval(verdict),
            self._honest(verdict, combiner, [candidates[i] for i in order]),
        )

    def _interval(self, verdict: Verdict) -> tuple[float, float]:
        """Return the interval of the expected score, within a share of the budget."""
        if verdict.judged is None or math.isnan(verdict.score):
            return UNKNOWN
        deadline = self.budget.deadline.share(MOST_INTERVAL_SHARE)
        if self.budget.seconds is not None:
            deadline = deadline.within(INTERVAL_SHARE * self.budget.seconds)
        low, high = verdict.judged.interval(deadline, self.seed)
        gap = self._perfect_score() - high
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

    def _members(
        self,
        usable: Mapping[int, Evaluation],
        chosen: Selection,
        workers: Workers | None,
        loader: ModelLoader,
    ) -> tuple[list[Member], Any]:
        """Return the members with their models, and the best single model.

        Members are refitted on all rows, the most important first, while there is time;
        the others keep the models of their folds. Those whose models cannot be loaded
        are missing.
        """
        best = max(usable, key=lambda number: usable[number].score)
        plan, refitted = RefitPlan([]), {}
        if workers is not None:
            plan = self._plan(usable, chosen, best)
            deadline = self._deadline_to_refit(plan, usable, loader)
            refitted = _refitted(plan, deadline, workers, loader)
        models_of = {}
        for number in chosen.numbers:
            models = refitted.get(number, []) if self.refit else []
            if not models:
                most = self.folds.target.most_combined
                models = self._of_folds(number, usable, loader, most)
            elif number in plan.with_folds:
                models = models + self._of_folds(number, usable, loader, MOST_FOLDS)
            models_of[number] = models
        members = _members_of(chosen, usable, models_of)
        best_models = refitted.get(best) or models_of.get(best)
        best_models = best_models or self._of_folds(best, usable, loader, 1)
        best_models = best_models or sum(models_of.values(), [])
        return members, best_models[0] if best_models else None

    def _plan(
        self, usable: Mapping[int, Evaluation], chosen: Selection, best: int
    ) -> RefitPlan:
        members = {number: usable[number] for number in chosen.numbers}
        may_keep = self.refit == "auto" and len(self.folds) > 1
        return plan_refits(
            chosen.numbers,
            best,
            usable,
            self.folds,
            Allowance.measured(members, self.folds, self.budget.deadline),
            refit=bool(self.refit),
            keep_folds=may_keep and self._skill(chosen.score) < NOISY_SKILL,
        )

    def _skill(self, score: float) -> float:
        """Return a score on a scale from 0, for the baseline, to 1, for the truth."""
        perfect = self._perfect_score()
        if math.isnan(perfect):
            return 0.0
        return (score - self.baseline.score) / max(perfect - self.baseline.score, 1e-12)

    def _perfect_score(self) -> float:
        """Return the score of the truth; NaN as of the Poisson deviance of zeros."""
        return score_or_nan(self.folds.score, self.folds.target.truth(self.folds.y))

    def _of_folds(
        self,
        number: int,
        usable: Mapping[int, Evaluation],
        loader: ModelLoader,
        most: int | None = None,
    ) -> list[Any]:
        """Return models of the folds of a trial, those with the most rows first."""
        evaluation = usable[number]
        kept = [evaluation.models[fold] for fold in self.folds.large_folds[:most]]
        return loader.load(number, evaluation.candidate.family, kept)

    def _deadline_to_refit(
        self, plan: RefitPlan, usable: Mapping[int, Evaluation], loader: ModelLoader
    ) -> Deadline:
        """Return the deadline, less the time for loading the models.

        There may be no time left to import their libraries: then they are loaded when
        they are used, which costs less than a refit is worth.
        """
        n_folds = min(len(self.folds.large_folds), MOST_FOLDS)
        numbers = [refit.number for refit in plan.refits]
        numbers += n_folds * list(plan.with_folds)
        over = Deadline(-math.inf)  # files tell their sizes, and nothing is pickled
        sizes = {n: mean_bytes(usable[n].models, over) for n in set(numbers)}
        n_bytes = sum(sizes[n] for n in numbers if math.isfinite(sizes[n]))
        deadline = self._deadline_to_load()
        most = LOAD_SHARE * deadline.seconds_left
        return deadline.later(-min(loader.predict_seconds(n_bytes), most))

    def _deadline_to_load(self) -> Deadline:
        """Return the deadline, less the time for tidying up."""
        if self.budget.seconds is None:
            return self.budget.deadline
        last = LAST_SECONDS + LAST_SHARE * self.budget.seconds
        return self.budget.deadline.later(-min(last, MOST_LAST_SECONDS))


def _refitted(
    plan: RefitPlan, deadline: Deadline, workers: Workers, loader: ModelLoader
) -> dict[int, list[Any]]:
    """Fit the planned refits that end in time; return the models by their numbers."""
    deadline = deadline.later(-workers.refit_grace)
    orders = refits_in_time(plan.refits, deadline, workers.n_jobs)
    found = workers.refit(orders)
    workers.dismiss()  # before the models are loaded, to save memory
    refitted: dict[int, list[Any]] = {}
    for order, kept in zip(orders, found, strict=True):
        if kept is not None:
            models = loader.load(order.number, order.candidate.family, [kept])
            refitted.setdefault(order.number, []).extend(models)
    return {number: models for number, models in refitted.items() if models}


def _members_of(
    chosen: Selection,
    usable: Mapping[int, Evaluation],
    models_of: Mapping[int, list[Any]],
) -> list[Member]:
    """Return the members of a selection, without those that have no models."""
    combiner = chosen.combiner
    weights, coefficients = combiner.weights, combiner.stacking_coefficients
    return [
        Member(
            number,
            usable[number].candidate.family.name,
            usable[number].candidate.params,
            float(weight),
            usable[number].score,
            models_of[number],
            float(coefficient),
        )
        for number, weight, coefficient in zip(
            chosen.numbers, weights, coefficients, strict=True
        )
        if models_of[number]
    ]
