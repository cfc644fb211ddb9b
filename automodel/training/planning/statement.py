"""Statement: what a family says that its trials cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from automodel.families.base import ModelFamily
from automodel.search.spaces import stated_cost
from automodel.task import Task

UNSTATED_COST = 1e-6  # seconds for each row, column and output
CALL_SECONDS = 3e-3  # of any fit, however small
FEW_STEPS, MORE_STEPS = 10, 20  # whose costs tell that of a step


class Statement:
    """The costs that a family states for any rows and steps, or that are made up.

    Parameters
    ----------
    family : ModelFamily
        The family.
    task : Task
        The problem.
    """

    def __init__(self, family: ModelFamily, task: Task):
        self.family, self.task = family, task

    def has_cost(self, params: Mapping[str, Any]) -> bool:
        """Tell whether the family states what a setting costs."""
        return math.isfinite(stated_cost(self.family, params, self.task))

    def seconds(
        self, params: Mapping[str, Any], n_rows: int, n_steps: float | None = None
    ) -> float:
        """Return the seconds of a fit.

        Parameters
        ----------
        params : mapping
            The setting.
        n_rows : int
            Rows that the model is trained on.
        n_steps : float, default=None
            Steps that it takes. None stands for as many as the family expects.
        """
        return CALL_SECONDS + self._seconds(params, self._task(n_rows), n_steps)

    def _seconds(self, params, task: Task, n_steps: float | None) -> float:
        seconds = stated_cost(self.family, params, task)
        if not (math.isfinite(seconds) and seconds > 0):
            return UNSTATED_COST * task.cost
        if n_steps is None:
            return seconds
        few, each = self._line(params, task)
        if not each:
            return seconds
        return max(few + (n_steps - FEW_STEPS) * each, few / FEW_STEPS)

    def n_steps(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the steps that a fit is expected to take; 0 if they cost nothing.

        For a family that chooses rounds, they do not depend on the allowed ones.
        """
        task, own = self._task(n_rows), dict(params)
        few, each = self._line(own, task)
        if not each:
            return 0.0
        if self.family.chooses_rounds:
            own.pop(self.family.iteration_param or "", None)
        excess = stated_cost(self.family, own, task) - few
        return max(FEW_STEPS + excess / each, 1.0)

    def memory(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the bytes of a fit at its peak."""
        task = self._task(n_rows)
        try:
            n_bytes = float(self.family.memory(dict(params), task))
        except Exception:  # noqa: BLE001  the trial fails with its own error
            n_bytes = math.nan
        if not math.isfinite(n_bytes):
            n_bytes = ModelFamily.memory(self.family, dict(params), task)
        return max(n_bytes, 1.0)

    def shared_seconds(self, params: Mapping[str, Any], n_rows: int) -> float:
        """Return the seconds of what is encoded once for all trials."""
        try:
            return float(self.family.shared_cost(dict(params), self._task(n_rows)))
        except Exception:  # noqa: BLE001  the trial fails with its own error
            return 0.0

    def _task(self, n_rows: int) -> Task:
        return replace(self.task, n_samples=max(int(n_rows), 1))

    def _line(self, params: Mapping[str, Any], task: Task) -> tuple[float, float]:
        """Return the seconds of a few steps, and those of each step; 0 for none."""
        name = self.family.iteration_param
        if name is None:
            return 0.0, 0.0
        few, more = (
            stated_cost(self.family, {**params, name: n}, task)
            for n in (FEW_STEPS, MORE_STEPS)
        )
        each = (more - few) / (MORE_STEPS - FEW_STEPS)
        return (few, each) if math.isfinite(each) and each > 0 else (0.0, 0.0)
