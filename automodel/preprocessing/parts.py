"""Drafts of outputs: files of encoded parts that another process can continue."""

from __future__ import annotations

import io
import math
import pickle
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from automodel import mapped
from automodel.preprocessing.encoded import joined

PART_ROWS = 256  # fixed, since the rounding of a result may depend on it


class Parts:
    """The parts of an output that have been written to its draft, in row order.

    A draft that an earlier process has left is continued. If that process was killed
    while it wrote a part, the incomplete part is cut off. The file is not buffered, so
    that a part is either written or an `OSError` is raised.

    Parameters
    ----------
    path : Path
        Path of the output, without a suffix.
    n_rows : int
        Number of rows of the complete output.

    Attributes
    ----------
    n_written : int
        Number of rows that have been written.
    """

    suffix: str
    n_copies: int  # of the rows on the disk while the parts become the output

    def __init__(self, path: Path, n_rows: int):
        self.output = path.with_suffix(self.suffix)
        self.draft = self.draft_of(path)
        self.n_rows = n_rows
        self._file = self.draft.open("a+b", buffering=0)
        self.n_written = self._resume()

    @classmethod
    def draft_of(cls, path: Path) -> Path:
        """Return the path of the draft of an output."""
        return path.with_suffix(f"{cls.suffix}.draft")

    def append(self, part: Any) -> None:
        """Write the next part."""
        content = self._bytes_of(part)
        while content:
            content = content[self._file.write(content) :]
        self.n_written += part.shape[0]

    def close(self) -> None:
        """Close the draft."""
        self._file.close()

    def take_back(self) -> Iterator[Any]:
        """Return the parts and remove the draft."""
        parts = list(self.read())
        self.close()
        with suppress(OSError):  # the folder is gone
            self.draft.unlink()
        return iter(parts)

    def read(self) -> Iterator[Any]:
        """Yield the parts."""
        raise NotImplementedError

    def finish(self) -> None:
        """Turn the draft, which is complete, into the output."""
        raise NotImplementedError

    def _resume(self) -> int:
        """Cut off an incomplete part, and return the number of rows before it."""
        raise NotImplementedError

    def _bytes_of(self, part: Any) -> memoryview:
        raise NotImplementedError


class ArrayParts(Parts):
    """Parts of an array, written one after the other to a `.npy` file."""

    suffix = ".npy"
    n_copies = 1
    _start = 0  # of the rows, behind the header

    def read(self) -> Iterator[np.ndarray]:
        """See `Parts.read`."""
        self._file.seek(self._start)
        for start in range(0, self.n_written, PART_ROWS):
            shape = min(PART_ROWS, self.n_written - start), *self._shape
            content = self._file.read(math.prod(shape) * self._dtype.itemsize)
            yield np.ndarray(shape, self._dtype, content)

    def finish(self) -> None:
        """See `Parts.finish`."""
        if sys.platform == "win32":  # where no file is renamed that is open
            self.close()
        self.draft.replace(self.output)

    def _resume(self) -> int:
        self._file.seek(0)
        try:
            np.lib.format.read_magic(self._file)
            shape, _, self._dtype = np.lib.format.read_array_header_2_0(self._file)
        except ValueError:  # the header is incomplete
            return 0
        self._shape, self._start = shape[1:], self._file.tell()
        row_bytes = math.prod(self._shape) * self._dtype.itemsize
        n_rows = (self._file.seek(0, 2) - self._start) // max(row_bytes, 1)
        if n_rows < self.n_rows:
            n_rows -= n_rows % PART_ROWS
        self._file.truncate(self._start + n_rows * row_bytes)
        return n_rows

    def _bytes_of(self, part: np.ndarray) -> memoryview:
        header = b"" if self.n_written else self._begin(part)
        if part.shape[1:] != self._shape or part.dtype != self._dtype:
            raise ValueError(
                f"An encoder returned rows of dtype {part.dtype} and shape "
                f"{part.shape[1:]} after rows of dtype {self._dtype} and shape "
                f"{self._shape}. An encoder that learns nothing must return the same "
                "dtype and shape for all rows."
            )
        return memoryview(header + part.tobytes())

    def _begin(self, first: np.ndarray) -> bytes:
        """Return the header of the file, which depends on the first part."""
        self._file.truncate(0)
        self._shape, self._dtype = first.shape[1:], first.dtype
        header = {
            "descr": np.lib.format.dtype_to_descr(first.dtype),
            "fortran_order": False,
            "shape": (self.n_rows, *first.shape[1:]),
        }
        stream = io.BytesIO()
        np.lib.format.write_array_header_2_0(stream, header)
        self._start = stream.tell()
        return stream.getvalue()


class PickledParts(Parts):
    """Parts of any other type, one pickle after the other."""

    suffix = ".mapped"
    n_copies = 2

    def read(self) -> Iterator[Any]:
        """See `Parts.read`."""
        self._file.seek(0)
        end = 0
        with suppress(EOFError, pickle.UnpicklingError):  # of an incomplete part
            while True:
                yield pickle.load(self._file)
                end = self._file.tell()
        self._file.truncate(end)

    def finish(self) -> None:
        """See `Parts.finish`."""
        whole = self.output.with_suffix(".new")
        try:
            mapped.dump(joined(list(self.read())), whole)
            whole.replace(self.output)
        finally:
            whole.unlink(missing_ok=True)
        self.close()
        self.draft.unlink()

    def _resume(self) -> int:
        return sum(part.shape[0] for part in self.read())

    def _bytes_of(self, part: Any) -> memoryview:
        return memoryview(pickle.dumps(part, protocol=5))
