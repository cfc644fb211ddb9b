"""ImageFamily: the base of families that learn from images."""

from __future__ import annotations

from automodel.families.base import ModelFamily


class ImageFamily(ModelFamily):
    """A family that learns from images.

    Its encoders take `Images`. In all methods, `task.facts` is an `ImageFacts`.
    """

    modality = "image"
