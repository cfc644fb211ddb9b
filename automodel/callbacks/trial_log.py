"""TrialLog: one line for each trial, through Python's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from automodel.callbacks.progress import hidden_bars

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger("automodel")


class TrialLog:
    """Log one line about each trial that has ended.

    This is a callback for `AutoClassifier(callbacks=[...])`; `verbose=2` adds it
    automatically. The lines have the level INFO and go to the logger "automodel", whose
    level and handlers are those that the application has set. Without any, as Python
    hides lines of this level, ``logging.basicConfig(level=logging.INFO)`` shows them.

    Examples
    --------
    >>> import logging
    >>> from automodel import AutoClassifier
    >>> from automodel.callbacks.trial_log import TrialLog
    >>> logging.basicConfig(level=logging.INFO)  # doctest: +SKIP
    >>> model = AutoClassifier(time_budget=60, callbacks=[TrialLog()])
    """

    def __init__(self):
        self._best: tuple[float, int] | None = None

    def setup(self, *, time_budget: float | None, n_trials: int | None) -> None:
        """Forget the trials of an earlier search."""
        self._best = None

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Log a trial that has ended."""
        said = trial.user_attrs
        score = trial.value if said["status"] == "complete" else None
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = score, said["number"]
        if logger.isEnabledFor(logging.INFO):
            with hidden_bars():
                logger.info("%s", self._line(trial))

    def _line(self, trial: optuna.trial.FrozenTrial) -> str:
        said = trial.user_attrs
        what = {
            "complete": "has the score",
            "pruned": "was pruned",
            "stopped": "was stopped, as its time was up,",
            "failed": "has failed",
        }[said["status"]]
        line = f"Trial {said['number']} of {said['family']} {what}"
        if said["status"] == "complete":
            line += f" {trial.value:.4g}"
        line += f" in {said['seconds']:.1f} s"
        if self._best is not None:
            line += f"; the best is {self._best[0]:.4g} of trial {self._best[1]}"
        if said["error"]:
            line += f". {' '.join(said['error'].split())}"
        params = ", ".join(f"{name}={value!r}" for name, value in trial.params.items())
        return f"{line}. Parameters: {params or 'none'}"
