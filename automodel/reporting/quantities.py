"""Seconds, bytes and counts as short texts, with as many digits as are known."""

from __future__ import annotations

import math

MOST_SECONDS, MOST_MINUTES = 99.5, 99.5  # before the next unit


def rounded(value: float, digits: int = 2) -> str:
    """Return a number with a few significant digits, without an exponent if possible.

    Examples
    --------
    >>> from automodel.reporting.quantities import rounded
    >>> rounded(1234), rounded(58.3), rounded(0.0123), rounded(3.0)
    ('1,200', '58', '0.012', '3')
    """
    if not math.isfinite(value):
        return "unknown"
    near = float(f"{value:.{digits}g}")
    if abs(near) >= 10 ** (digits - 1):
        return f"{near:,.0f}"
    return f"{near:g}"


def duration(seconds: float, digits: int = 2) -> str:
    """Return seconds as milliseconds, seconds, minutes or hours.

    Examples
    --------
    >>> from automodel.reporting.quantities import duration
    >>> duration(0.0042), duration(58.3), duration(600), duration(9000)
    ('4.2 ms', '58 s', '10 min', '2.5 h')
    """
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 0.01:
        return f"{rounded(1000 * seconds, digits)} ms"
    if seconds < MOST_SECONDS:
        return f"{rounded(seconds, digits)} s"
    minutes = seconds / 60
    if minutes < MOST_MINUTES:
        return f"{rounded(minutes, digits)} min"
    return f"{rounded(minutes / 60, digits)} h"


def size(n_bytes: float, digits: int = 2) -> str:
    """Return bytes as MB or GB, of 1000 squared or cubed.

    Examples
    --------
    >>> from automodel.reporting.quantities import size
    >>> size(350_000_000), size(8_200_000_000)
    ('350 MB', '8.2 GB')
    """
    if not math.isfinite(n_bytes):
        return "unknown"
    if n_bytes < 0.995e9:
        return f"{rounded(n_bytes / 1e6, digits)} MB"
    return f"{rounded(n_bytes / 1e9, digits)} GB"


def count(value: float) -> str:
    """Return a number of things."""
    return f"{value:,.0f}" if math.isfinite(value) else "unknown"
