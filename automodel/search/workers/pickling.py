"""Pickles that another process can load, even if it cannot import the classes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

_LOCK = threading.Lock()


def dumps(value: Any) -> bytes:
    """Return a pickle that holds the classes and functions of scripts by value."""
    with all_by_value():
        return cloudpickle.dumps(value)


@contextmanager
def all_by_value() -> Iterator[None]:
    """Let cloudpickle write by value what only this process can import.

    It always does that for the main module. Here it does so, too, for modules that
    were loaded from a file and cannot be found by their name, as by pytest.
    """
    with _LOCK:
        known = cloudpickle.list_registry_pickle_by_value()
        found = _modules_only_here(len(sys.modules))
        added = [m for m in found if m.__name__ in sys.modules.keys() - known]
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)


@lru_cache(maxsize=1)
def _modules_only_here(n_modules: int) -> list[ModuleType]:
    modules = {id(m): m for m in list(sys.modules.values())}  # some have two names
    return [module for module in modules.values() if _is_only_here(module)]


def _is_only_here(module: Any) -> bool:
    if type(module) is not ModuleType:  # a lazy one, which is loaded on use
        return False
    name = module.__name__
    if "." in name or name == "__main__" or sys.modules.get(name) is not module:
        return False
    return not _is_found(name, getattr(module, "__file__", None))


@cache
def _is_found(name: str, file: str | None) -> bool:
    """Tell whether a module would be found by its name if it were not loaded."""
    if name in sys.builtin_module_names or _is_in_its_place(name, file):
        return True
    for finder in sys.meta_path:
        with suppress(Exception):  # finders of other libraries may raise anything
            if finder.find_spec(name, None) is not None:
                return True
    return False


def _is_in_its_place(name: str, file: str | None) -> bool:
    """Tell quickly whether a file is where an import of the name would find it."""
    if file is None:
        return False
    path = Path(file)
    place = path.parent if path.stem == "__init__" else path
    return place.name.partition(".")[0] == name and str(place.parent) in sys.path
