"""Neural nets for tables, texts and images: scikit-learn estimators of their own.

They can be used without the search. torch and skorch load when a net is fitted. Nets
for tables predict in NumPy, and the others in torch. Those that detect objects need
torchvision, too.
"""

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

_HOMES = {
    "BertClassifier": "bert",
    "BertRegressor": "bert",
    "FTTransformerClassifier": "ft_transformer",
    "FTTransformerRegressor": "ft_transformer",
    "FasterRCNNDetector": "detection",
    "FineTunedImageClassifier": "image",
    "FineTunedImageRegressor": "image",
    "ImageResNetClassifier": "image",
    "ImageResNetRegressor": "image",
    "PackedMLPClassifier": "packed",
    "PackedMLPRegressor": "packed",
    "RealMLPClassifier": "realmlp",
    "RealMLPRegressor": "realmlp",
    "TabMClassifier": "tabm",
    "TabMRegressor": "tabm",
    "TabularResNetClassifier": "resnet",
    "TabularResNetRegressor": "resnet",
}


def __getattr__(name):  # a model of one kind needs no module of another
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
