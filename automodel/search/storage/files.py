"""Files that are there in full or not at all, also after a loss of power."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def exists(path: Path) -> bool:
    """Tell whether there is such a file.

    Raises
    ------
    OSError
        If that is not known, where `Path.exists` may answer no.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_json(path: Path) -> Any:
    """Return what a file holds; None if it is missing, empty or cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write(path: Path, text: str) -> None:
    """Write a file and have the disk keep it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace(draft: Path, path: Path) -> None:
    """Put a draft, a file or a folder, in its place, and have the disk keep that."""
    draft.replace(path)
    sync_folder(path.parent)


def put_once(draft: Path, path: Path) -> bool:
    """Put a draft in its place; False if there is something already.

    Without hard links only those who hold a common lock may do that.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if exists(path):
            return False
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder, where the system can be asked to."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that has no such call
            os.fsync(number)
    finally:
        os.close(number)


def remove(path: Path) -> None:
    """Remove a file or folder, if that is possible now."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
