"""Plan which models of an ensemble are fitted again on all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation, is_joined
from automodel.evaluation.folds import Folds
from automodel.monitor import Steps, mean_steps
from automodel.search.workers.work import Refit
from automodel.training.allowance import Allowance

N_SEEDS = 3  # refits of a member
LEAST_STEPS = 0.7  # of those of the folds, for a refit that the clock has cut
MOST_FOLDS = 5  # whose models stay beside a refit


@dataclass(frozen=True)
class RefitPlan:
    """The refits of an ensemble, and the members that keep other models beside them.

    Parameters
    ----------
    refits : list of Refit
        What to fit, the most important first; none has a deadline yet.
    with_folds : frozenset of int
        The numbers of the members that keep models of their folds beside the refits.
    """

    refits: list[Refit]
    with_folds: frozenset[int] = frozenset()


def plan_refits(
    members: Sequence[int],
    best: int,
    evaluations: Mapping[int, Evaluation],
    folds: Folds,
    allowance: Allowance,
    *,
    refit: bool,
    keep_folds: bool,
) -> RefitPlan:
    """Plan to fit each member and the best model, then the members with other seeds.

    The mean over seeds is worth more than one model, but it costs time, also at each
    prediction.

    Parameters
    ----------
    members : sequence of int
        Numbers of the trials in the ensemble, the most important first.
    best : int
        Number of the trial with the best single model.
    evaluations : mapping of int to Evaluation
        The evaluations of these trials.
    folds : Folds
        Data and splits.
    allowance : Allowance
        What the models may cost. Each member has one model in any case.
    refit : bool
        Whether members are refitted; the best single model always is.
    keep_folds : bool
        Whether members keep the models of their folds beside their refits.
    """
    wanted = dict.fromkeys([*members, best] if refit else [best])
    able = [n for n in wanted if not is_joined(evaluations[n].candidate, folds)]
    random = [
        n
        for n in able
        if refit and n in members and evaluations[n].candidate.family.is_random
    ]
    again = [(n, repeat) for repeat in range(1, N_SEEDS) for n in random]
    n_folds = min(len(folds.large_folds), MOST_FOLDS)
    first = [(n, 1) for n in members]
    beside = [(n, n_folds) for n in members] if keep_folds else []
    granted = allowance.granted([*first, *beside, *((n, 1) for n, _ in again)])
    granted = granted[len(first) :]
    with_folds = compress(members, granted[: len(beside)])
    plan = [(n, 0) for n in able] + list(compress(again, granted[len(beside) :]))
    refits = [_refit(n, repeat, evaluations[n], len(folds)) for n, repeat in plan]
    return RefitPlan(refits, frozenset(with_folds))


def refits_in_time(
    refits: Sequence[Refit], deadline: Deadline, n_jobs: int
) -> list[Refit]:
    """Return the refits that will end before the deadline, and give it to them.

    Each goes to the worker that is free first. One that would end too late is left
    out, and a shorter one may take its place.
    """
    left, ends, chosen = deadline.seconds_left, [0.0] * n_jobs, []
    for refit in refits:
        first = ends.index(min(ends))
        if ends[first] + refit.seconds < left:
            ends[first] += refit.seconds
            chosen.append(replace(refit, deadline=deadline))
    return chosen


def mean_iterations(evaluation: Evaluation) -> Steps | None:
    """Return the steps of a refit: the mean of the folds; None where none count."""
    steps = [n for n in evaluation.n_iterations if n]
    return mean_steps(steps).astype(int).tolist() if steps else None


def _refit(number: int, repeat: int, evaluation: Evaluation, n_folds: int) -> Refit:
    steps = mean_iterations(evaluation)
    return Refit(
        number,
        _reseeded(evaluation.candidate, repeat),
        steps,
        # A refit has a quarter more rows but stops at the best round: most take less.
        seconds=evaluation.seconds / n_folds,
        least_steps=(LEAST_STEPS * np.asarray(steps or 0)).tolist(),
    )


def _reseeded(candidate: Candidate, repeat: int) -> Candidate:
    if not repeat:
        return candidate
    seed = int(np.random.SeedSequence([candidate.seed, repeat]).generate_state(1)[0])
    return replace(candidate, seed=seed >> 1)
