"""Neural nets for tables: scikit-learn estimators, usable without the search.

torch and skorch load when the first name is used.
"""

__all__ = ["RealMLPClassifier", "RealMLPRegressor"]

_HOMES = {
    "RealMLPClassifier": "automodel.nets.realmlp",
    "RealMLPRegressor": "automodel.nets.realmlp",
}


def __getattr__(name):
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'automodel.nets' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
