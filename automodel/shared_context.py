"""SharedContext: changes the state of the process while any thread is inside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from typing import Any


class SharedContext(ContextDecorator):
    """A context that several threads may be in at the same time.

    The first thread that enters opens the context, and the last one that leaves closes
    it. Contexts that threads open for themselves restore what they found in the order
    of their exits. Where they overlap, one of them restores what another one has set,
    and that stays for good.

    Parameters
    ----------
    open_context : callable
        Returns a new context manager, which changes the state of the process. It may be
        left by another thread than the one that has entered it.

    Examples
    --------
    >>> from contextlib import contextmanager
    >>> from automodel.shared_context import SharedContext
    >>> @contextmanager
    ... def light():
    ...     print("on")
    ...     yield
    ...     print("off")
    >>> shared = SharedContext(light)
    >>> with shared, shared:
    ...     print("two are in")
    on
    two are in
    off
    """

    def __init__(self, open_context: Callable[[], AbstractContextManager[Any]]):
        self._open_context = open_context
        self._lock = threading.Lock()
        self._n_entered = 0
        self._context: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._context is None:
                context = self._open_context()
                context.__enter__()
                self._context = context
            self._n_entered += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_entered -= 1
            if self._n_entered == 0 and self._context is not None:
                context, self._context = self._context, None
                context.__exit__(None, None, None)
