"""Nets for images: ResNets from scratch, and pretrained nets that are fine-tuned."""

__all__ = [
    "AUGMENTATIONS",
    "FineTunedImageClassifier",
    "FineTunedImageRegressor",
    "ImageAugmentation",
    "ImageResNetClassifier",
    "ImageResNetRegressor",
    "augmented",
]

_HOMES = {
    "AUGMENTATIONS": "augment",
    "FineTunedImageClassifier": "finetune",
    "FineTunedImageRegressor": "finetune",
    "ImageAugmentation": "augment",
    "ImageResNetClassifier": "resnet",
    "ImageResNetRegressor": "resnet",
    "augmented": "preview",
}


def __getattr__(name):  # a model of one kind needs no module of another
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
