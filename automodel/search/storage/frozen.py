"""Ended trials as plain values, so that a fitted estimator loads without Optuna."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState


def plain_trial(trial: FrozenTrial) -> dict[str, Any]:
    """Return a trial as a dict of plain values."""
    return {
        "number": trial.number,
        "trial_id": trial._trial_id,
        "state": trial.state.name,
        "values": None if trial.values is None else list(trial.values),
        "datetime_start": _text(trial.datetime_start),
        "datetime_complete": _text(trial.datetime_complete),
        "params": dict(trial.params),
        "distributions": {
            name: (type(distribution).__name__, distribution._asdict())
            for name, distribution in trial.distributions.items()
        },
        "user_attrs": dict(trial.user_attrs),
        "system_attrs": dict(trial.system_attrs),
        "intermediate_values": dict(trial.intermediate_values),
    }


def frozen_trial(plain: dict[str, Any]) -> FrozenTrial:
    """Return the trial that `plain_trial` has turned into a dict."""
    distributions = {
        name: getattr(optuna.distributions, kind)(
            **{key: _hashable(value) for key, value in attributes.items()}
        )
        for name, (kind, attributes) in plain["distributions"].items()
    }
    return FrozenTrial(
        **{
            **plain,
            "params": {name: _hashable(v) for name, v in plain["params"].items()},
            "state": TrialState[plain["state"]],
            "value": None,
            "distributions": distributions,
            "datetime_start": _moment(plain["datetime_start"]),
            "datetime_complete": _moment(plain["datetime_complete"]),
        }
    )


def with_tuples(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial with tuples in place of the lists that JSON makes of them."""
    categories = [d for d in trial.distributions.values() if hasattr(d, "choices")]
    if not any(isinstance(c, list) for d in categories for c in d.choices):
        return trial
    return frozen_trial(plain_trial(trial))


def _hashable(value: Any) -> Any:
    """Return a value with the tuples that JSON has turned into lists."""
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
