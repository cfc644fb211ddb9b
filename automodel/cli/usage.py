"""Messages to users of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from automodel.exceptions import AutoModelError

Say = Callable[[str], None]


class UsageError(AutoModelError, ValueError):
    """Raised if the options do not suit the data or the model."""


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return the first names in one line, and the number of the others."""
    names = list(names)
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
