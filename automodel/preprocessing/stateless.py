"""The output of an encoder that learns nothing, computed once and kept in a file."""

from __future__ import annotations

import errno
import inspect
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import config_context

from automodel import mapped
from automodel.clock import NO_DEADLINE, Deadline
from automodel.file_lock import try_lock, unlock
from automodel.preprocessing.encoded import joined, nbytes_of
from automodel.preprocessing.parts import PART_ROWS, ArrayParts, Parts, PickledParts
from automodel.preprocessing.rows import Encoder, Rows

POLL_SECONDS = 0.01
DISK_SHARE = 0.5  # of the free disk space and their own, for outputs
OUTPUTS: dict[str, Callable[[Path], Any]] = {
    ArrayParts.suffix: lambda path: np.asarray(np.load(path, mmap_mode="r")),
    PickledParts.suffix: mapped.load,
}


def output_in_memory(
    encoder: Encoder, rows: Rows, deadline: Deadline = NO_DEADLINE
) -> Any:
    """Return the output of an encoder that learns nothing, computed part by part.

    Raises
    ------
    DeadlineReached
        If the output is not ready in time.
    """
    return joined(list(_encoded(encoder, rows, deadline)))


def output_of(
    encoder: Encoder, rows: Rows, path: Path, deadline: Deadline
) -> tuple[Any, bool]:
    """Return the output of an encoder for all rows, computed by a single process.

    Parameters
    ----------
    encoder : Encoder
        An encoder that learns nothing from the rows.
    rows : Rows
        All rows.
    path : Path
        Where the output is kept for other processes, without a suffix. The folder must
        hold nothing but outputs.
    deadline : Deadline
        Checked between parts of the rows, and while another process computes.

    Returns
    -------
    X : ndarray, sparse matrix or DataFrame
        The output.
    is_mapped : bool
        Whether the arrays are mapped from a file, and read-only. They are in memory if
        the file cannot be written.

    Raises
    ------
    DeadlineReached
        If the output is not ready in time. The next call continues with the parts that
        have been written, also if this process is killed.
    """
    try:
        return _from_file(encoder, rows, path, deadline), True
    except _NoFileError as error:
        return joined(list(error.parts)), False


def bytes_written(folder: Path) -> int:
    """Return the size in bytes of all outputs and drafts in a folder."""
    try:
        return sum(size for _, size, _ in _files(folder))
    except OSError:  # the folder is gone
        return 0


@contextmanager
def held(
    acquire: Callable[[], bool], release: Callable[[], None], deadline: Deadline
) -> Iterator[None]:
    """Hold a lock. `acquire` is called until it returns True or time is up."""
    while not acquire():
        deadline.check()
        deadline.clock.wait(POLL_SECONDS)
    try:
        yield
    finally:
        release()


class _NoFileError(Exception):
    """The file cannot be written: the folder is gone, full, or does not support locks.

    The parts of the output can still be used.
    """

    def __init__(self, parts: Iterator[Any]):
        super().__init__()
        self.parts = parts


def _encoded(
    encoder: Encoder, rows: Rows, deadline: Deadline, first_row: int = 0
) -> Iterator[Any]:
    """Yield the encoded rows from the first one on, part by part."""
    takes_deadline = "deadline" in inspect.signature(encoder.transform).parameters
    options = {"deadline": deadline} if takes_deadline else {}
    for start in range(first_row, max(len(rows), 1), PART_ROWS):
        deadline.check()
        part = rows.take(slice(start, start + PART_ROWS))
        with config_context(transform_output="default"):
            encoded = encoder.transform(part, **options)
        if encoded.shape[0] != len(part):
            raise ValueError(
                f"{type(encoder).__name__}.transform returned {encoded.shape[0]} rows "
                f"for {len(part)} rows. An encoder must return one row for each."
            )
        yield encoded


def _from_file(encoder: Encoder, rows: Rows, path: Path, deadline: Deadline) -> Any:
    """Return the output from its file, after computing it if there is none."""
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
    """Raise `_NoFileError` with these parts if the file cannot be read or written.

    The encoder must not be called inside, since it may raise an `OSError` too.
    """
    try:
        yield
    except OSError:
        raise _NoFileError(parts()) from None


def _rest(draft: Parts, part: Any, parts: Iterator[Any]) -> Iterator[Any]:
    return chain(draft.take_back(), [part], parts)


def _begun(path: Path, n_rows: int) -> Parts | None:
    """Return the draft of another process, or None if there are no rows in it."""
    for kind in (ArrayParts, PickledParts):
        if kind.draft_of(path).exists():
            draft = kind(path, n_rows)
            if draft.n_written:
                return draft
            draft.close()
    return None


def _new_draft(path: Path, n_rows: int, first: Any) -> Parts:
    """Begin a draft if the disk has room for as many rows of the size of the first."""
    is_plain = isinstance(first, np.ndarray) and not first.dtype.hasobject
    kind = ArrayParts if is_plain else PickledParts
    n_bytes = nbytes_of(first) / max(first.shape[0], 1) * n_rows * kind.n_copies
    if not _has_room(path.parent, n_bytes):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return kind(path, n_rows)


def _has_room(folder: Path, n_bytes: float) -> bool:
    """Tell whether there is room, after removing the least recently used outputs.

    Outputs may take a share of the disk space that they take already or that is free.
    A process that has mapped a removed output can still read it.
    """
    files = sorted(_files(folder))
    used = sum(size for _, size, _ in files)
    most = DISK_SHARE * (used + shutil.disk_usage(folder).free)
    for _, size, path in files:
        if used + n_bytes <= most:
            break
        if path.suffix in OUTPUTS:
            with suppress(OSError):  # Windows does not remove a file that is mapped
                path.unlink()
                used -= size
    return n_bytes < shutil.disk_usage(folder).free


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield the time of use, the size and the path of each output or draft."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process removes some
            found = path.stat()
            yield found.st_mtime_ns, found.st_size, path


def _load(path: Path) -> Any:
    """Return the complete output and note its use; None if there is none."""
    for suffix, load in OUTPUTS.items():
        file = path.with_suffix(suffix)
        with suppress(FileNotFoundError):
            found = load(file)
            os.utime(file)
            return found
    return None
