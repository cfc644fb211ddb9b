"""TextFamily: the base of families that learn from texts."""

from __future__ import annotations

from automodel.families._pretrained import PretrainedFamily


class TextFamily(PretrainedFamily):
    """A family that learns from texts.

    Its encoders take `Texts`. In all methods, `task.facts` is a `TextFacts`.

    Attributes
    ----------
    uses_weights : bool
        Whether the family cannot do without pretrained weights.
    """

    modality = "text"
