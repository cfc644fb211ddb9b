"""LightGBM on sums, differences, products and ratios of the numeric columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automodel.families._arithmetic import OnPairs
from automodel.families.lightgbm import SMALL_ROWS, LightGBM, setting

if TYPE_CHECKING:
    from automodel.task import Task

LARGE_ROWS = 5000


class LightGBMArithmetic(OnPairs, LightGBM):
    """LightGBM that also learns from pairs of numeric columns."""

    name = "lightgbm_arithmetic"
    rank = 32
    least_columns, most_columns = 0.1, 0.6

    def portfolio(self, task: Task) -> Sequence[dict[str, Any]]:
        leaves = 12 if task.n_samples < SMALL_ROWS else 31
        settings = [
            setting(0.04, leaves, 5, 0.85, 0.3, task=task),
            setting(0.04, leaves, 5, 0.85, 0.3, extra_trees=True, task=task),
            setting(0.02, 64, 28, 0.9, 0.4, extra_trees=True, task=task),
        ]
        if task.n_samples > LARGE_ROWS:  # most of the gain in a third of the time
            settings.insert(0, setting(0.08, leaves, 5, 0.85, 0.2, task=task))
        return settings
