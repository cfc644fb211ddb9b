"""Names that live elsewhere now: their former paths work for one more release."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(old: str, new: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module whose names are in another one.

    Parameters
    ----------
    old, new : str
        Paths of the modules.
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
