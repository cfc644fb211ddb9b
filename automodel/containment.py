"""Undo what training changes in a process when the training ends."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import threadpoolctl
from threadpoolctl import ThreadpoolController

from automodel.autologging import no_autologging
from automodel.quiet import no_warnings
from automodel.shared_context import SharedContext

_IS_CONTAINED: ContextVar[bool] = ContextVar("is_contained", default=False)


@contextmanager
def contained() -> Iterator[None]:
    """Train with one thread, without warnings, and with silent libraries.

    The state of the process is restored when the last of the fits that run in several
    threads ends. The limit of OpenMP belongs to each thread. A block inside another one
    changes nothing else. That is what a thread gets that a fit has started in its own
    context, since such a thread may never end.
    """
    with _one_thread("openmp"):
        if _IS_CONTAINED.get():
            yield
            return
        try:
            _IS_CONTAINED.set(True)
            with _CONTAINED_PROCESS:
                yield
        finally:
            _IS_CONTAINED.set(False)


@contextmanager
def _contained_process() -> Iterator[None]:
    with no_warnings(), _one_thread("blas"), _quiet("optuna"), no_autologging():
        try:
            yield
        finally:
            _take_control_of_blas()


_CONTAINED_PROCESS = SharedContext(_contained_process)


def _one_thread(user_api: str) -> AbstractContextManager:
    """Limit the threads of libraries, which are looked for after new imports alone.

    To find them takes longer than to predict a row.
    """
    global _found
    n_modules, controller = _found
    if controller is None or n_modules != len(sys.modules):
        controller = ThreadpoolController()
        _found = len(sys.modules), controller
    return controller.limit(limits=1, user_api=user_api)


_found: tuple[int, ThreadpoolController | None] = 0, None


def _take_control_of_blas() -> None:
    """Let this thread restore a limit that another thread has set.

    From version 3.8 on, threadpoolctl listens only to the thread that limited OpenBLAS
    first.
    """
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    release = getattr(controller, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


def give_memory_back() -> None:
    """Return freed memory to the system, if the C library can do so.

    A model consists of many small allocations. glibc keeps their pages when they are
    freed, so that a worker would grow with each trial.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
