"""The trials of a fitted estimator, with the times at which they ran."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automodel.monitor import SLOTS_PER_FOLD


@dataclass(frozen=True)
class TrialFacts:
    """A trial that has ended.

    Parameters
    ----------
    number : int
        The number of the trial in the search.
    family : str
        Its family.
    status : str
        "complete", "pruned", "stopped" by the deadline, or "failed".
    score : float
        Out-of-fold score; NaN unless the trial is complete.
    seconds, predict_seconds : float
        Time that the trial took, and that of predicting the validation rows.
    start, end : float
        Seconds since the beginning of the fit, negative for trials of an earlier fit
        with the same storage. NaN if they are not known.
    worker : int or None
        Number of the process that ran it: 0 for that of the search, 1 and more for its
        workers. None if that is not known.
    peak_memory : int
        Peak of the memory of that process since it began, in bytes; 0 if it is not
        known.
    weight, stacking_coefficient : float
        Weight and stacking coefficient in the ensemble; 0 for other trials.
    curve : tuple of (int, float)
        Steps of the training of the first fold, and the scores reported after them.
    params : dict
        Parameters of the estimator.
    error : str
        Why the trial has failed.
    """

    number: int
    family: str
    status: str
    score: float = math.nan
    seconds: float = 0.0
    predict_seconds: float = math.nan
    start: float = math.nan
    end: float = math.nan
    worker: int | None = None
    peak_memory: int = 0
    weight: float = 0.0
    stacking_coefficient: float = 0.0
    curve: tuple[tuple[int, float], ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def ran_here(self) -> bool:
        """Whether it is known when the trial ran, and that it was in this fit."""
        return math.isfinite(self.start) and self.end > 0


def trials_of(estimator: Any) -> list[TrialFacts]:
    """Return the trials of a fitted estimator in the order of their numbers."""
    plain: list[dict[str, Any]] = sum(vars(estimator).get("_trials", {}).values(), [])
    members = {member.number: member for member in estimator.ensemble_.members}
    params = vars(estimator).get("_params", {})
    began = _beginning(estimator, plain)
    found = []
    for trial in plain:
        number = trial["user_attrs"]["number"]
        own = params.get(number, {})
        found.append(_facts(trial, number, own, members.get(number), began))
    return sorted(found, key=lambda trial: trial.number)


def lanes(trials: Sequence[TrialFacts]) -> list[str]:
    """Return the name of the lane of each trial, in which no two run at a time.

    There is one lane for each worker. Trials whose worker is not known are put into the
    first lane that is free, and so are those of other processes that have run at the
    same time as one of the worker with the same number.
    """
    ends: dict[tuple[int, int], float] = {}
    lane_of = {}
    for i in sorted(range(len(trials)), key=lambda i: trials[i].start):
        worker, lane = trials[i].worker, 0
        group = -1 if worker is None else worker
        while ends.get((group, lane), -math.inf) > trials[i].start:
            lane += 1
        ends[group, lane] = trials[i].end
        lane_of[i] = _name(group, lane)
    return [lane_of[i] for i in range(len(trials))]


def _name(group: int, lane: int) -> str:
    if group < 0:
        return f"slot {lane + 1}"
    name = f"worker {group}" if group else "main process"
    return f"{name} ({lane + 1})" if lane else name


def _facts(trial, number, params, member, began: datetime | None) -> TrialFacts:
    said = trial["user_attrs"]
    is_complete = said["status"] == "complete"
    return TrialFacts(
        number,
        said["family"],
        said["status"],
        trial["values"][0] if is_complete else math.nan,
        said["seconds"],
        said.get("predict_seconds", math.nan),
        _seconds(trial.get("datetime_start"), began),
        _seconds(trial.get("datetime_complete"), began),
        said.get("worker"),
        said.get("peak_memory", 0),
        0.0 if member is None else member.weight,
        0.0 if member is None else member.stacking_coefficient,
        curve_of(trial.get("intermediate_values", {})),
        params,
        said["error"],
    )


def curve_of(reports: dict[int, float]) -> tuple[tuple[int, float], ...]:
    """Return the reports within the first fold, which come after 1, 2, 4, ... steps.

    Parameters
    ----------
    reports : dict of int to float
        The intermediate values of a trial, see `Monitor`.

    Returns
    -------
    tuple of (int, float)
        Steps of the training, and the values reported after them.
    """
    slots = sorted(slot for slot in reports if slot < SLOTS_PER_FOLD - 1)
    return tuple((1 << slot, reports[slot]) for slot in slots)


def _beginning(estimator: Any, trials: Iterable[Any]) -> datetime | None:
    """Return when the fit began; for older estimators, when the first trial did."""
    began = vars(estimator).get("_provenance", {}).get("began")
    starts = [began] if began else [t.get("datetime_start") for t in trials]
    return min((datetime.fromisoformat(s) for s in starts if s), default=None)


def _seconds(moment: str | None, began: datetime | None) -> float:
    if moment is None or began is None:
        return math.nan
    return (datetime.fromisoformat(moment) - began).total_seconds()
