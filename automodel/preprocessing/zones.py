"""Time zones in a form that does not depend on a library or a machine.

A fitted model reads dates in the time zone that the column had on fit. A zone is kept
by its IANA name if it has one ("Europe/Oslo"), or by its offset from UTC if that never
changes ("UTC+02:00"). Any other zone, such as the local time of a machine, is kept as a
table of the moments at which its offset changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

WEEK = 7 * 24 * 3600
# Looking once a week finds even changes that last for a month, as in Morocco.
LOOKS = range(WEEK, 130 * 52 * WEEK, WEEK)  # from 1970 to 2099, in seconds
_FILE = re.compile(r"tzfile\('(?:.*zoneinfo/)?([^']+)'\)")  # of dateutil
_OFFSET = re.compile(r"(?:UTC)?([+-]\d{2}:\d{2}.*)")


@dataclass(frozen=True)
class ClockChanges:
    """The changes of a local clock, for time zones without a name.

    Parameters
    ----------
    seconds : tuple of int
        Moments at which the clock is changed, in seconds since 1970, ascending.
    offsets : tuple of float
        Seconds by which the clock is ahead of UTC before the first change, and after
        each change.
    """

    seconds: tuple[int, ...]
    offsets: tuple[float, ...]

    def local(self, moments: np.ndarray) -> np.ndarray:
        """Convert moments in UTC to local time."""
        changes = np.array(self.seconds, dtype="datetime64[s]")
        offsets = (np.array(self.offsets) * 1e6).astype("timedelta64[us]")
        return moments + offsets[np.searchsorted(changes, moments, side="right")]


Zone = str | ClockChanges


def kept_zone(zone: tzinfo | str) -> Zone:
    """Return a time zone in a form that means the same on every machine.

    Parameters
    ----------
    zone : tzinfo or str
        A time zone of datetime, zoneinfo, dateutil, pytz or another library, or its
        name.

    Returns
    -------
    str or ClockChanges
        An IANA name, a fixed offset such as "UTC+02:00", or a table of the changes.

    Examples
    --------
    >>> from datetime import timedelta, timezone
    >>> from automodel.preprocessing.zones import kept_zone
    >>> kept_zone(timezone(timedelta(hours=2), "CEST"))
    'UTC+02:00'
    """
    name = _iana_name(zone)
    if name is not None:
        return name
    if isinstance(zone, str):
        zone = _zone_of(zone)
    if isinstance(zone, timezone):
        return _offset_name(zone.utcoffset(None))
    changes = _changes(zone)
    if not changes.seconds:
        return _offset_name(timedelta(seconds=changes.offsets[0]))
    return changes


def local_clock(moments: np.ndarray, zone: Zone) -> np.ndarray:
    """Convert moments in UTC (datetime64[us]) to the local time of a zone."""
    if isinstance(zone, ClockChanges):
        return zone.local(moments)
    if zone == "UTC":
        return moments
    if _OFFSET.fullmatch(zone):
        return moments + np.timedelta64(_zone_of(zone).utcoffset(None))
    import pandas as pd

    index = pd.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone)
    return index.tz_localize(None).to_numpy().astype("datetime64[us]")


def local_texts(moments: np.ndarray, zone: tzinfo | str) -> list[str]:
    """Format moments in UTC as local times with an offset."""
    import pandas as pd

    clock = local_clock(moments, kept_zone(zone))
    offsets = [_offset_name(offset) for offset in (clock - moments).tolist()]
    return [
        f"{pd.Timestamp(shown)}{offset[3:] or '+00:00'}"
        for shown, offset in zip(clock, offsets, strict=True)
    ]


def _iana_name(zone: tzinfo | str) -> str | None:
    """Return the IANA name of a zone, or None if it has none.

    A name that was given to a fixed offset does not count, even if it is "CET".
    """
    name: str | None = zone if isinstance(zone, str) else _own_name(zone)
    if not name or name == "localtime":
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name


def _own_name(zone: tzinfo) -> str | None:
    """Return the name of a zone of zoneinfo, pytz or dateutil."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name:
        return name
    file = _FILE.fullmatch(str(zone))
    return file[1] if file else None


def _zone_of(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return ZoneInfo(name)
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset[1]}").tzinfo
    return zone or UTC


def _offset_name(offset: timedelta) -> str:
    return str(timezone(offset))


def _changes(zone: tzinfo) -> ClockChanges:
    """Find the changes of a clock by looking at it once a week and then bisecting."""
    seconds: list[int] = []
    offsets = [_offset_at(zone, LOOKS[0])]
    for look in LOOKS[1:]:
        offset = _offset_at(zone, look)
        if offset != offsets[-1]:
            seconds.append(_change_between(zone, look - WEEK, look))
            offsets.append(offset)
    return ClockChanges(tuple(seconds), tuple(offsets))


def _change_between(zone: tzinfo, before: int, after: int) -> int:
    """Return the first second that has the same offset as `after`."""
    new = _offset_at(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_at(zone, middle) == new:
            after = middle
        else:
            before = middle
    return after


def _offset_at(zone: tzinfo, second: int) -> float:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return (offset or timedelta(0)).total_seconds()
