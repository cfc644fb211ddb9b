"""Names that have moved, whose former paths work for one more release."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(old: str, new: str) -> Callable[[str], Any]:
    """Return a `__getattr__` for a module whose names have moved to another module.

    Parameters
    ----------
    old, new : str
        Former and new path of the module.
    """

    def getattr_of_module(name: str) -> Any:
        try:
            value = getattr(import_module(new), name)
        except AttributeError:
            raise AttributeError(f"module {old!r} has no attribute {name!r}") from None
        if not name.startswith("__"):
            warnings.warn(
                f"{old}.{name} has moved to {new}.{name}, and its former path will be "
                "removed in the next release.",
                FutureWarning,
                stacklevel=2,
            )
        return value

    return getattr_of_module
