"""Random forests: bagged trees whose thresholds are optimal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._forest import ForestFamily, forest_space

if TYPE_CHECKING:
    from automodel.task import Task


class RandomForest(ForestFamily):
    """Forest of trees on bootstrap samples (Breiman, 2001)."""

    name = "random_forest"
    rank = 70
    seldom_helps = True
    start_seconds = 0.1
    seconds_per_cell = 1.8e-8
    forest = "RandomForest"

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        share = trial.suggest_float("max_samples", 0.5, 1.0)
        return forest_space(trial, task) | {"max_samples": share}

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        # Pure leaves have probabilities of 0 and 1, which are overconfident.
        leaf = 3 if task.is_classification else 1
        return [
            self.setting(task, share=0.5, split=4, leaf=leaf) | {"max_samples": 1.0},
            # More diverse trees, for noisy targets.
            self.setting(task, share=0.4, split=8, leaf=5) | {"max_samples": 0.6},
        ]
