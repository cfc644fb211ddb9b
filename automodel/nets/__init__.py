"""Neural nets for tables, texts and images: scikit-learn estimators of their own.

They can be used without the search. torch and skorch load when a net is fitted. Nets
for tables predict in NumPy, and the others in torch. Those that detect objects need
torchvision, too.
"""

from automodel.nets.bert import BertClassifier, BertRegressor
from automodel.nets.detection import FasterRCNNDetector
from automodel.nets.ft_transformer import (
    FTTransformerClassifier,
    FTTransformerRegressor,
)
from automodel.nets.image import (
    FineTunedImageClassifier,
    FineTunedImageRegressor,
    ImageResNetClassifier,
    ImageResNetRegressor,
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
    "FasterRCNNDetector",
    "FineTunedImageClassifier",
    "FineTunedImageRegressor",
    "ImageResNetClassifier",
    "ImageResNetRegressor",
    "PackedMLPClassifier",
    "PackedMLPRegressor",
    "RealMLPClassifier",
    "RealMLPRegressor",
    "TabMClassifier",
    "TabMRegressor",
    "TabularResNetClassifier",
    "TabularResNetRegressor",
]
