"""What the user has asked MLflow's automatic logging for."""

from __future__ import annotations

import sys
from typing import Any


def autolog_settings() -> dict[str, Any] | None:
    """Return the settings of `mlflow.sklearn.autolog`; None if it does not apply now.

    It does not within a fit of another estimator that MLflow follows, such as
    `GridSearchCV`, which has a run of its own.
    """
    utils: Any = sys.modules.get("mlflow.utils.autologging_utils")
    if utils is None or utils.autologging_is_disabled("sklearn"):
        return None
    if utils._AUTOLOGGING_GLOBALLY_DISABLED or is_autologging_a_fit():
        return None
    settings = dict(utils.AUTOLOGGING_INTEGRATIONS["sklearn"])
    import mlflow

    if settings.get("exclusive") and mlflow.active_run() is not None:
        return None
    return settings


def is_autologging_a_fit() -> bool:
    """Tell whether MLflow follows a fit of an estimator, in any thread."""
    safety: Any = sys.modules.get("mlflow.utils.autologging_utils.safety")
    if safety is None:
        return False
    return safety._AutologgingSessionManager.active_session() is not None
