"""Plan which models of an ensemble are fitted again on all rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from automodel.clock import Deadline
from automodel.evaluation.evaluate import Candidate, Evaluation, is_joined
from automodel.evaluation.folds import Folds
from automodel.monitor import Steps, mean_steps
from automodel.search.workers.work import Refit
from automodel.training.allowance import Allowance
from automodel.training.extras import Counts, add_models

N_SEEDS = 3  # refits of a member
LEAST_STEPS = 0.7  # of those of the folds, for a refit that the clock has cut
MOST_FOLDS = 5  # whose models stay beside a refit


@dataclass(frozen=True)
class RefitPlan:
    """The refits of an ensemble, and how many models each member is to have.

    Parameters
    ----------
    refits : list of Refit
        What to fit, the most important first; none has a deadline yet.
    counts : mapping of int to Counts
        Refits and models of folds of each member, by its number, and of the best model.
    most : mapping of int to Counts
        What they could be.
    noise, tolerance
        See `add_models`.
    """

    refits: list[Refit]
    counts: Mapping[int, Counts] = field(default_factory=dict)
    most: Mapping[int, Counts] = field(default_factory=dict)
    noise: Mapping[int, float] = field(default_factory=dict)
    tolerance: float = 0.0


def plan_refits(
    members: Sequence[int],
    best: int,
    evaluations: Mapping[int, Evaluation],
    folds: Folds,
    allowance: Allowance,
    *,
    refit: bool,
    keep_folds: bool,
    of_folds: Collection[int] = (),
    noise: Mapping[int, float] | None = None,
    tolerance: float = 0.0,
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
    of_folds : collection of int, default=()
        Members that are not refitted, such as those that the ensemble subtracts. Their
        share was chosen for the predictions of the models of their folds. A refit may
        be more confident, because it learns from more rows, and too much of it would
        be subtracted.
    noise : mapping of int to float, default=None
        By how much the noise of a model of each member lowers the score. None has as
        many models as are allowed.
    tolerance : float, default=0.0
        See `add_models`.
    """
    able = [
        n
        for n in dict.fromkeys([*members, best] if refit else [best])
        if not is_joined(evaluations[n].candidate, folds)
        and (n == best or n not in of_folds)
    ]
    beside = min(len(folds.large_folds), MOST_FOLDS) if keep_folds else 0
    most = {best: Counts(1, 0) if best in able else Counts(0, 1)}
    for number in members:
        most[number] = Counts(0, _most_of_folds(folds))
        if refit and number in able:
            is_random = evaluations[number].candidate.family.is_random
            # Models that are not averaged are slow: more of them are left to the user.
            has_seeds = is_random and folds.target.is_averaged
            most[number] = Counts(N_SEEDS if has_seeds else 1, beside)
    most = {number: most[number] for number in dict.fromkeys([*members, best])}
    start = {n: Counts(1, 0) if own.refits else Counts(0, 1) for n, own in most.items()}
    if noise is None or not refit:
        noise, tolerance = dict.fromkeys(members, 1.0), 0.0
    noise = {best: 0.0, **noise}
    counts = add_models(start, most, noise, allowance, tolerance)
    again = [(n, i) for i in range(1, N_SEEDS) for n in able if counts[n].refits > i]
    refits = [
        _refit(n, repeat, evaluations[n], len(folds))
        for n, repeat in [*((n, 0) for n in able), *again]
    ]
    return RefitPlan(refits, counts, most, noise, tolerance)


def kept_folds(
    members: Sequence[int],
    plan: RefitPlan,
    n_refitted: Mapping[int, int],
    folds: Folds,
    allowance: Allowance,
) -> dict[int, int]:
    """Return how many models of folds each member keeps, by its number.

    Some may have fewer refits than planned. A member without any keeps the models of as
    many folds as are allowed.
    """
    start, most, noise = {}, {}, dict(plan.noise)
    for number in members:
        n_refits, own = n_refitted.get(number, 0), plan.counts[number]
        start[number] = replace(own, refits=n_refits)
        most[number] = replace(plan.most[number], refits=n_refits)
        if own.refits and not n_refits:
            start[number] = Counts(0, max(own.folds, 1))
            most[number] = Counts(0, _most_of_folds(folds))
            noise[number] = math.inf
    counts = add_models(start, most, noise, allowance, plan.tolerance)
    return {number: own.folds for number, own in counts.items()}


def _most_of_folds(folds: Folds) -> int:
    return len(folds.large_folds[: folds.target.most_combined])


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
