"""The automatic logging of MLflow: what the user has switched on, and when it waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from automodel.shared_context import SharedContext


def no_autologging() -> SharedContext:
    """Return a context in which MLflow logs no fits, in any thread.

    Otherwise each model of each fold would be logged in a run of its own.
    """
    return _NO_AUTOLOGGING


def autolog_settings() -> dict[str, Any] | None:
    """Return the settings of `mlflow.sklearn.autolog`; None if it does not apply now.

    It does not within a fit of another estimator that MLflow follows, such as
    `GridSearchCV`, which has a run of its own.
    """
    utils = _utils()
    if utils is None or utils.autologging_is_disabled("sklearn"):
        return None
    if is_autologging_a_fit() or (_is_off(utils) and not _IS_OFF_HERE):
        return None
    settings = dict(utils.AUTOLOGGING_INTEGRATIONS["sklearn"])
    import mlflow

    if settings.get("exclusive") and mlflow.active_run() is not None:
        return None
    return settings


def is_autologging_a_fit() -> bool:
    """Tell whether MLflow follows a fit of an estimator, in any thread."""
    safety: Any = sys.modules.get("mlflow.utils.autologging_utils.safety")
    manager = getattr(safety, "_AutologgingSessionManager", None)
    return manager is not None and manager.active_session() is not None


def _utils() -> Any:
    """Return the module of MLflow, if that is imported completely."""
    utils = sys.modules.get("mlflow.utils.autologging_utils")
    return utils if hasattr(utils, "disable_autologging") else None


def _is_off(utils: Any) -> bool:
    return getattr(utils, "_AUTOLOGGING_GLOBALLY_DISABLED", False)


@contextmanager
def _switched_off() -> Iterator[None]:
    global _IS_OFF_HERE
    utils = _utils()
    if utils is None or _is_off(utils):  # its context would switch it on at the end
        yield
        return
    with utils.disable_autologging():
        _IS_OFF_HERE = True
        try:
            yield
        finally:
            _IS_OFF_HERE = False


_IS_OFF_HERE = False
_NO_AUTOLOGGING = SharedContext(_switched_off)
