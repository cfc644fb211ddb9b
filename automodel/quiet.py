"""Silence warnings, also where fits of several threads overlap."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Told apart from the filters of users by its pattern, which copies keep: joblib makes
# them with `warnings.filterwarnings`, and so with this flag. Warnings of former names
# of automodel are for those who write families, and pass.
_OTHERS = r"(?s)(?!.* has moved to .* former name will be removed in the next release)"
_IGNORE = ("ignore", re.compile(_OTHERS, re.IGNORECASE), Warning, None, 0)
_LOCK = threading.Lock()
_STATE: dict = {"entered": 0, "before": None, "within": None}


@contextmanager
def no_warnings() -> Iterator[None]:
    """Ignore all warnings in the block, in every thread, but of former names.

    `warnings.catch_warnings` restores in the order of exits, so that blocks of two
    threads which overlap leave the filters of one of them behind for good. Here the
    first block that is entered saves the filters, and the last one restores them.
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
    # Without the filter, a block around this one has ended and restored its own.
    if _IGNORE in warnings.filters:
        warnings.filters = before
    # A block of another thread may have saved this list, to restore it later.
    within[:] = before
