"""The settings of a family: those that a trial suggests, and the proven ones."""

from __future__ import annotations

import math
from typing import Any

from automodel.evaluation.evaluate import LEARNED_LOSS
from automodel.exceptions import describe_error
from automodel.families.base import ModelFamily
from automodel.task import Task


def suggest(
    family: ModelFamily, trial: Any, task: Task
) -> tuple[dict[str, Any], float, str]:
    """Return the parameters of a trial, their cost, and the error if there are none."""
    try:
        params = dict(_suggested(family, trial, task))
        return params, float(family.cost(params, task)), ""
    except Exception as error:  # noqa: BLE001  kept as the error of the trial
        return {}, math.nan, describe_error(error)


def _suggested(family: ModelFamily, trial: Any, task: Task) -> dict[str, Any]:
    losses = family.losses(task)
    if not losses:
        return family.search_space(trial, task)
    loss = trial.suggest_categorical(LEARNED_LOSS, list(losses))
    params = family.search_space(trial, task.learning(loss))
    return {**params, LEARNED_LOSS: loss}


def proven_settings(family: ModelFamily, task: Task) -> list[dict[str, Any]]:
    """Return the proven settings of a family, each with every loss it can learn by."""
    losses = family.losses(task)
    if not losses:
        return list(family.portfolio(task))
    of_losses = [
        [
            {**setting, LEARNED_LOSS: loss}
            for setting in family.portfolio(task.learning(loss))
        ]
        for loss in losses
    ]
    return [
        setting for settings in zip(*of_losses, strict=True) for setting in settings
    ]
