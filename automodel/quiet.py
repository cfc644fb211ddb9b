"""Silence warnings, even if fits of several threads overlap."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from automodel.shared_context import SharedContext

# The pattern tells this filter from those of users, also in a copy of it. joblib makes
# copies with `warnings.filterwarnings`, which compiles patterns with this flag.
# Warnings about former names of automodel pass: authors of families need them.
_OTHERS = r"(?s)(?!.* has moved to .* former name will be removed in the next release)"
_IGNORE = ("ignore", re.compile(_OTHERS, re.IGNORECASE), Warning, None, 0)


def no_warnings() -> SharedContext:
    """Return a context in which all threads ignore warnings.

    Warnings about former names of automodel are still shown. Unlike those of
    `warnings.catch_warnings`, blocks of several threads may overlap.
    """
    return _NO_WARNINGS


@contextmanager
def _ignoring() -> Iterator[None]:
    before = warnings.filters
    within = [_IGNORE, *before]
    warnings.filters = within
    try:
        yield
    finally:
        # If the filter is gone, a block around this one has ended and has restored
        # the filters that it found.
        if _IGNORE in warnings.filters:
            warnings.filters = before
        # A block of another thread may have saved this list, and restore it later.
        within[:] = before


_NO_WARNINGS = SharedContext(_ignoring)
