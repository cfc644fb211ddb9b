"""Silence warnings, even if fits of several threads overlap."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# The pattern, which copies keep, distinguishes this filter from those of users: joblib
# copies it with `warnings.filterwarnings`, and therefore with this flag. Warnings about
# former names of automodel are for authors of families, and are not ignored.
_OTHERS = r"(?s)(?!.* has moved to .* former name will be removed in the next release)"
_IGNORE = ("ignore", re.compile(_OTHERS, re.IGNORECASE), Warning, None, 0)
_LOCK = threading.Lock()
_STATE: dict = {"entered": 0, "before": None, "within": None}


@contextmanager
def no_warnings() -> Iterator[None]:
    """Ignore all warnings in the block and in every thread, except of former names.

    `warnings.catch_warnings` restores in the order of exits, so that overlapping blocks
    of two threads would leave the filters of one of them in place. Here the first block
    to be entered saves the filters, and the last one to be left restores them.
    """
    with _LOCK:
        if _STATE["entered"] == 0:
            _STATE["before"] = warnings.filters
            _STATE["within"] = [_IGNORE, *warnings.filters]
            warnings.filters = _STATE["within"]
        _STATE["entered"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _STATE["entered"] -= 1
            if _STATE["entered"] == 0:
                _restore(_STATE["before"], _STATE["within"])


def _restore(before, within) -> None:
    # If the filter is missing, an enclosing block has ended and restored its filters.
    if _IGNORE in warnings.filters:
        warnings.filters = before
    # A block of another thread may have saved this list, to restore it later.
    within[:] = before
