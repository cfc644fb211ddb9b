"""From the evaluations of a search to its ensemble: select, refit, put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from automodel.clock import Deadline
from automodel.ensemble.blend import FittedEnsemble, Member
from automodel.ensemble.combine import fit_combiner, plain_combiner
from automodel.ensemble.judging import judged
from automodel.ensemble.selection import common_rows, restricted
from automodel.evaluation.evaluate import Candidate, Evaluation, is_joined
from automodel.evaluation.fitted_model import FittedModel
from automodel.evaluation.folds import Folds
from automodel.metrics.scorers import score_or_nan
from automodel.monitor import Steps, mean_steps
from automodel.reporting.leaderboard import TrialRecord
from automodel.search.budget import Budget
from automodel.search.models import ModelLoader
from automodel.search.storage.memory import SearchStorage
from automodel.search.workers.base import Workers
from automodel.search.workers.work import Refit
from automodel.targets.combiner import Combiner
from automodel.training.allowance import Allowance, mean_bytes

SELECT_SHARE = 0.35  # of the time left, for the weights, and again for each judgement
N_SEEDS = 3  # refits of a member
LEAST_STEPS = 0.7  # of those of the folds, for a refit that the clock has cut
MOST_FOLDS = 5  # whose models stay beside a refit
LOAD_SHARE = 0.5  # of the time left, at most, for loading models after the refits
# Of the budget, for what follows the models: files are removed, processes have ended.
LAST_SECONDS, LAST_SHARE, MOST_LAST_SECONDS = 0.2, 0.004, 0.6
# Below this skill the noise is what errs, and the mean with the models of the folds
# is better than that of refits alone; above it the rows count that folds do without.
NOISY_SKILL = 0.8


@dataclass
class Trained:
    """What a fit leaves behind."""

    ensemble: FittedEnsemble
    best_model: FittedModel
    best_score: float
    expected_score: float
    records: list[TrialRecord]
    decision_weights: np.ndarray | None = None
    studies: dict[str, list] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Selection:
    """What combines some trials, how it scores and how it becomes labels."""

    numbers: list[int]
    combiner: Combiner
    score: float
    expected_score: float
    decision_weights: np.ndarray | None


@dataclass(frozen=True)
class Assembly:
    """Makes the ensemble of a search.

    Parameters
    ----------
    folds : Folds
        Data and splits.
    baseline : Member
        The model that is there in any case.
    budget : Budget
        What is left of it is shared by selection and refits.
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
        """Return the ensemble; without workers, of the models of the folds."""
        usable = storage.loaded()
        loader = ModelLoader(self._deadline_to_load())
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
                    _records(storage, members),
                    chosen.decision_weights,
                    notes=list(loader.notes.values()),
                )
            gone = set(chosen.numbers) - {m.number for m in members}
            usable = {n: e for n, e in usable.items() if n not in gone}
        baseline = self.baseline
        target, weights = self.folds.target, np.array([baseline.weight])
        ensemble = FittedEnsemble([baseline], plain_combiner(target, weights), target)
        records = _records(storage, [])
        return Trained(
            ensemble,
            baseline.models[0],
            baseline.score,
            baseline.score,
            records,
            notes=list(loader.notes.values()),
        )

    def _select(
        self, usable: dict[int, Evaluation], judges: Sequence[Evaluation]
    ) -> Selection:
        """Choose among the usable evaluations; all that are known judge the choice."""
        candidates, folds = list(usable.values()), self.folds
        deadline = self.budget.deadline
        options: dict[str, Any] = {"size": self.size, "random_state": self.seed}
        rows = common_rows(candidates, folds)
        known, part = restricted(candidates, folds, rows)
        combiner = fit_combiner(
            known, part, deadline=deadline.share(SELECT_SHARE), **options
        )
        is_cut = not combiner.is_stacked and np.count_nonzero(combiner.weights) > 1
        is_stacked, honest = judged(
            judges,
            folds,
            may_stack=not is_cut,
            deadline=deadline.share(SELECT_SHARE),
            **options,
        )
        if not is_stacked:
            combiner = combiner.unstacked()
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
        numbers = [list(usable)[i] for i in order]
        score = score_or_nan(part.score, oof)
        return Selection(numbers, combiner.take(order), score, honest, decision)

    def _members(self, usable, chosen: Selection, workers, loader: ModelLoader):
        """Return the members with their models, and the best single model.

        Members are refitted on all rows in the order of their weights, while the time
        left allows for it; the others keep the models of their folds.
        """
        order = chosen.numbers
        best = max(usable, key=lambda number: usable[number].score)
        allowance = Allowance.for_folds(self.folds, self.budget.deadline)
        for number in order:
            allowance.takes(usable[number], 1)
        blended = self._blended(order, usable, chosen.score, allowance)
        refitted: dict[int, list[Any]] = {}
        if workers is not None:
            plan = self._plan(order, best, usable, allowance)
            refitted = self._run(plan, order, best, blended, usable, workers, loader)
        members = []
        combiner = chosen.combiner
        shares = zip(
            order, combiner.weights, combiner.stacking_coefficients, strict=True
        )
        for number, weight, coefficient in shares:
            models = list(refitted.get(number, [])) if self.refit else []
            if not models:
                models = self._stored(number, usable, loader)
            elif number in blended:
                models += self._stored(number, usable, loader, MOST_FOLDS)
            if models:
                members.append(
                    _member(number, usable[number], weight, coefficient, models)
                )
        if best in refitted:
            return members, refitted[best][0]
        models_of = {member.number: member.models for member in members}
        best_models = models_of.get(best) or self._stored(best, usable, loader, 1)
        best_models = best_models or sum(models_of.values(), [])
        return members, best_models[0] if best_models else None

    def _stored(
        self, number: int, usable, loader: ModelLoader, most: int | None = None
    ) -> list[Any]:
        """Return the models of the folds of a trial, those of most rows first."""
        evaluation = usable[number]
        kept = [evaluation.models[fold] for fold in self.folds.large_folds[:most]]
        return loader.load(number, evaluation.candidate.family, kept)

    def _run(self, plan, order, best, blended, usable, workers, loader: ModelLoader):
        """Return the models of the planned refits that the time left allows for."""
        numbers = dict.fromkeys([*order, best])
        families = [usable[number].candidate.family for number in numbers]
        deadline = self._deadline_to_refit(plan, blended, usable, loader)
        deadline = deadline.later(-workers.refit_grace)
        orders = self._refits(plan, usable, deadline, workers.n_jobs)
        return self._refitted(orders, families, deadline, workers, loader)

    def _blended(self, order, usable, best_score, allowance) -> set[int]:
        """Return the members that keep the models of their folds beside the refits."""
        if self.refit != "auto" or len(self.folds) == 1:
            return set()
        if not self._skill(best_score) < NOISY_SKILL:
            return set()
        n_folds = min(len(self.folds.large_folds), MOST_FOLDS)
        return {n for n in order if allowance.takes(usable[n], n_folds)}

    def _skill(self, score: float) -> float:
        """Return how far a score is from the baseline's, 0, to that of the truth, 1."""
        truth = self.folds.target.truth(self.folds.y)
        perfect = score_or_nan(self.folds.score, truth)
        if math.isnan(perfect):  # a mean of zero is no Poisson
            return 0.0
        return (score - self.baseline.score) / max(perfect - self.baseline.score, 1e-12)

    def _refits(self, plan, usable, deadline: Deadline, n_jobs: int) -> list[Refit]:
        """Return those of the planned refits that the time left allows for."""
        left = deadline.seconds_left
        orders, ends = [], [0.0] * n_jobs
        for number, repeat in plan:
            # With a quarter more rows, but no rounds beyond the best, most take less.
            seconds = usable[number].seconds / len(self.folds)
            first = ends.index(min(ends))
            if ends[first] + seconds >= left:
                continue
            ends[first] += seconds
            steps = mean_iterations(usable[number])
            order = Refit(
                number,
                _reseeded(usable[number].candidate, repeat),
                steps,
                deadline,
                seconds=seconds,
                least_steps=(LEAST_STEPS * np.asarray(steps or 0)).tolist(),
            )
            orders.append(order)
        return orders

    def _refitted(self, orders, families, deadline, workers, loader: ModelLoader):
        """Return the models of the refits by number; load what the families need."""
        then = partial(loader.import_libraries, families)
        seconds = loader.seconds_of_imports(families)
        found = workers.refit(orders, then, deadline, seconds)
        workers.dismiss()  # before the models are loaded, to save memory
        refitted: dict[int, list[Any]] = {}
        for refit, kept in zip(orders, found, strict=True):
            if kept is not None:
                models = loader.load(refit.number, refit.candidate.family, [kept])
                refitted.setdefault(refit.number, []).extend(models)
        return {number: models for number, models in refitted.items() if models}

    def _deadline_to_refit(self, plan, blended, usable, loader) -> Deadline:
        """Return the deadline, less what loading the models will take."""
        n_folds = min(len(self.folds.large_folds), MOST_FOLDS)
        numbers = [number for number, _ in plan] + n_folds * list(blended)
        over = Deadline(-math.inf)  # files tell their sizes, and nothing is pickled
        sizes = {n: mean_bytes(usable[n].models, over) for n in set(numbers)}
        n_bytes = sum(sizes[n] for n in numbers if math.isfinite(sizes[n]))
        deadline = self._deadline_to_load()
        most = LOAD_SHARE * deadline.seconds_left
        return deadline.later(-min(loader.predict_seconds(n_bytes), most))

    def _deadline_to_load(self) -> Deadline:
        """Return the deadline, less what is needed to tidy up."""
        if self.budget.seconds is None:
            return self.budget.deadline
        last = LAST_SECONDS + LAST_SHARE * self.budget.seconds
        return self.budget.deadline.later(-min(last, MOST_LAST_SECONDS))

    def _plan(self, order, best, usable, allowance) -> list[tuple[int, int]]:
        """Return what to refit: each member and the best, then again with other seeds.

        The mean over seeds is worth more than one model, but costs time, also at each
        prediction.
        """
        able = [
            number
            for number in dict.fromkeys([*(order if self.refit else []), best])
            if not is_joined(usable[number].candidate, self.folds)
        ]
        plan = [(number, 0) for number in able]
        for repeat in range(1, N_SEEDS):
            for number in able:
                is_random = usable[number].candidate.family.is_random
                is_more = number in order and self.refit and is_random
                if is_more and allowance.takes(usable[number], 1):
                    plan.append((number, repeat))
        return plan


def _reseeded(candidate: Candidate, repeat: int) -> Candidate:
    if not repeat:
        return candidate
    seed = int(np.random.SeedSequence([candidate.seed, repeat]).generate_state(1)[0])
    return replace(candidate, seed=seed >> 1)


def mean_iterations(evaluation: Evaluation) -> Steps | None:
    """Return the steps of a refit: the mean of the folds; None where none count."""
    steps = [n for n in evaluation.n_iterations if n]
    return mean_steps(steps).astype(int).tolist() if steps else None


def _member(number, evaluation: Evaluation, weight, coefficient, models) -> Member:
    candidate = evaluation.candidate
    return Member(
        number,
        candidate.family.name,
        candidate.params,
        float(weight),
        evaluation.score,
        models,
        float(coefficient),
    )


def _records(storage: SearchStorage, members: Sequence[Member]) -> list[TrialRecord]:
    by_number = {member.number: member for member in members}
    records = []
    for number, evaluation in sorted(storage.evaluations.items()):
        member = by_number.get(number)
        record = TrialRecord(
            number,
            evaluation.candidate.family.name,
            evaluation.candidate.params,
            evaluation.candidate.seed,
            evaluation.status,
            float(evaluation.score),
            [float(score) for score in evaluation.fold_scores],
            evaluation.seconds,
            list(evaluation.n_iterations),
            evaluation.error,
        )
        if member is not None:
            record.weight, record.stacking_coefficient = (
                member.weight,
                member.stacking_coefficient,
            )
        records.append(record)
    return records
