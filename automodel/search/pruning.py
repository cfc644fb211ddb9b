"""Compare a running trial with a snapshot of the earlier trials of its family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from automodel.monitor import SLOTS_PER_FOLD

FOLD_END = SLOTS_PER_FOLD - 1
FEWEST_OTHERS = 4  # trials that a step within a fold is compared with


class ForgivingPruner(BasePruner):
    """Prune a trial that will hardly be among the best of its family.

    After a fold, a trial is pruned if its mean score so far is behind that of the
    `n_best`-th trial in the same folds by more than `margin` standard errors. Some
    folds are harder than others for all trials, so that differences within a fold say
    more than scores. As long as fewer than `n_best` trials are complete, a trial is
    pruned if its mean score is below the worst single fold of the best trial, which is
    the forgiving rule of [1]_, and if it is behind the best trial in the same folds by
    more than the standard deviation of that trial's folds.

    Within a fold, a trial is pruned if it is among the worst at a late step that
    several other trials have reported.

    Parameters
    ----------
    n_best : int, default=3
        Rank that a trial must be able to reach, since an ensemble takes several models
        of a family.
    margin : float, default=0.5
        In standard errors of the mean difference between two good trials.
    percentile : float, default=20.0
        Share, in percent, of the worst trials at a step that are pruned.
    first_slot : int, default=6
        No trial is pruned within a fold before step ``2 ** first_slot``, since slow
        learners are behind at first.

    References
    ----------
    .. [1] Bergman, Purucker, Hutter (2024), Don't Waste Your Time: Early Stopping
       Cross-Validation.
    """

    def __init__(
        self,
        n_best: int = 3,
        margin: float = 0.5,
        percentile: float = 20.0,
        first_slot: int = 6,
    ):
        self.n_best = n_best
        self.margin = margin
        self.percentile = percentile
        self.first_slot = first_slot

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether to end the trial at its last report."""
        step = trial.last_step
        if step is None:
            return False
        ended = study.get_trials(
            deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
        )
        if step % SLOTS_PER_FOLD == FOLD_END:
            complete = [t for t in ended if t.state == TrialState.COMPLETE]
            return self._is_beaten(trial, complete)
        return self._is_slow(trial, step, ended)

    def _is_beaten(self, trial: FrozenTrial, complete: list[FrozenTrial]) -> bool:
        """Compare the folds so far with those of the best."""
        order = sorted(complete, key=_score, reverse=True)
        folds = [scores for t in order if len(scores := _fold_scores(t))]
        own = _fold_scores(trial)
        if not folds or len(own) > len(folds[0]):
            return False
        if len(folds) < self.n_best:
            best = folds[0]
            lead = float(np.mean(best[: len(own)] - own))
            return bool(own.mean() < best.min()) and lead > float(best.std())
        reference = folds[self.n_best - 1][: len(own)]
        if len(reference) < len(own):
            return False
        error = _spread(folds) / math.sqrt(len(own))
        return bool(np.mean(reference - own) > self.margin * error)

    def _is_slow(
        self, trial: FrozenTrial, step: int, ended: Sequence[FrozenTrial]
    ) -> bool:
        """Compare a report within a fold with those of other trials at this step."""
        if step % SLOTS_PER_FOLD < self.first_slot:
            return False
        reported = [t.intermediate_values.get(step, np.nan) for t in ended]
        others = [value for value in reported if np.isfinite(value)]
        if len(others) < FEWEST_OTHERS:
            return False
        own = trial.intermediate_values[step]
        return bool(own < np.percentile(others, self.percentile))


@dataclass
class Snapshot:
    """A pruner and the trials that it compares with, to be sent to a worker."""

    pruner: BasePruner
    trials: Sequence[FrozenTrial]
    _study: optuna.Study | None = field(default=None, repr=False)
    _trial: optuna.Trial | None = field(default=None, repr=False)
    _n_told: int = 0

    def __call__(self, reports: dict[int, float]) -> bool:
        """Tell whether a trial with these reports is to be pruned."""
        if self._trial is None:
            self._open()
        assert self._trial is not None
        for step in list(reports)[self._n_told :]:
            self._trial.report(reports[step], step)
        self._n_told = len(reports)
        return self._trial.should_prune()

    def _open(self) -> None:
        self._study = optuna.create_study(direction="maximize", pruner=self.pruner)
        self._study.add_trials(self.trials)
        self._trial = self._study.ask()


def _score(trial: FrozenTrial) -> float:
    return -math.inf if trial.value is None else trial.value


def _fold_scores(trial: FrozenTrial) -> np.ndarray:
    """Return the scores of single folds, from the running means that were reported."""
    steps = sorted(
        s for s in trial.intermediate_values if s % SLOTS_PER_FOLD == FOLD_END
    )
    means = np.array([trial.intermediate_values[s] for s in steps])
    return np.diff(means * np.arange(1, len(means) + 1), prepend=0.0)


def _spread(folds: list[np.ndarray]) -> float:
    """Return how much a good trial's lead over another varies from fold to fold.

    It is the median over the better half of the trials, since the lead over a bad trial
    varies more. It is infinite if there are too few folds or trials to tell.
    """
    best, *others = [f for f in folds if len(f) == len(folds[0])]
    if len(best) < 2 or not others:
        return math.inf
    deviations = [np.std(best - other, ddof=1) for other in others]
    return float(np.median(deviations[: math.ceil(len(deviations) / 2)]))
