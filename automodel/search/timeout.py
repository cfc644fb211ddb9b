"""A time limit for calls that may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from automodel.exceptions import describe_error


def within(call: Callable[[], Any], seconds: float) -> Any:
    """Return `call()`, or raise TimeoutError if it takes longer.

    The call then goes on in its thread, which ends with the process. An error of the
    call is raised here; SystemExit and the like are raised as a RuntimeError.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:  # noqa: BLE001  raised in the caller
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    error = outcome.get("error")
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise RuntimeError(describe_error(error)) from error
    if "value" not in outcome:
        raise TimeoutError(f"no answer within {seconds:.3g} s")
    return outcome["value"]
