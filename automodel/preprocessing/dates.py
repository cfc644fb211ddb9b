"""Recognise dates in strings, and turn dates into numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from automodel.preprocessing.zones import Zone, local_clock

PARTS = ("time", "year", "month", "day", "weekday", "hour")
SAMPLE = 50

# Formats with the month first are preferred where a day-first format fits as well.
_FORMATS = (
    ("ISO8601", r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:?\d{2}.*)?)?"),
    ("%Y/%m/%d", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("%m/%d/%Y", r"\d{1,2}/\d{1,2}/\d{4}"),
    ("%d/%m/%Y", r"\d{1,2}/\d{1,2}/\d{4}"),
    ("%m/%d/%Y %H:%M", r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}"),
    ("%d/%m/%Y %H:%M", r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}"),
    ("%m/%d/%Y %H:%M:%S", r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}"),
    ("%d/%m/%Y %H:%M:%S", r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}"),
    ("%d.%m.%Y", r"\d{1,2}\.\d{1,2}\.\d{4}"),
    ("%d.%m.%Y %H:%M", r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d{2}"),
    ("%d-%m-%Y", r"\d{1,2}-\d{1,2}-\d{4}"),
    ("%b-%Y", r"[A-Za-z]{3}-\d{4}"),
    ("%b %Y", r"[A-Za-z]{3} \d{4}"),
    ("%d %b %Y", r"\d{1,2} [A-Za-z]{3} \d{4}"),
    ("%b %d, %Y", r"[A-Za-z]{3} \d{1,2}, \d{4}"),
    ("%d-%b-%Y", r"\d{1,2}-[A-Za-z]{3}-\d{4}"),
)


def find_date_format(labels: Sequence[str]) -> str | None:
    """Return a format that all strings match, or None if there is none.

    Examples
    --------
    >>> from automodel.preprocessing.dates import find_date_format
    >>> find_date_format(["01/21/2001", "05/29/2005"])
    '%m/%d/%Y'
    >>> find_date_format(["blue", "green"]) is None
    True
    """
    if not labels:
        return None
    for date_format, pattern in _FORMATS:
        matches = re.compile(pattern).fullmatch
        if not all(matches(label.strip()) for label in labels[:SAMPLE]):
            continue
        if all(matches(label.strip()) for label in labels):
            moments, _ = parse_dates(labels, date_format)
            if not np.isnat(moments).any():
                return date_format
    return None


def parse_dates(
    labels: Sequence[str | None], date_format: str
) -> tuple[np.ndarray, np.ndarray]:
    """Parse dates to moments in UTC, and tell which strings are not valid dates."""
    import pandas as pd

    texts = [None if label is None else label.strip() for label in labels]
    index = pd.to_datetime(
        pd.Series(texts, dtype=object), format=date_format, errors="coerce", utc=True
    )
    moments = index.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    failed = np.isnat(moments) & np.array([bool(text) for text in texts], dtype=bool)
    return moments, failed


def date_parts(moments: np.ndarray, origin: np.datetime64, zone: Zone | None):
    """Return the parts of dates as numbers, one column for each of `PARTS`.

    Parameters
    ----------
    moments : ndarray of datetime64[us]
        Moments in UTC.
    origin : datetime64
        The moment at which the continuous time, in days, is zero. It is near the data,
        so that float32 can still represent single minutes.
    zone : str, ClockChanges or None
        Time zone in which year, month, day and hour are read; UTC if None.

    Returns
    -------
    ndarray of shape (n_samples, len(PARTS))
        The numbers, with NaN where a moment is missing.
    """
    missing = np.isnat(moments)
    moments = np.where(missing, origin, moments).astype("datetime64[us]")
    local = moments if zone is None else local_clock(moments, zone)
    days = local.astype("datetime64[D]")
    months = local.astype("datetime64[M]")
    years = local.astype("datetime64[Y]").astype(np.int64)
    parts = np.column_stack(
        [
            (moments - origin) / np.timedelta64(1, "D"),
            years + 1970,
            months.astype(np.int64) - 12 * years + 1,
            (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
            (days.astype(np.int64) + 3) % 7,  # day 0 of the epoch was a Thursday
            (local - days) // np.timedelta64(1, "h"),
        ]
    ).astype(np.float64)
    parts[missing] = np.nan
    return parts
