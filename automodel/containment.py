"""Undo the changes that training makes to its process."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import threadpoolctl
from threadpoolctl import threadpool_limits

from automodel.quiet import no_warnings

_LOCK = threading.Lock()
_STATE: dict = {"entered": 0, "stack": None}
_IS_CONTAINED: ContextVar[bool] = ContextVar("is_contained", default=False)


@contextmanager
def contained() -> Iterator[None]:
    """Train with one thread, no warnings and silent libraries, and restore all later.

    Blocks of several threads may overlap: the first to enter saves the state of the
    process, and the last to leave restores it. The limit of OpenMP belongs to each
    thread. A block within another changes only this limit. The inner one may be in a
    thread that a fit has started in its context, and that thread may never end.
    """
    with threadpool_limits(1, user_api="openmp"):
        if _IS_CONTAINED.get():
            yield
            return
        try:
            _IS_CONTAINED.set(True)
            with _contained_process():
                yield
        finally:
            _IS_CONTAINED.set(False)


@contextmanager
def _contained_process() -> Iterator[None]:
    with _LOCK:
        if _STATE["entered"] == 0:
            _STATE["stack"] = _enter()
        _STATE["entered"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _STATE["entered"] -= 1
            if _STATE["entered"] == 0:
                _take_control_of_blas()
                _STATE["stack"].close()
                _STATE["stack"] = None


def _enter() -> ExitStack:
    stack = ExitStack()
    stack.enter_context(no_warnings())
    stack.enter_context(threadpool_limits(1, user_api="blas"))
    stack.enter_context(_quiet("optuna"))
    return stack


def _take_control_of_blas() -> None:
    """Let this thread restore limits that another thread has set.

    From version 3.8 on, threadpoolctl ignores all threads except the one that limited
    OpenBLAS first.
    """
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    release = getattr(controller, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


def give_memory_back() -> None:
    """Return freed memory to the system, if the C library has a function for it.

    Models make many small allocations. Without this call glibc keeps their pages, and a
    worker grows with each trial.
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
