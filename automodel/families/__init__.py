"""The families of models, one file each, found by scanning this folder.

Another package adds a family by an entry point in the group `automodel.families`, which
names a subclass of `ModelFamily` or an instance of one.
"""

from __future__ import annotations

import copy
import difflib
import importlib
import pkgutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points

from automodel.exceptions import MissingLibraryError
from automodel.families._columns import ALL_TASKS, by_column, one_per_column
from automodel.families._estimator import EstimatorFamily
from automodel.families._tabular import TabularFamily
from automodel.families.base import ModelFamily
from automodel.families.image._base import ImageFamily
from automodel.families.text._base import TextFamily
from automodel.task import Task

__all__ = [
    "ALL_TASKS",
    "EstimatorFamily",
    "ImageFamily",
    "ModelFamily",
    "TabularFamily",
    "TextFamily",
    "all_families",
    "by_column",
    "find_families",
    "one_per_column",
]

LEFT_OUT = "left out: "  # before the reason, in the leaderboard


@lru_cache(maxsize=1)
def all_families() -> dict[str, ModelFamily]:
    """Return all known families by name, in the order in which they are tried first.

    Examples
    --------
    >>> from automodel.families import all_families
    >>> "linear" in all_families()
    True
    """
    found = [*_families_in_folder(), *_families_of_entry_points()]
    return {family.name: family for family in sorted(found, key=lambda f: f.rank)}


def _families_in_folder():
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        name = module.name.rpartition(".")[2]
        if name != "base" and not name.startswith("_"):
            loaded = importlib.import_module(module.name)
            for value in vars(loaded).values():
                is_family = isinstance(value, type) and issubclass(value, ModelFamily)
                if is_family and value.__module__ == loaded.__name__:
                    yield value()


def _families_of_entry_points():
    for point in entry_points(group="automodel.families"):
        value = point.load()
        yield _with_modality(value() if isinstance(value, type) else value)


def find_families(
    families: Iterable[str | ModelFamily] | None, modality: str = "tabular"
) -> list[ModelFamily]:
    """Return the families that the `families` parameter names.

    None stands for all families of the modality whose libraries are installed, except
    for those that are only used if they are named.

    Raises
    ------
    ValueError
        If a name is unknown, or the list is empty.
    MissingLibraryError
        If a named family, or each family of the modality, needs a library that is not
        installed.
    """
    known = all_families()
    if families is None:
        usual = [
            family
            for family in known.values()
            if family.by_default and family.modality == modality
        ]
        installed = [family for family in usual if not family.missing_libraries()]
        if usual and not installed:
            missing = sorted({name for f in usual for name in f.missing_libraries()})
            raise MissingLibraryError(
                f"The families of the modality {modality!r} need {', '.join(missing)}, "
                f"which is not installed. Run: pip install {' '.join(missing)}"
            )
        return installed
    chosen = [_find_family(family, known) for family in families]
    if not chosen:
        raise ValueError("families=[] holds no family. Name at least one.")
    names = [family.name for family in chosen]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"families names {', '.join(twice)} more than once.")
    return chosen


def _find_family(family: str | ModelFamily, known) -> ModelFamily:
    if isinstance(family, str):
        if family not in known:
            near = difflib.get_close_matches(family, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"families holds the unknown name {family!r}.{hint} "
                f"The known families are: {', '.join(known)}."
            )
        found = known[family]
    elif isinstance(family, ModelFamily):
        found = _with_modality(family)
    else:
        raise TypeError(
            "families must hold names and ModelFamily objects. "
            f"Got {family!r} of type {type(family).__name__} instead."
        )
    missing = found.missing_libraries()
    if missing:
        raise MissingLibraryError(
            f"The family {found.name!r} needs {', '.join(missing)}, which is not "
            f"installed. Run: pip install {' '.join(missing)}"
        )
    return found


def _with_modality(family: ModelFamily) -> ModelFamily:
    """Return a family. One that sets no modality is taken for a family of tables."""
    if family.modality:
        return family
    kind = type(family)
    warnings.warn(
        f"{kind.__module__}.{kind.__name__} sets no modality. From the next release "
        "on, a family of tables must inherit from TabularFamily instead of "
        "ModelFamily, and any other family must set its modality.",
        FutureWarning,
        stacklevel=2,
    )
    found = copy.copy(family)
    found.__class__ = type(kind.__name__, (kind, TabularFamily), {})
    return found


def able_families(
    families: Sequence[ModelFamily], task: Task, is_default: bool = False
) -> tuple[list[ModelFamily], dict[str, str]]:
    """Return the families that can learn the task, and why the others cannot.

    If they are the default, those that do not pay are left out as well.

    Raises
    ------
    ValueError
        If no family can learn it.
    """
    used, left_out = [], {}
    for family in families:
        if not family.supports(replace(task, is_weighted=False)):
            left_out[family.name] = LEFT_OUT + family.why_unsupported(task)
        elif task.is_weighted and not (
            family.supports(task) and family.takes_sample_weight(task)
        ):
            left_out[family.name] = f"{LEFT_OUT}cannot use sample weights"
        elif is_default and not family.pays(task):
            left_out[family.name] = f"{LEFT_OUT}is not worthwhile, unless you name it"
        else:
            used.append(family)
    if not used:
        reasons = "; ".join(
            f"{name}: {reason.removeprefix(LEFT_OUT)}"
            for name, reason in left_out.items()
        )
        raise ValueError(
            f"None of the families can learn from this data ({reasons}). Name others."
        )
    return used, left_out
