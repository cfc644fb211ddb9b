"""The leaderboard: one plain record a trial, shown as a DataFrame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automodel.monitor import Steps

COLUMNS = (
    "family",
    "score",
    "fold_scores",
    "seconds",
    "status",
    "weight",
    "stacking_coefficient",
    "params",
    "error",
)


@dataclass
class TrialRecord:
    """One row of the leaderboard, in plain values."""

    number: int
    family: str
    params: dict[str, Any]
    seed: int
    status: str
    score: float
    fold_scores: list[float]
    seconds: float
    n_iterations: list[Steps]
    error: str
    weight: float = 0.0
    stacking_coefficient: float = 0.0


def leaderboard(records: Sequence[TrialRecord], left_out: dict[str, str]):
    """Return the trials as a pandas DataFrame, best first.

    Parameters
    ----------
    records : sequence of TrialRecord
        The trials; the index of the frame holds their numbers.
    left_out : dict of str to str
        Families that were not tried, with the reason; they come last, with the
        status "skipped".

    Returns
    -------
    DataFrame
        With the columns family, score, fold_scores, seconds, status, weight and
        stack in the ensemble, params and error.
    """
    import pandas as pd

    rows = [
        {name: getattr(record, name) for name in COLUMNS}
        for record in sorted(records, key=_order)
    ]
    numbers = [record.number for record in sorted(records, key=_order)]
    for family, reason in left_out.items():
        rows.append(
            dict(
                zip(
                    COLUMNS,
                    (family, math.nan, [], 0.0, "skipped", 0.0, 0.0, {}, reason),
                    strict=True,
                )
            )
        )
        numbers.append(-1)
    index = pd.Index(numbers, name="trial", dtype="int64")
    return pd.DataFrame(rows, columns=list(COLUMNS), index=index)


def _order(record: TrialRecord):
    is_ranked = record.status == "complete" and math.isfinite(record.score)
    return (not is_ranked, -record.score if is_ranked else 0.0, record.number)
