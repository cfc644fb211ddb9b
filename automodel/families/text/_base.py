"""TextFamily: the base of families that learn from texts."""

from __future__ import annotations

from automodel.families.base import ModelFamily


class TextFamily(ModelFamily):
    """A family that learns from texts.

    Its encoders take `Texts`. In all methods, `task.facts` is a `TextFacts`.
    """

    modality = "text"
