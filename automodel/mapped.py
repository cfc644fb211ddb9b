"""Values in files whose arrays are memory-mapped instead of read."""

from __future__ import annotations

import io
import mmap
import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

ALIGNMENT = 64  # of arrays in the file, in bytes
OFFSET_BYTES = 8  # at the end of the file: where the pickle begins


class _Pickler(cloudpickle.Pickler):
    def reducer_override(self, obj):
        if type(obj) is np.memmap:  # the only kind of array that would be copied
            return np.asarray(obj).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return super().reducer_override(obj)


def dump(value: Any, path: Path) -> None:
    """Write a value as cloudpickle does; an `OSError` leaves an incomplete file."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    pickler = _Pickler(stream, protocol=5, buffer_callback=buffers.append)
    pickler.dump(value)
    spans = []
    with path.open("wb") as file:
        for buffer in buffers:
            file.write(bytes(-file.tell() % ALIGNMENT))
            start = file.tell()
            file.write(buffer.raw())
            spans.append((start, file.tell()))
        offset = file.tell()
        pickle.dump((spans, stream.getvalue()), file)
        file.write(offset.to_bytes(OFFSET_BYTES, "little"))


def load(path: Path) -> Any:
    """Return the value; its arrays are read-only parts of the file."""
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    offset = int.from_bytes(mapped[-OFFSET_BYTES:], "little")
    spans, stream = pickle.loads(mapped[offset:-OFFSET_BYTES])
    return pickle.loads(stream, buffers=[mapped[start:end] for start, end in spans])
