"""Neural nets for tables and texts: scikit-learn estimators, usable without the search.

torch and skorch load when a net is fitted or predicts.
"""

from automodel.nets.bert import BertClassifier, BertRegressor
from automodel.nets.ft_transformer import (
    FTTransformerClassifier,
    FTTransformerRegressor,
)
from automodel.nets.packed import PackedMLPClassifier, PackedMLPRegressor
from automodel.nets.realmlp import RealMLPClassifier, RealMLPRegressor
from automodel.nets.resnet import TabularResNetClassifier, TabularResNetRegressor
from automodel.nets.tabm import TabMClassifier, TabMRegressor

__all__ = [
    "BertClassifier",
    "BertRegressor",
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
