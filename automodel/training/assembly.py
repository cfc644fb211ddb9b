"""Make the ensemble of a search: select its members, refit and combine them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from automodel.clock import Deadline
from automodel.ensemble.blend import FittedEnsemble, Member
from automodel.ensemble.combine import plain_combiner
from automodel.ensemble.honest import HonestPredictions
from automodel.evaluation.evaluate import Evaluation
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.search.budget import Budget
from automodel.search.models import ModelLoader
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from automodel.training.allowance import ModelCost, ModelLimits, mean_bytes
from automodel.training.choosing import (
    UNKNOWN,
    Selection,
    Selector,
    perfect_score,
)
from automodel.training.refits import (
    RefitPlan,
    kept_folds,
    plan_refits,
    refits_in_time,
)

LOAD_SHARE = 0.5  # of the time left, at most, for loading models after the refits
# Of the budget, for what follows the models, such as removing files.
LAST_SECONDS, LAST_SHARE, MOST_LAST_SECONDS = 0.2, 0.004, 0.6
# Below this skill most of the error is noise, and the mean of refits and models of the
# folds is better than refits alone; above it the rows that the folds lack count more.
NOISY_SKILL = 0.8


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
    cost : ModelCost or None
        What all models together cost, by those of the search.
    economies : list of str
        What limits and pruning have left out.
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
    cost: ModelCost | None = None
    economies: list[str] = field(default_factory=list)


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
    limits : ModelLimits, default=ModelLimits()
        What the user allows the models to cost.
    """

    folds: Folds
    baseline: Member
    budget: Budget
    size: int
    refit: bool | str
    seed: int
    limits: ModelLimits = ModelLimits()

    @property
    def selector(self) -> Selector:
        """What chooses the members."""
        return Selector(self.folds, self.budget, self.size, self.seed, self.limits)

    def run(self, storage: SearchStorage, workers: Workers | None) -> Trained:
        """Return the ensemble.

        Without workers nothing is refitted: the members have the models of their folds.
        """
        usable = storage.loaded()
        loader = ModelLoader(self._deadline_to_load())
        while usable:
            with self.budget.stage("ensemble"):
                chosen = self.selector.select(usable, storage.judges(usable))
            with self.budget.stage("refit"):
                members, best_model = self._members(usable, chosen, workers, loader)
            if len(members) == len(chosen.numbers):
                return self._trained(chosen, members, best_model, loader)
            gone = set(chosen.numbers) - {m.number for m in members}
            usable = {n: e for n, e in usable.items() if n not in gone}
        baseline, target = self.baseline, self.folds.target
        combiner = plain_combiner(target, np.array([baseline.weight]))
        ensemble = FittedEnsemble([baseline], combiner, target)
        score, notes = baseline.score, list(loader.notes.values())
        return Trained(ensemble, baseline.models[0], score, score, notes=notes)

    def _trained(
        self,
        chosen: Selection,
        members: list[Member],
        best_model: Any,
        loader: ModelLoader,
    ) -> Trained:
        counts = {member.number: len(member.models) for member in members}
        return Trained(
            FittedEnsemble(members, chosen.combiner, self.folds.target),
            best_model,
            chosen.score,
            chosen.expected_score,
            chosen.decision_weights,
            [*loader.notes.values(), *chosen.problems],
            score_interval=chosen.score_interval,
            honest=chosen.honest,
            cost=chosen.allowance.cost(counts),
            economies=chosen.economies,
        )

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
        best = chosen.best(usable)
        plan = self._plan(usable, chosen, best, may_refit=workers is not None)
        refitted = {}
        if workers is not None:
            deadline = self._deadline_to_refit(plan, usable, loader)
            refitted = _refitted(plan, deadline, workers, loader)
        models_of = {n: refitted.get(n, []) for n in chosen.numbers if self.refit}
        n_refitted = {number: len(models) for number, models in models_of.items()}
        n_folds = kept_folds(
            chosen.numbers, plan, n_refitted, self.folds, chosen.allowance
        )
        for number in chosen.numbers:
            of_folds = self._of_folds(number, usable, loader, n_folds[number])
            models_of[number] = models_of.get(number, []) + of_folds
        members = _members_of(chosen, usable, models_of)
        best_models = refitted.get(best) or models_of.get(best)
        best_models = best_models or self._of_folds(best, usable, loader, 1)
        best_models = best_models or sum(models_of.values(), [])
        return members, best_models[0] if best_models else None

    def _plan(
        self,
        usable: Mapping[int, Evaluation],
        chosen: Selection,
        best: int,
        *,
        may_refit: bool = True,
    ) -> RefitPlan:
        is_auto = self.refit == "auto"
        may_keep = is_auto and len(self.folds) > 1
        subtracted = np.flatnonzero(chosen.combiner.is_subtracted)
        return plan_refits(
            chosen.numbers,
            best,
            usable,
            self.folds,
            chosen.allowance,
            refit=bool(self.refit) and may_refit,
            keep_folds=may_keep and self._skill(chosen.score) < NOISY_SKILL,
            of_folds=[chosen.numbers[i] for i in subtracted] if is_auto else [],
            noise=chosen.noise,
            tolerance=chosen.tolerance,
        )

    def _skill(self, score: float) -> float:
        """Return a score on a scale from 0, for the baseline, to 1, for the truth."""
        perfect = perfect_score(self.folds)
        if math.isnan(perfect):
            return 0.0
        return (score - self.baseline.score) / max(perfect - self.baseline.score, 1e-12)

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
        numbers = [refit.number for refit in plan.refits]
        for number, own in plan.counts.items():
            numbers += own.folds * [number]
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
