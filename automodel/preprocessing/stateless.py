"""The output of an encoder that learns nothing: of all rows, mapped from a file."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from automodel import mapped
from automodel.clock import Deadline
from automodel.file_lock import try_lock, unlock
from automodel.preprocessing.encoded import joined
from automodel.preprocessing.rows import Encoder, Rows

PART_ROWS = 256  # fixed, since the last bits of a result may depend on it
POLL_SECONDS = 0.01


def output_of(
    encoder: Encoder, rows: Rows, path: Path | None, deadline: Deadline
) -> Any:
    """Return what an encoder makes of all rows, computed by one process.

    Parameters
    ----------
    encoder : Encoder
        One that learns nothing from the rows.
    rows : Rows
        All of them.
    path : Path or None
        Where the output is kept for other processes, without a suffix. An array or a
        sparse matrix is then mapped from a file, read-only. It is kept in memory if
        there is no path, if it is of another kind, or if the file cannot be written.
    deadline : Deadline
        Is looked at between parts of the rows, and while another process computes.

    Raises
    ------
    DeadlineReached
        If the output is not ready in time. Nothing of it is left then.
    """
    compute = partial(_in_parts, encoder, rows, deadline)
    if path is not None:
        try:
            return _from_file(path, compute, len(rows), deadline)
        except _NoFileError as error:
            return _in_memory(error.parts)
        except OSError:  # the folder is gone, filled up, or knows no locks
            pass
    return _in_memory(compute())


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
    """An output is not written: it could not be mapped, or there is no space.

    Its parts are still to be used.
    """

    def __init__(self, parts: Iterator[Any]):
        super().__init__()
        self.parts = parts


def _in_parts(encoder: Encoder, rows: Rows, deadline: Deadline) -> Iterator[Any]:
    for start in range(0, max(len(rows), 1), PART_ROWS):
        deadline.check()
        part = rows.take(slice(start, start + PART_ROWS))
        encoded = encoder.transform(part)
        if encoded.shape[0] != len(part):
            raise ValueError(
                f"{type(encoder).__name__}.transform returned {encoded.shape[0]} rows "
                f"for {len(part)}. An encoder has to return one row for each."
            )
        yield encoded


def _in_memory(parts: Iterator[Any]) -> Any:
    X = joined(list(parts))
    if isinstance(X, np.ndarray):
        X.flags.writeable = False  # as where it is mapped
    return X


def _from_file(
    path: Path, compute: Callable[[], Iterator[Any]], n_rows: int, deadline: Deadline
) -> Any:
    """Return the output from its file, which has its name only when it is complete."""
    dense, matrix = path.with_suffix(".npy"), path.with_suffix(".sparse")
    with (
        path.with_suffix(".lock").open("ab") as file,
        held(partial(try_lock, file), partial(unlock, file), deadline),
    ):
        if not (dense.exists() or matrix.exists()):
            parts = compute()
            first = next(parts)
            parts = chain([first], parts)
            if not _can_be_mapped(first, n_rows, path.parent):
                raise _NoFileError(parts)
            draft = path.with_suffix(".draft")  # replaces that of a killed process
            try:
                if sparse.issparse(first):
                    mapped.dump(joined(list(parts)), draft)
                    draft.replace(matrix)
                else:
                    _write_array(draft, parts, (n_rows, *first.shape[1:]), first.dtype)
                    draft.replace(dense)
            finally:
                draft.unlink(missing_ok=True)
        if matrix.exists():
            return mapped.load(matrix)
        return np.asarray(np.load(dense, mmap_mode="r"))


def _can_be_mapped(first: Any, n_rows: int, folder: Path) -> bool:
    """Tell whether an output can be written, by its first part."""
    if sparse.issparse(first):
        return True
    if not isinstance(first, np.ndarray) or first.dtype.hasobject:
        return False
    n_bytes = n_rows * first.itemsize * math.prod(first.shape[1:])
    return n_bytes < shutil.disk_usage(folder).free


def _write_array(
    path: Path, parts: Iterator[np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> None:
    """Write parts of an array as they come.

    Writing into a mapped file would end the process where the disk is full.
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        for part in parts:
            if part.shape[1:] != shape[1:] or part.dtype != dtype:
                raise ValueError(
                    f"An encoder returned {part.dtype} of shape {part.shape[1:]} a row "
                    f"after {dtype} of shape {shape[1:]}. One that learns nothing has "
                    "to return the same of any rows."
                )
            file.write(part.tobytes())
