"""Where a fitted estimator comes from: when it was fitted, where and with what."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from automodel import __version__
from automodel.clock import wall_time
from automodel.families import ModelFamily
from automodel.peak_memory import peak_bytes

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "optuna", "torch", "skorch")
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # of import names


def provenance(
    families: Iterable[ModelFamily], elapsed: float, baseline_score: float
) -> dict[str, Any]:
    """Return what a report of a fit needs and the models do not tell, as plain values.

    Parameters
    ----------
    families : iterable of ModelFamily
        The families that were searched, whose libraries count.
    elapsed : float
        Seconds since the beginning of the fit.
    baseline_score : float
        Score of the model that uses y alone.
    """
    names = [*LIBRARIES, *(name for family in families for name in family.requires)]
    return {
        # Local time without a zone, like the moments of Optuna's trials.
        "began": datetime.fromtimestamp(wall_time() - elapsed).isoformat(),
        "baseline_score": float(baseline_score),
        "peak_memory": peak_bytes(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"automodel": __version__, **_versions(names)},
    }


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in dict.fromkeys(DISTRIBUTIONS.get(name, name) for name in names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
