"""ImageFamily: the base of families that learn from images."""

from __future__ import annotations

from automodel.families._pretrained import PretrainedFamily


class ImageFamily(PretrainedFamily):
    """A family that learns from images.

    Its encoders take `Images`. In all methods, `task.facts` is an `ImageFacts`.

    Attributes
    ----------
    uses_weights : bool
        Whether the family cannot do without pretrained weights.
    """

    modality = "image"
