"""The version with which an estimator was saved, which is checked before it is loaded.

Pickles refer to these names: they must stay here, so that each later version can tell
which version has saved an estimator.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterable, Sequence
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from automodel import __version__
from automodel.exceptions import SavedVersionError, VersionWarning

PACKAGE = __name__.partition(".")[0]
CACHES = "_direct", "_cache"  # attributes that no pickle holds
LEAVES = (str, bytes, int, float, type(None), ModuleType)


class SavedVersion:
    """A mark at the beginning of a pickle, which is checked when it is read.

    A pickle is read from its beginning to its end, and each class is looked up where it
    occurs. If the mark is the first, nothing else is looked up before it is checked.

    Parameters
    ----------
    version : str
        Version of automodel that has saved the estimator.
    needed : sequence of str
        Classes and functions of automodel that the estimator consists of, such as
        "automodel.task:Task".
    """

    def __init__(self, version: str, needed: Sequence[str]):
        self.version = version
        self.needed = needed

    def __reduce__(self) -> tuple:
        return read_mark, (self.version, tuple(self.needed))


def read_mark(version: str, needed: Sequence[str]) -> SavedVersion:
    """Return the mark, if this version of automodel can load the estimator.

    Raises
    ------
    SavedVersionError
        If another version has saved it, and this one lacks a class of it.
    """
    if version != __version__:
        lost = [name for name in needed if not _is_found(name)]
        if lost:
            raise SavedVersionError(
                f"This estimator was saved by automodel {version} and cannot be loaded "
                f"by {__version__}, which has no {lost[0].replace(':', '.')}. Install "
                f'the version that saved it, by pip install "sklearn-automodel=='
                f'{version}", or fit the estimator again.'
            )
    return SavedVersion(version, needed)


def new_estimator(mark: SavedVersion, kind: Any) -> Any:
    """Return an estimator without its state, which follows in the pickle."""
    return kind.__new__(kind)


def warn_of_other_version(kind: str, version: str) -> None:
    """Warn that an estimator was saved by another minor version of automodel."""
    if _minor(version) != _minor(__version__):
        warnings.warn(
            f"This {kind} was saved by automodel {version} and is loaded by "
            f"{__version__}. Its predictions may differ. Fit it again to be safe.",
            VersionWarning,
            stacklevel=3,
        )


def names_within(state: Any) -> list[str]:
    """Return the classes and functions of automodel that occur in a state.

    Parameters
    ----------
    state : object
        Any object, of which all that it holds is looked at.

    Returns
    -------
    list of str
        Names such as "automodel.task:Task", in alphabetical order.
    """
    found: set[str] = set()
    seen: set[int] = set()
    ahead = [state]
    while ahead:
        value = ahead.pop()
        if isinstance(value, LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        is_name = isinstance(value, type | FunctionType)
        named: Any = value if is_name else type(value)
        name = f"{named.__module__}:{named.__qualname__}"
        if name.startswith(f"{PACKAGE}.") and "<" not in name:  # a lambda has no name
            found.add(name)
        if not is_name:
            ahead += _held(value)
    return sorted(found)


def _held(value: Any) -> Iterable[Any]:
    """Return what a value refers to, without its class and what it has cached."""
    own = getattr(value, "__dict__", {})
    left_out = {id(own), id(type(value)), *(id(own[n]) for n in CACHES if n in own)}
    kept = [held for name, held in own.items() if name not in CACHES]
    return kept + [held for held in gc.get_referents(value) if id(held) not in left_out]


def _is_found(name: str) -> bool:
    module, _, path = name.partition(":")
    try:
        value = import_module(module)
        for part in path.split("."):
            value = getattr(value, part)
    except AttributeError:
        return False
    except ImportError as error:  # perhaps of a library that is not installed
        return not (error.name or PACKAGE).startswith(PACKAGE)
    return True


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
