"""Nets for images: ResNets from scratch, and pretrained nets that are fine-tuned."""

from automodel.nets.image.augment import AUGMENTATIONS, ImageAugmentation
from automodel.nets.image.finetune import (
    FineTunedImageClassifier,
    FineTunedImageRegressor,
)
from automodel.nets.image.preview import augmented
from automodel.nets.image.resnet import ImageResNetClassifier, ImageResNetRegressor

__all__ = [
    "AUGMENTATIONS",
    "FineTunedImageClassifier",
    "FineTunedImageRegressor",
    "ImageAugmentation",
    "ImageResNetClassifier",
    "ImageResNetRegressor",
    "augmented",
]
