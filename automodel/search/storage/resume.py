"""Open the archive of a search, and refuse one that was begun with other data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError

from automodel.search.storage.archive import Archive
from automodel.search.storage.shared import SharedStorage


def check_storage(storage: Any, study_name: str | None) -> None:
    """Check the parameters before anything is opened.

    Raises
    ------
    InvalidParameterError
        If a URL is given without a folder, or the name cannot be that of a folder.
    """
    if isinstance(storage, str) and "://" in storage:
        raise InvalidParameterError(
            "The 'storage' parameter takes a folder, and this is a URL. A database "
            "also needs a folder for the arrays: give "
            "automodel.SharedStorage(url, folder)."
        )
    if study_name is not None and not re.fullmatch(r"[\w][\w .+=-]*", study_name):
        raise InvalidParameterError(
            "The 'study_name' parameter must consist of letters, digits and ' .+=-_', "
            f"since a folder is named after it. Got {study_name!r} instead."
        )


def open_archive(storage: Any, study_name: str | None) -> Archive | None:
    """Return the archive of a search; None if the search stays in memory.

    Parameters
    ----------
    storage : None, str, Path or SharedStorage
        As in `AutoClassifier`.
    study_name : str or None
        Name of the search within the storage; None for "automodel".
    """
    if storage is None:
        return None
    name = study_name or "automodel"
    if isinstance(storage, SharedStorage):
        folder = Path(storage.folder)
        return Archive(folder / name, name, storage.open, folder / "lock")
    return Archive(Path(storage) / name, name)


def check_same_search(archive: Archive, ours: dict[str, Any]) -> None:
    """Refuse an archive that was begun with other data or settings.

    Parameters
    ----------
    archive : Archive
        The search that is to go on.
    ours : dict
        The values that must agree, see `Prepared.fingerprint`.

    Raises
    ------
    ValueError
        If some of them differ; the message names them.
    """
    theirs = archive.agree("fingerprint", ours)
    differs = [name for name, value in ours.items() if theirs.get(name) != value]
    if not differs:
        return
    if "package version" in differs:
        raise ValueError(
            f"The search in {str(archive.folder)!r} cannot go on, since it was begun "
            f"by automodel {theirs.get('package version')}, and this is "
            f"{ours['package version']}. Give another study_name, or another storage."
        )
    text = ", ".join(differs)
    hint = ""
    if differs == ["cv"]:
        hint = " A splitter without random_state draws new splits at each call."
    raise ValueError(
        f"The search in {str(archive.folder)!r} cannot go on, since it was begun with "
        f"another {text}.{hint} Give the same data and settings, another study_name, "
        "or another storage."
    )
