"""Extremely randomized trees, which learn the most per second on small data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._forest import ForestFamily, forest_space

if TYPE_CHECKING:
    from automodel.task import Task


class ExtraTrees(ForestFamily):
    """Forest of trees with random thresholds (Geurts et al., 2006).

    It is competitive if at least half of the columns are tried at a node. The square
    root of their number, the default of scikit-learn, is a weak choice.
    """

    name = "extra_trees"
    rank = 40
    start_seconds = 0.1
    seconds_per_cell = 6e-9
    forest = "ExtraTrees"

    def search_space(self, trial, task: Task) -> dict[str, Any]:
        return forest_space(trial, task)

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        return [
            self.setting(task, share=0.75, split=5),
            # Smoother probabilities, for noisy targets.
            self.setting(task, share=1.0, split=12, leaf=4),
            # Fully grown trees, for targets without noise.
            self.setting(task, share=0.5, split=2),
        ]
