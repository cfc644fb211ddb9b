"""The settings of a family: those that a trial suggests, and the proven ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna

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


def stated_cost(family: ModelFamily, params: Mapping[str, Any], task: Task) -> float:
    """Return the cost that a family states, NaN if it states none."""
    try:
        return float(family.cost(dict(params), task))
    except Exception:  # noqa: BLE001  the trial fails with this error
        return math.nan


def _suggested(family: ModelFamily, trial: Any, task: Task) -> dict[str, Any]:
    params: dict[str, Any] = {}
    encodings = family.encodings(task)
    if encodings:
        name = family.encoder_param
        params[name] = trial.suggest_categorical(name, list(encodings))
    losses = family.losses(task)
    if not losses:
        return {**family.search_space(trial, task), **params}
    loss = trial.suggest_categorical(LEARNED_LOSS, list(losses))
    space = family.search_space(trial, task.learning(loss))
    return {**space, **params, LEARNED_LOSS: loss}


def proven_settings(family: ModelFamily, task: Task) -> list[dict[str, Any]]:
    """Return the proven settings of a family, each with every loss it can learn by.

    If it can choose how rows are encoded, all have its usual encoding, and the first is
    repeated with the others.
    """
    settings = _with_losses(family, task)
    encodings = family.encodings(task)
    if not encodings:
        return settings
    usual, *others = ({family.encoder_param: value} for value in encodings)
    repeated = [{**settings[0], **other} for other in others if settings]
    settings = [{**setting, **usual} for setting in settings]
    return settings[:1] + repeated + settings[1:]


def first_setting(family: ModelFamily, task: Task) -> dict[str, Any]:
    """Return the first proven setting, with what it leaves out drawn at random.

    Raises
    ------
    RuntimeError
        If the family cannot suggest a setting.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for setting in proven_settings(family, task)[:1]:
        study.enqueue_trial(setting)
    params, _, error = suggest(family, study.ask(), task)
    if error:
        raise RuntimeError(error)
    return params


def _with_losses(family: ModelFamily, task: Task) -> list[dict[str, Any]]:
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
