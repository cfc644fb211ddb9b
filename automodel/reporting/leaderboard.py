"""The leaderboard: the stored trials of a search as a DataFrame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

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


def leaderboard(
    trials: Iterable[Mapping[str, Any]],
    params: Mapping[int, dict[str, Any]],
    members: Iterable[Any],
    left_out: Mapping[str, str],
):
    """Return the trials as a pandas DataFrame, best first.

    Parameters
    ----------
    trials : iterable of dict
        Ended trials as plain values. Their numbers in the search are the index.
    params : mapping of int to dict
        The parameters of the estimator of each trial, by its number.
    members : iterable of Member
        The members of the ensemble, with their weights.
    left_out : mapping of str to str
        The families that were not tried, with the reason. They come last, with the
        status "skipped".

    Returns
    -------
    DataFrame
        With the columns family, score, fold_scores, seconds, status, weight and
        stacking_coefficient in the ensemble, params and error.
    """
    import pandas as pd

    member_of = {member.number: member for member in members}
    rows = {}
    for trial in trials:
        number = trial["user_attrs"]["number"]
        rows[number] = _row(trial, params.get(number, {}), member_of.get(number))
    numbers = sorted(rows, key=lambda number: _order(number, rows[number]))
    skipped: list[tuple] = [
        (family, math.nan, [], 0.0, "skipped", 0.0, 0.0, {}, reason)
        for family, reason in left_out.items()
    ]
    index = pd.Index([*numbers, *[-1] * len(skipped)], name="trial", dtype="int64")
    table = [*(rows[number] for number in numbers), *skipped]
    return pd.DataFrame(table, columns=list(COLUMNS), index=index)


def _row(trial: Mapping[str, Any], params: dict[str, Any], member: Any) -> tuple:
    said = trial["user_attrs"]
    is_complete = said["status"] == "complete"
    return (
        said["family"],
        trial["values"][0] if is_complete else math.nan,
        said["fold_scores"],
        said["seconds"],
        said["status"],
        0.0 if member is None else member.weight,
        0.0 if member is None else member.stacking_coefficient,
        params,
        said["error"],
    )


def _order(number: int, row: tuple) -> tuple[bool, float, int]:
    """Return what rows are sorted by: complete ones first, by their scores."""
    score = row[COLUMNS.index("score")]
    is_ranked = math.isfinite(score)
    return not is_ranked, -score if is_ranked else 0.0, number
