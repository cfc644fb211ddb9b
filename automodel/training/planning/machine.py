"""Machine: the hardware that a fit runs on."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from sklearn.utils._param_validation import InvalidParameterError

CGROUP = Path("/sys/fs/cgroup")  # where the limits of a container are


@dataclass(frozen=True)
class Machine:
    """The hardware that a fit runs on.

    Parameters
    ----------
    n_cores : int, default=None
        Number of cores. None means as many as this process may use.
    memory : int, default=None
        Bytes of memory. None means as many as this machine has, or as the limit of the
        container that this process runs in.
    gpu : bool, default=None
        Whether there is a GPU that torch can use. None means what this machine has,
        as far as it is known without loading torch.

    Raises
    ------
    ValueError, TypeError
        If a value is not a positive number, or `gpu` is not a bool.

    Examples
    --------
    >>> from automodel.training.planning.machine import Machine
    >>> Machine(n_cores=16, memory=64_000_000_000, gpu=False).n_cores
    16
    """

    n_cores: int = None  # type: ignore[assignment]  # None is replaced below
    memory: int = None  # type: ignore[assignment]
    gpu: bool = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        _check("n_cores", self.n_cores, Integral)
        _check("memory", self.memory, Real)
        if self.gpu is not None and not isinstance(self.gpu, bool):
            raise TypeError(f"The 'gpu' of Machine must be a bool. Got {self.gpu!r}.")
        found = {"n_cores": _cores, "memory": _memory, "gpu": _has_gpu}
        for name, find in found.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, find())


def _check(name: str, value: Any, kind: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, kind) or not value > 0:
        raise InvalidParameterError(
            f"The {name!r} of Machine must be a positive number. Got {value!r} instead."
        )


def _cores() -> int:
    import joblib

    return joblib.cpu_count()


def _memory() -> int:
    """Return the bytes of memory, or the limit of the container if that is lower."""
    total = _total_memory()
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (CGROUP / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit():
            total = min(total, int(text))
    return total


def _total_memory() -> int:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    import psutil  # installed with this package where the system does not tell

    return psutil.virtual_memory().total


def _has_gpu() -> bool:
    torch = sys.modules.get("torch")
    if torch is not None:
        return bool(torch.cuda.is_available())
    return Path("/dev/nvidia0").exists()
