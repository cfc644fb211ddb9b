"""Neural nets for tables: scikit-learn estimators, usable without the search.

torch and skorch load when the first name is used.
"""

_HOMES = {
    "FTTransformerClassifier": "automodel.nets.ft_transformer",
    "FTTransformerRegressor": "automodel.nets.ft_transformer",
    "PackedMLPClassifier": "automodel.nets.packed",
    "PackedMLPRegressor": "automodel.nets.packed",
    "RealMLPClassifier": "automodel.nets.realmlp",
    "RealMLPRegressor": "automodel.nets.realmlp",
    "TabMClassifier": "automodel.nets.tabm",
    "TabMRegressor": "automodel.nets.tabm",
    "TabularResNetClassifier": "automodel.nets.resnet",
    "TabularResNetRegressor": "automodel.nets.resnet",
}

__all__ = [  # noqa: F822  they are loaded by __getattr__
    "FTTransformerClassifier",
    "FTTransformerRegressor",
    "PackedMLPClassifier",
    "PackedMLPRegressor",
    "RealMLPClassifier",
    "RealMLPRegressor",
    "TabMClassifier",
    "TabMRegressor",
    "TabularResNetClassifier",
    "TabularResNetRegressor",
]


def __getattr__(name):
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'automodel.nets' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
