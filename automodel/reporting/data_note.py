"""DataNote: one thing that looks wrong with the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("high", "medium", "low")
MOST_NAMES = 5  # in a sentence; `DataNote.columns` has all of them


@dataclass(frozen=True)
class DataNote:
    """One thing that looks wrong with the data, for a person to judge.

    Parameters
    ----------
    kind : str
        "leak", "drift", "order", "constant", "all missing", "id-like", "duplicate
        columns", "duplicate rows", "missing", "empty", "rare classes", "imbalance",
        "extreme target" or "few distinct values".
    columns : tuple of str
        The columns that the note is about; none if it is about the rows or the target.
    text : str
        Sentences in plain English, without markup.
    severity : {"high", "medium", "low"}
        "high" if the scores may be wrong, "medium" if the model may be worse on new
        rows than it looks or could be better, and "low" for information.
    """

    kind: str
    columns: tuple[str, ...]
    text: str
    severity: str = "low"


def by_severity(notes: Sequence[DataNote]) -> list[DataNote]:
    """Return notes in the order of their severity."""
    return sorted(notes, key=lambda note: SEVERITIES.index(note.severity))


def listed(names: Sequence[Any], most: int = MOST_NAMES) -> str:
    """Return names as part of a sentence, without those that are too many.

    Examples
    --------
    >>> from automodel.reporting.data_note import listed
    >>> listed(["age", "size"]), listed("abcdefg")
    ('age and size', 'a, b, c, d, e and 2 others')
    """
    shown = [str(name) for name in names[:most]]
    rest = len(names) - len(shown)
    if rest:
        shown.append(f"{rest} others" if rest > 1 else "1 other")
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def percent(share: float) -> str:
    """Return a share in percent, which is 0 or 100 only if it is exactly so."""
    if 0 < share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1:
        return "more than 99 %"
    return f"{100 * share:.0f} %"
