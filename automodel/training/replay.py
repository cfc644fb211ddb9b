"""Fit the members of an ensemble again, without a search and without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from automodel.containment import contained
from automodel.ensemble.blend import FittedEnsemble
from automodel.evaluation.evaluate import Candidate
from automodel.evaluation.folds import Folds
from automodel.families.base import ModelFamily
from automodel.search.models import load_models
from automodel.search.workers.open import open_workers
from automodel.search.workers.work import Refit
from automodel.training.train import BASELINE, fit_baseline


def replay(
    ensemble: FittedEnsemble,
    families: Sequence[ModelFamily],
    folds: Folds,
    n_jobs: int | None = None,
) -> FittedEnsemble:
    """Return the ensemble, fitted again with the same settings, seeds and weights.

    Each model is trained for as many steps as before.

    Parameters
    ----------
    ensemble : FittedEnsemble
        The members. Each of their models knows how it was trained.
    families : sequence of ModelFamily
        Must include those of the members.
    folds : Folds
        Data and splits, drawn as for the search.
    n_jobs : int, default=None
        Models at a time, on the active joblib backend.

    Raises
    ------
    RuntimeError
        If a model cannot be fitted on this data.
    """
    by_name = {family.name: family for family in families}
    searched = [m for m in ensemble.members if m.number != BASELINE]
    orders = [
        Refit(
            member.number,
            Candidate(by_name[member.family], member.params, model.seed),
            model.n_iterations,
            fold=model.fold,
            step_plan=model.step_plan,
        )
        for member in searched
        for model in member.models
    ]
    with contained(), open_workers(n_jobs, folds) as workers:
        found = workers.refit(orders) if orders else []
        workers.dismiss()
        for order, model in zip(orders, found, strict=True):
            if model is None:
                name = order.candidate.family.name
                raise RuntimeError(
                    f"Trial {order.number} ({name}) could not be fitted again."
                )
        models = iter(load_models(found))
        members = [
            replace(member, models=[next(models) for _ in member.models])
            for member in searched
        ]
    return FittedEnsemble(
        members or [fit_baseline(folds)], ensemble.combiner, folds.target
    )
