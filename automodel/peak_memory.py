"""The peak of the memory of this process."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path


def peak_bytes() -> int:
    """Return the peak of the resident memory of this process since it began.

    Examples
    --------
    >>> from automodel.peak_memory import peak_bytes
    >>> peak_bytes() > 1_000_000
    True
    """
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return _peak_of_other_systems()


def _peak_of_other_systems() -> int:
    if sys.platform == "win32":
        import psutil  # installed with this package there

        return psutil.Process().memory_info().peak_wset
    from resource import RUSAGE_SELF, getrusage

    unit = 1 if sys.platform == "darwin" else 1024
    return getrusage(RUSAGE_SELF).ru_maxrss * unit
