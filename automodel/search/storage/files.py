"""Files that are complete or do not exist, even after a loss of power."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def exists(path: Path) -> bool:
    """Tell whether a file exists.

    Raises
    ------
    OSError
        If that cannot be known, where `Path.exists` may return False.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_json(path: Path) -> Any:
    """Return the content of a file; None if it is missing, empty or incomplete."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write(path: Path, text: str) -> None:
    """Write a file, and make sure that it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def replace(draft: Path, path: Path) -> None:
    """Move a draft, a file or a folder, to its place, and sync that to the disk."""
    draft.replace(path)
    sync_folder(path.parent)


def put_once(draft: Path, path: Path) -> bool:
    """Move a draft to its place; return False if the place is taken.

    On a file system without hard links, callers must hold a common lock.
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
    """Sync the names in a folder to the disk, where the system can do that."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # the file system may not support it
            os.fsync(number)
    finally:
        os.close(number)


def remove(path: Path) -> None:
    """Remove a file or folder if that is possible."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
