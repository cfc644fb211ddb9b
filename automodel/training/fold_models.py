"""FoldModels: members of an ensemble with a model for each of some folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automodel.clock import NO_DEADLINE, Deadline
from automodel.ensemble.blend import FittedEnsemble, Member
from automodel.ensemble.combine import plain_combiner
from automodel.evaluation.encoding import transformed
from automodel.evaluation.evaluate import Candidate
from automodel.evaluation.fitted_model import FittedModel, share_parts
from automodel.evaluation.folds import Folds
from automodel.exceptions import DeadlineReached, TrialPruned
from automodel.families.base import ModelFamily
from automodel.search.workers.work import Refit, refit, run_here
from automodel.targets.combiner import Combiner
from automodel.training.train import BASELINE

if TYPE_CHECKING:
    from automodel.preprocessing.rows import Rows

ENOUGH_WEIGHT = 0.9  # of the ensemble; the lightest members change little
MOST_MEMBERS = 5
MOST_FOLDS = 20  # of a splitter with more; five cover the rows of default splits
CUT_SHARE = 0.8  # of the time left, for a model that is fitted on fewer rows
LEAST_ROWS = 500  # of a training part that is cut, since there is no time for more


@dataclass(frozen=True)
class FoldModels:
    """Members of an ensemble with a model for each of some folds.

    Each model predicts the validation rows of its fold, which neither the model nor its
    encoder has seen.

    Parameters
    ----------
    members : list of Member
        The members, the heaviest first.
    models : dict of int to list of FittedModel
        The model of each member, by fold.
    combiner : Combiner
        Combines their predictions.
    train_share : float, default=1.0
        Share of the training rows on which the models were fitted.
    """

    members: list[Member]
    models: dict[int, list[FittedModel]]
    combiner: Combiner
    train_share: float = 1.0

    def predict(
        self, fold: int, rows: Rows, deadline: Deadline = NO_DEADLINE
    ) -> np.ndarray:
        """Predict rows with the models of a fold.

        Raises
        ------
        DeadlineReached
            If the deadline comes first.
        """
        encoded: dict[int, Any] = {}  # by the id of the encoder, which models share
        predictions = []
        for model in self.models[fold]:
            deadline.check()
            X = transformed(model.encoder, rows, encoded)
            predictions.append(model.predict_encoded(X, deadline))
        return self.combiner.predict(predictions)

    def heaviest(self, n_members: int) -> FoldModels:
        """Return the same for the heaviest members, of which there is at least one."""
        members = self.members[:n_members]
        models = {fold: own[:n_members] for fold, own in self.models.items()}
        target = next(iter(models.values()))[0].target
        combiner = plain_combiner(target, _weights(members))
        return replace(self, members=members, models=models, combiner=combiner)


@dataclass(frozen=True)
class FoldFitter:
    """Finds the models of the folds of a search, or fits them again.

    Parameters
    ----------
    folds : Folds
        Data and splits, drawn as for the search.
    families : mapping of str to ModelFamily
        Those of the members, by name.
    seconds : mapping of int to float
        How long one fold of each trial took in the search, by the number of the trial.
    deadline : Deadline
        Moment by which models have to be fitted.
    """

    folds: Folds
    families: Mapping[str, ModelFamily]
    seconds: Mapping[int, float]
    deadline: Deadline

    def run(self, ensemble: FittedEnsemble, *, keeps_models: bool) -> FoldModels | None:
        """Return models of the heaviest members, or None if there was no time.

        Models that members still hold are used if `keeps_models`. Others are fitted
        again with the settings, the seeds and the numbers of steps of the members, the
        heaviest first, and one fold after the other. The first member that gets a model
        decides which folds are used. If there is no time for a fold, the model of the
        heaviest is fitted on a part of its rows.
        """
        members = _heaviest(ensemble.members)
        kept = {m.number: _kept(m) if keeps_models else {} for m in members}
        used: list[int] = []
        found: dict[int, dict[int, FittedModel]] = {}
        for member in members:
            own = kept[member.number]
            wanted = used or [f for f in self._folds if f in own] or self._folds
            models = self._models(member, own, wanted)
            if models and set(models) >= set(used):
                used = used or sorted(models)
                found[member.number] = models
        if found:
            chosen = [member for member in members if member.number in found]
            models_of = {f: [found[m.number][f] for m in chosen] for f in used}
            return self._put_together(ensemble, chosen, models_of)
        if members:
            return self._on_fewer_rows(ensemble, members[0])
        return None

    @property
    def _folds(self) -> list[int]:
        """The folds whose validation rows are all rows that are validated."""
        chosen: list[int] = []
        is_covered = np.zeros(len(self.folds.y), dtype=bool)
        for fold in self.folds.large_folds:
            valid = self.folds.splits[fold][1]
            if not is_covered[valid].all():
                is_covered[valid] = True
                chosen.append(fold)
        return chosen[:MOST_FOLDS]

    def _models(
        self, member: Member, kept: dict[int, FittedModel], wanted: Sequence[int]
    ) -> dict[int, FittedModel]:
        """Return the models of a member, by fold, as far as there is time."""
        models: dict[int, FittedModel] = {}
        seconds = self.seconds.get(member.number, 0.0)
        for fold in wanted:
            model = kept.get(fold)
            if model is not None and not self._can_encode(model):
                break
            if model is None:
                start = self.deadline.clock.now() if self.deadline.exists else 0.0
                model = self._fitted(member, fold, self.folds, seconds)
                if model is None:
                    break
                if self.deadline.exists:
                    seconds = self.deadline.clock.now() - start
            models[fold] = model
        return models

    def _can_encode(self, model: FittedModel) -> bool:
        """Tell whether there is time for what the encoder of a model needs."""
        try:
            self.folds.encodings.prepare(model.encoder, self.deadline)
        except (TrialPruned, DeadlineReached):
            return False
        return True

    def _fitted(
        self, member: Member, fold: int, folds: Folds, seconds: float
    ) -> FittedModel | None:
        model = member.models[0]
        order = Refit(
            member.number,
            Candidate(self.families[member.family], member.params, model.seed),
            model.n_iterations,
            deadline=self.deadline,
            fold=fold,
            step_plan=model.step_plan,
            seconds=seconds,
        )
        return run_here(refit, order, folds)

    def _on_fewer_rows(
        self, ensemble: FittedEnsemble, member: Member
    ) -> FoldModels | None:
        """Return the model of one fold, fitted on as many rows as there is time for."""
        left, fold = self.deadline.seconds_left, self._folds[0]
        if left <= 0:
            return None
        train, valid = self.folds.splits[fold]
        share = CUT_SHARE * left / max(self.seconds.get(member.number, 0.0), 1e-9)
        n_rows = min(max(int(min(share, 1.0) * len(train)), LEAST_ROWS), len(train))
        rng = np.random.default_rng(member.models[0].seed)
        some = np.sort(rng.choice(train, n_rows, replace=False))
        splits = list(self.folds.splits)
        splits[fold] = some, valid
        model = self._fitted(member, fold, replace(self.folds, splits=splits), 0.0)
        if model is None:
            return None
        whole = self._put_together(ensemble, [member], {fold: [model]})
        return replace(whole, train_share=n_rows / len(train))

    def _put_together(
        self,
        ensemble: FittedEnsemble,
        members: list[Member],
        models: dict[int, list[FittedModel]],
    ) -> FoldModels:
        target = self.folds.target
        share_parts([model for own in models.values() for model in own], target)
        numbers = [member.number for member in ensemble.members]
        positions = [numbers.index(member.number) for member in members]
        if len(positions) == len(ensemble.members):
            combiner = ensemble.combiner.take(positions)
        else:
            combiner = plain_combiner(target, _weights(members))
        return FoldModels(members, models, combiner)


def _weights(members: Sequence[Member]) -> np.ndarray:
    weights = np.array([member.weight for member in members])
    return weights / weights.sum()


def _heaviest(members: Sequence[Member]) -> list[Member]:
    """Return the members that together have most of the weight, the heaviest first."""
    weighted = [m for m in members if m.number != BASELINE and m.weight > 0]
    weighted.sort(key=lambda member: -member.weight)
    weights = np.cumsum([member.weight for member in weighted])
    n_enough = int(np.searchsorted(weights, ENOUGH_WEIGHT * weights[-1:]).sum()) + 1
    return weighted[: min(n_enough, MOST_MEMBERS)]


def _kept(member: Member) -> dict[int, FittedModel]:
    """Return the models of folds that a member holds, by fold."""
    return {model.fold: model for model in member.models if model.fold >= 0}
