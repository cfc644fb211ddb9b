"""The output of an encoder that learns nothing: of all rows, mapped from a file."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped
from automodel.clock import NO_DEADLINE, Deadline
from automodel.file_lock import try_lock, unlock
from automodel.preprocessing.encoded import joined, nbytes_of
from automodel.preprocessing.parts import PART_ROWS, ArrayParts, Parts, PickledParts
from automodel.preprocessing.rows import Encoder, Rows

POLL_SECONDS = 0.01
DISK_SHARE = 0.5  # of what they and nothing take, for outputs that are kept
OUTPUTS: dict[str, Callable[[Path], Any]] = {
    ArrayParts.suffix: lambda path: np.asarray(np.load(path, mmap_mode="r")),
    PickledParts.suffix: mapped.load,
}


def output_in_memory(
    encoder: Encoder, rows: Rows, deadline: Deadline = NO_DEADLINE
) -> Any:
    """Return what an encoder that learns nothing makes of rows, seeing few at a time.

    Raises
    ------
    DeadlineReached
        If the output is not ready in time.
    """
    return joined(list(_encoded(encoder, rows, deadline)))


def output_of(
    encoder: Encoder, rows: Rows, path: Path, deadline: Deadline
) -> tuple[Any, bool]:
    """Return what an encoder makes of all rows, computed by one process.

    Parameters
    ----------
    encoder : Encoder
        One that learns nothing from the rows.
    rows : Rows
        All of them.
    path : Path
        Where the output is kept for other processes, without a suffix, in a folder
        that has nothing but outputs.
    deadline : Deadline
        Is looked at between parts of the rows, and while another process computes.

    Returns
    -------
    X : ndarray, sparse matrix or DataFrame
        The output.
    is_mapped : bool
        Whether its arrays are mapped from a file, read-only. They are in memory if
        the file cannot be written.

    Raises
    ------
    DeadlineReached
        If the output is not ready in time. The next call goes on with the parts that
        are written, also if this process is killed.
    """
    try:
        return _from_file(encoder, rows, path, deadline), True
    except _NoFileError as error:
        return joined(list(error.parts)), False


def bytes_written(folder: Path) -> int:
    """Return the bytes of all outputs in a folder, also of those in the making."""
    try:
        return sum(size for _, size, _ in _files(folder))
    except OSError:  # the folder is gone
        return 0


@contextmanager
def held(
    acquire: Callable[[], bool], release: Callable[[], None], deadline: Deadline
) -> Iterator[None]:
    """Hold a lock; `acquire` is called until it returns True or time is up."""
    while not acquire():
        deadline.check()
        deadline.clock.wait(POLL_SECONDS)
    try:
        yield
    finally:
        release()


class _NoFileError(Exception):
    """There is no place for a file: the folder is gone, full, or knows no locks.

    The parts of the output are still to be used.
    """

    def __init__(self, parts: Iterator[Any]):
        super().__init__()
        self.parts = parts


def _encoded(
    encoder: Encoder, rows: Rows, deadline: Deadline, first_row: int = 0
) -> Iterator[Any]:
    """Yield the encoded rows from the first one on, part by part."""
    for start in range(first_row, max(len(rows), 1), PART_ROWS):
        deadline.check()
        part = rows.take(slice(start, start + PART_ROWS))
        encoded = encoder.transform(part)
        if encoded.shape[0] != len(part):
            raise ValueError(
                f"{type(encoder).__name__}.transform returned {encoded.shape[0]} rows "
                f"for {len(part)}. An encoder has to return one row for each."
            )
        yield encoded


def _from_file(encoder: Encoder, rows: Rows, path: Path, deadline: Deadline) -> Any:
    """Return the output from its file, which has its name only when it is complete."""
    compute = partial(_encoded, encoder, rows, deadline)
    with ExitStack() as stack:
        with _instead_of_file(compute):
            file = stack.enter_context(path.with_suffix(".lock").open("ab"))
            lock = partial(try_lock, file), partial(unlock, file)
            stack.enter_context(held(*lock, deadline))
            found = _load(path)
            if found is not None:
                return found
            draft = _begun(path, len(rows))
        parts = compute(draft.n_written if draft else 0)
        if draft is None:
            first = next(parts)
            parts = chain([first], parts)
            with _instead_of_file(lambda: parts):
                draft = _new_draft(path, len(rows), first)
        stack.callback(draft.close)
        for part in parts:
            with _instead_of_file(partial(_rest, draft, part, parts)):
                draft.append(part)
        with _instead_of_file(draft.take_back):
            draft.finish()
        with _instead_of_file(compute):
            return _load(path)


@contextmanager
def _instead_of_file(parts: Callable[[], Iterator[Any]]) -> Iterator[None]:
    """Use these parts if there is trouble with a file.

    Nothing that an encoder does belongs here: it may raise an `OSError`, too.
    """
    try:
        yield
    except OSError:
        raise _NoFileError(parts()) from None


def _rest(draft: Parts, part: Any, parts: Iterator[Any]) -> Iterator[Any]:
    return chain(draft.take_back(), [part], parts)


def _begun(path: Path, n_rows: int) -> Parts | None:
    """Return the draft that another process has left, if there are rows in it."""
    for kind in (ArrayParts, PickledParts):
        if kind.draft_of(path).exists():
            draft = kind(path, n_rows)
            if draft.n_written:
                return draft
            draft.close()
    return None


def _new_draft(path: Path, n_rows: int, first: Any) -> Parts:
    """Begin a draft, after the first part, if the disk has room for all of them."""
    is_plain = isinstance(first, np.ndarray) and not first.dtype.hasobject
    kind = ArrayParts if is_plain else PickledParts
    n_bytes = nbytes_of(first) / max(first.shape[0], 1) * n_rows * kind.n_copies
    if not _has_room(path.parent, n_bytes):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return kind(path, n_rows)


def _has_room(folder: Path, n_bytes: float) -> bool:
    """Tell whether so much can be written; remove the outputs used least recently.

    Those that are kept take a share of the disk, as far as it is theirs or free. One
    that another process has mapped stays readable there.
    """
    files = sorted(_files(folder))
    used = sum(size for _, size, _ in files)
    most = DISK_SHARE * (used + shutil.disk_usage(folder).free)
    for _, size, path in files:
        if used + n_bytes <= most:
            break
        if path.suffix in OUTPUTS:
            with suppress(OSError):  # Windows removes no file that is mapped
                path.unlink()
                used -= size
    return n_bytes < shutil.disk_usage(folder).free


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield the time of use, the bytes and the path of each output or draft."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process removes some
            found = path.stat()
            yield found.st_mtime_ns, found.st_size, path


def _load(path: Path) -> Any:
    """Return an output that is complete, and note its use; None if there is none."""
    for suffix, load in OUTPUTS.items():
        file = path.with_suffix(suffix)
        with suppress(FileNotFoundError):
            found = load(file)
            os.utime(file)
            return found
    return None
