"""What is said to those who use the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from automodel.exceptions import AutoModelError

Say = Callable[[str], None]


class UsageError(AutoModelError, ValueError):
    """The command asks for what the data or the model do not have."""


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return names in one line, and how many are left out."""
    names = list(names)
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
