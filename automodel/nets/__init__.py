"""Neural nets for tables: scikit-learn estimators, usable without the search.

torch and skorch load when a net is fitted or predicts.
"""

from automodel.nets.ft_transformer import (
    FTTransformerClassifier,
    FTTransformerRegressor,
)
from automodel.nets.packed import PackedMLPClassifier, PackedMLPRegressor
from automodel.nets.realmlp import RealMLPClassifier, RealMLPRegressor
from automodel.nets.resnet import TabularResNetClassifier, TabularResNetRegressor
from automodel.nets.tabm import TabMClassifier, TabMRegressor

__all__ = [
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
