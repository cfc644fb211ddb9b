"""Judge a running trial against a frozen picture of its family's earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from automodel.monitor import SLOTS_PER_FOLD

FOLD_END = SLOTS_PER_FOLD - 1


class ForgivingPruner(BasePruner):
    """Prune a trial only when it is clearly beaten.

    After each fold: when its mean score so far is below the worst single fold of
    the best trial, the forgiving rule of [1]_. Within the first fold: when it is
    among the worst at a late step that at least `n_startup_trials` others reported.

    Parameters
    ----------
    n_startup_trials : int, default=4
        Trials that are never pruned.
    percentile : float, default=20.0
        Share, in percent, of the worst trials at a step that are pruned.
    first_slot : int, default=6
        First power of two of the steps at which a fold may be ended: slow learners
        are behind at first.

    References
    ----------
    .. [1] Bergman, Purucker, Hutter (2024), Don't Waste Your Time: Early Stopping
       Cross-Validation.
    """

    def __init__(
        self,
        n_startup_trials: int = 4,
        percentile: float = 20.0,
        first_slot: int = 6,
    ):
        self.n_startup_trials = n_startup_trials
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
        complete = [t for t in ended if t.state == TrialState.COMPLETE]
        if len(complete) < self.n_startup_trials:
            return False
        value = trial.intermediate_values[step]
        if step % SLOTS_PER_FOLD == FOLD_END:
            best = max(complete, key=lambda t: t.value if t.value is not None else 0.0)
            return value < _worst_fold(best)
        if step % SLOTS_PER_FOLD < self.first_slot:
            return False
        reported = [t.intermediate_values.get(step, np.nan) for t in ended]
        others = [value for value in reported if np.isfinite(value)]
        if len(others) < self.n_startup_trials:
            return False
        return bool(value < np.percentile(others, self.percentile))


@dataclass
class Snapshot:
    """A pruner with the trials that it knows; goes to a worker with a candidate."""

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


def _worst_fold(trial: FrozenTrial) -> float:
    """Return the worst fold score, undone from the running means reported."""
    steps = sorted(
        s for s in trial.intermediate_values if s % SLOTS_PER_FOLD == FOLD_END
    )
    means = np.array([trial.intermediate_values[s] for s in steps])
    if not len(means):
        return -np.inf
    count = np.arange(1, len(means) + 1)
    return float(np.diff(means * count, prepend=0.0).min())
